"""A network as an ONNX graph: each layer writes the operators that do what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.errors import UnexportableError
from netts.layers.base import Layer, LayerOperators
from netts.losses import Loss
from netts.persistence.onnx_graph import OnnxGraph

if TYPE_CHECKING:
    from netts.network.network import Network

ONLY_INPUT, OUTPUT = "input", "output"
"""What the input of a network without names is called in a file, and its output."""


def network_graph(network: Network, loss: Loss | None, dtype: np.dtype) -> OnnxGraph:
    """Return the graph of a built network: what `network.predict(X, loss=loss)` computes."""
    graph = OnnxGraph()
    names = network.input_names or (ONLY_INPUT,)
    inputs = [
        graph.input(name, dtype, shape) for name, shape in zip(names, network.shapes, strict=False)
    ]
    value = add_network(graph, network, inputs, loss, dtype)
    graph.output(OUTPUT, value, dtype, network.shapes[-1])
    return graph


def add_network(
    graph: OnnxGraph, network: Network, inputs: Sequence[str], loss: Loss | None, dtype: np.dtype
) -> str:
    """Append the operators of a network and of what its loss predicts; return the last value.

    Parameters
    ----------
    graph
        Changed in place.
    network
        Built.
    inputs
        The values that it reads, of `dtype`.
    loss
        None for the raw outputs.
    dtype
        float32 or float64.

    Raises
    ------
    UnexportableError
        Where a layer, or the loss, has no operator.
    """
    values, shapes = list(inputs), network.shapes
    pieces = zip(network.parameters.pieces, network.state.pieces, strict=True)
    for node, arrays, shape in zip(network.nodes, pieces, shapes[len(inputs) :], strict=True):
        read = tuple(values[k] for k in node.inputs)
        weights = {name: view.read() for piece in arrays for name, view in piece.items()}
        at = LayerOperators(graph, node.label, dtype, read, node.shapes(shapes), shape, weights)
        values.append(_written(str(node), node.layer, "forward", Layer, at))
    if loss is None:
        return values[-1]
    shape = shapes[-1]
    at = LayerOperators(graph, "loss", dtype, (values[-1],), (shape,), shape)
    return _written(f"loss {loss!r}", loss, "predict", Loss, at)


def _written(called: str, thing: Any, computes: str, base: Any, at: LayerOperators) -> str:
    """Let a layer or loss write its operators; return the value that they give.

    Parameters
    ----------
    called
        In messages.
    thing
        What is like a layer or loss need not inherit from one.
    computes
        The method that the operators stand for.
    base
        `Layer` or `Loss`, whose `to_onnx` is for all that has none.
    at

    Raises
    ------
    UnexportableError
    """
    try:
        _check_own(type(thing).__mro__, computes, base)
        value = getattr(type(thing), "to_onnx", base.to_onnx)(thing, at)
    except UnexportableError as error:
        raise UnexportableError(f"{called} {error}") from None
    if not isinstance(value, str):
        raise UnexportableError(
            f"{called} gives {value!r} for to_onnx: return the name that at.add(...) gave"
        )
    return value


def _check_own(classes: Sequence[type], computes: str, base: type) -> None:
    """Refuse a class that inherits operators but computes something else."""
    found = {
        name: next((k for k, one in enumerate(classes) if name in vars(one)), len(classes))
        for name in ("to_onnx", computes)
    }
    inherited = classes[found["to_onnx"] : found["to_onnx"] + 1]
    if found[computes] < found["to_onnx"] and inherited not in ((), (base,)):
        name, other = classes[found[computes]].__name__, inherited[0].__name__
        raise UnexportableError(
            f"has a method {computes} of its own, and inherits to_onnx of {other}: give {name} a "
            "method to_onnx(self, at) too"
        )
