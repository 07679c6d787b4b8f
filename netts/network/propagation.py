"""Forward and backward through a network, as kernel calls in a task graph."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from netts.devices.memory import BufferView
from netts.errors import ShapeError
from netts.graph import TaskGraph
from netts.layers.base import LayerBuffers, RandomCounters, Shape
from netts.network.parameters import ParameterSet

if TYPE_CHECKING:
    from netts.network.network import Network


class Propagation:
    """The passes of one network in one task graph: its transient buffers and what fills them.

    The buffers are for `batch_size` rows; a pass over fewer rows uses their first ones. Methods are
    called while the graph records, and any number of recordings may use the same buffers.

    Parameters
    ----------
    network
        Built; its parameters and layer state are read in place.
    graph
    batch_size
        The most rows of a pass.
    gradients
        Where the backward pass writes gradients of the parameters; None for inference.
    random
        What layers draw random numbers from in training; each gets its own stream.
    needs_input_gradient
        Whether the gradient by the network's input is wanted.
    """

    def __init__(
        self,
        network: Network,
        graph: TaskGraph,
        batch_size: int,
        *,
        gradients: ParameterSet | None = None,
        random: RandomCounters | None = None,
        needs_input_gradient: bool = False,
    ) -> None:
        self.network = network
        self.graph = graph
        self.batch_size = batch_size
        self.gradients = gradients
        self.random = random
        self._buffers: dict[str, BufferView] = {}
        nodes = network.nodes
        trained = [k for k, _ in enumerate(nodes) if network.parameters.pieces[k]]
        # Nobody needs the gradients of what lies before the first parameter.
        self._stop = 0 if needs_input_gradient else min(trained, default=len(nodes))
        self._needs_input_gradient = needs_input_gradient

    def forward(self, x: BufferView) -> list[BufferView]:
        """Record the forward pass and return every value: `x`, then the output of each node."""
        values = [x]
        for k, node in enumerate(self.network.nodes):
            source = values[node.inputs[0]]
            shape = self.network.shapes[k + 1]
            if node.layer.passes_through(self.gradients is not None):
                values.append(source.reshape(x.shape[0], *shape))
                continue
            output = self._buffer(f"output of layer {node.label}", shape, x.shape[0])
            try:
                node.layer.forward(self._at(k, source, output))
            except ShapeError as error:
                raise ShapeError(f"{node} {error}") from None
            values.append(output)
        return values

    def backward(self, values: list[BufferView], grad_output: BufferView) -> BufferView | None:
        """Record the backward pass of a forward pass, from the gradient by its last value.

        Returns the gradient by the network's input, if that was asked for.
        """
        gradient: BufferView | None = grad_output
        rows = grad_output.shape[0]
        for k in reversed(range(self._stop, len(self.network.nodes))):
            node = self.network.nodes[k]
            source = values[node.inputs[0]]
            assert gradient is not None
            if node.layer.passes_through(is_training=True):
                gradient = gradient.reshape(*source.shape)
                continue
            needed = k > self._stop or self._needs_input_gradient
            at = dataclasses.replace(
                self._at(k, source, values[k + 1]),
                grad_output=gradient,
                grad_input=(
                    self._buffer(f"grad_input of layer {node.label}", source.shape[1:], rows)
                    if needed
                    else None
                ),
            )
            node.layer.backward(at)
            gradient = at.grad_input
        return gradient if self._needs_input_gradient else None

    def _at(self, k: int, source: BufferView, output: BufferView) -> LayerBuffers:
        node, rows = self.network.nodes[k], source.shape[0]
        transients = node.layer.transients(source.shape[1:], rows)
        return LayerBuffers(
            input=source,
            output=output,
            parameters=self.network.parameters.pieces[k],
            state=self.network.state.pieces[k],
            transients={
                name: self._transient(f"{name} of layer {node.label}, {rows} rows", shape)
                for name, shape in transients.items()
            },
            gradients=self.gradients.pieces[k] if self.gradients is not None else {},
            is_training=self.gradients is not None,
            random=self.random and dataclasses.replace(self.random, stream=k),
        )

    def _buffer(self, name: str, shape: Shape, rows: int) -> BufferView:
        return self._transient(name, (self.batch_size, *shape))[:rows]

    def _transient(self, name: str, shape: Shape) -> BufferView:
        if name not in self._buffers:
            self._buffers[name] = self.graph.transient(shape, self.network.dtype, name)
        return self._buffers[name]
