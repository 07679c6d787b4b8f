"""Forward and backward through a network, as kernel calls in a task graph."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from netts import layers
from netts.devices.memory import BufferView
from netts.errors import ShapeError
from netts.graph import TaskGraph
from netts.layers.base import LayerBuffers, RandomCounters, Shape, as_rows
from netts.losses.quantities import copy_values
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
        Whether the gradients by the network's inputs are wanted.
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
        self._n_inputs = len(network.shapes) - len(network.nodes)
        self._is_needed = self._needed(needs_input_gradient)

    def _needed(self, needs_input_gradient: bool) -> list[bool]:
        """Return for each value whether its gradient is needed.

        Nobody needs the gradients of what lies before all parameters.
        """
        needed = [needs_input_gradient] * self._n_inputs
        for k, node in enumerate(self.network.nodes):
            before = any(needed[value] for value in node.inputs)
            needed.append(before or bool(self.network.parameters.pieces[k]))
        return needed

    def split(self, samples: BufferView) -> tuple[BufferView, ...]:
        """Record the division of a matrix (rows, features) into the inputs of the network."""
        shapes, rows = self.network.shapes[: self._n_inputs], samples.shape[0]
        if self._n_inputs == 1:
            return (samples.reshape(rows, *shapes[0]),)
        inputs, start = [], 0
        for name, shape in zip(self.network.input_names, shapes, strict=True):
            end = start + math.prod(shape)
            inputs.append(self._buffer(f"input {name}", shape, rows))
            copy_values(samples[:, start:end], as_rows(inputs[-1]))
            start = end
        return tuple(inputs)

    def forward(self, *inputs: BufferView) -> list[BufferView]:
        """Record the forward pass and return every value: the inputs, then the output of each node.

        Parameters
        ----------
        *inputs
            Of the network, each of shape (rows, *its shape).
        """
        values, rows = list(inputs), inputs[0].shape[0]
        for k, node in enumerate(self.network.nodes):
            sources = tuple(values[value] for value in node.inputs)
            shape = self.network.shapes[len(values)]
            if node.layer.passes_through(self.gradients is not None):
                values.append(sources[0].reshape(rows, *shape))
                continue
            output = self._buffer(f"output of layer {node.label}", shape, rows)
            try:
                node.layer.forward(self._at(k, sources, output))
            except ShapeError as error:
                raise ShapeError(f"{node} {error}") from None
            values.append(output)
        return values

    def backward(
        self, values: list[BufferView], grad_output: BufferView
    ) -> tuple[BufferView | None, ...]:
        """Record the backward pass of a forward pass, from the gradient by its last value.

        Every layer overwrites the gradients by its inputs. Where several read one value, the
        network adds up what they write, as soon as the last of them has.

        Returns the gradients by the network's inputs, None where they were not asked for.
        """
        gradients: list[list[BufferView]] = [[] for _ in values]
        gradients[-1].append(grad_output)
        for k in reversed(range(len(self.network.nodes))):
            if self._is_needed[self._n_inputs + k]:
                self._backward_through(k, values, gradients)
        return tuple(
            self._total(value, gradients[value]) if self._is_needed[value] else None
            for value in range(self._n_inputs)
        )

    def _backward_through(
        self, k: int, values: list[BufferView], gradients: list[list[BufferView]]
    ) -> None:
        """Record the backward pass of one node; append the gradients that it gives."""
        node = self.network.nodes[k]
        gradient = self._total(self._n_inputs + k, gradients[self._n_inputs + k])
        sources = tuple(values[value] for value in node.inputs)
        if node.layer.passes_gradient():
            given: tuple[Any, ...] = tuple(gradient.reshape(*one.shape) for one in sources)
        else:
            given = self._grad_inputs(k, sources)
            at = self._at(k, sources, values[self._n_inputs + k])
            at = dataclasses.replace(at, grad_output=gradient, grad_inputs=given)
            node.layer.backward(at)
        for value, one in zip(node.inputs, given, strict=True):
            if one is not None and self._is_needed[value]:
                gradients[value].append(one)

    def _grad_inputs(
        self, k: int, sources: tuple[BufferView, ...]
    ) -> tuple[BufferView | None, ...]:
        """Return where a node writes the gradients by its inputs; None where nobody needs them."""
        node = self.network.nodes[k]
        return tuple(
            self._buffer(
                f"grad_input{place or ''} of layer {node.label}", source.shape[1:], source.shape[0]
            )
            if self._is_needed[value]
            else None
            for place, (value, source) in enumerate(zip(node.inputs, sources, strict=True))
        )

    def _total(self, value: int, parts: list[BufferView]) -> BufferView:
        """Return the gradient by a value: what its readers gave, added up where they are several.

        No reader's own array is changed: where a gradient passes through, others read it too.
        """
        if len(parts) == 1:
            return parts[0]
        rows, *shape = parts[0].shape
        total = self._buffer(f"gradient of value {value}", tuple(shape), rows)
        layers.Add.write_sum(parts, total)
        return total

    def _at(self, k: int, sources: tuple[BufferView, ...], output: BufferView) -> LayerBuffers:
        node, rows = self.network.nodes[k], output.shape[0]
        transients = node.layer.transients(*(one.shape[1:] for one in sources), rows=rows)
        return LayerBuffers(
            inputs=sources,
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
