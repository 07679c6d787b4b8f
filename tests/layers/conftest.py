"""One layer run forward and backward by itself, in a network of its own."""

import numpy as np
import pytest

from netts import Network
from netts.graph import TaskGraph
from netts.layers import RandomCounters
from netts.layers.base import as_rows
from netts.losses.quantities import copy_values
from netts.network.propagation import Propagation
from netts.testing import available_devices


@pytest.fixture(params=available_devices())
def device(request):
    return request.param


def run_layer(layer, x, grad_output=None, weights=None, *, device="cpu", steps=1, network=None):
    """Return the arrays of a training pass: output, gradients, layer state.

    `grad_output` may be a function of the output's shape.
    """
    network = network or Network([layer], x.dtype).build(x.shape[1:], random_state=0)
    network.set_weights(network.weights() | {f"0.{k}": v for k, v in (weights or {}).items()})
    output = np.empty((len(x), *network.shapes[-1]), x.dtype)
    grad_output = grad_output(output.shape) if callable(grad_output) else grad_output
    grad_output = np.ones_like(output) if grad_output is None else grad_output.astype(x.dtype)
    gradients, grad_input = network.parameters.like("gradients"), np.empty_like(x)
    order, one, key = np.arange(len(x)), np.zeros(1, np.int64), np.zeros(2, np.int64)
    graph = TaskGraph()
    propagation = Propagation(
        network,
        graph,
        len(x),
        gradients=gradients,
        random=RandomCounters(order, one, one, key, stream=0),
        needs_input_gradient=True,
    )
    with graph.recording():
        values = propagation.forward(x)
        copy_values(as_rows(values[-1]), output.reshape(len(x), -1))
        (gradient,) = propagation.backward(values, grad_output)
        copy_values(as_rows(gradient), grad_input.reshape(len(x), -1))
    graph.compile(device=device).run(steps=steps)
    found = {"output": output, "grad_output": grad_output, "grad_input": grad_input}
    found |= {f"grad_{k}": v.array.copy() for k, v in gradients.pieces[0].items()}
    return found | {k: v.array.copy() for k, v in network.state.pieces[0].items()}


@pytest.fixture(name="run_layer")
def run_layer_fixture():
    return run_layer
