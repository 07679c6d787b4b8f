"""The layers of a network and the edges between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from netts.errors import DataError, ParameterError, ShapeError
from netts.layers.base import LAYER_METHODS, Layer, LayerBuffers, Parameter, Shape, describe


@dataclass(frozen=True)
class Node:
    """A layer in its network.

    Attributes
    ----------
    label
        The position in the list that the user gave; "1.1" is the second part of layer 1.
    inputs
        Which values it reads: 0 is the network's input, k + 1 the output of node k.
    """

    label: str
    layer: Layer
    inputs: tuple[int, ...]

    def __str__(self) -> str:
        return f"layer {self.label} ({describe(self.layer)})"


def chain(layers: Iterable[Layer]) -> tuple[Node, ...]:
    """Return the nodes of layers that follow one another, each expanded into its parts.

    Raises
    ------
    ParameterError
        Where something is no layer.
    """
    nodes: list[Node] = []
    for position, layer in enumerate(layers):
        if isinstance(layer, type) or not all(hasattr(layer, name) for name in LAYER_METHODS):
            raise ParameterError(
                f"a network is a list of layers, such as layers.Dense(10) or layers.ReLU(), got "
                f"{layer!r} at position {position}"
            )
        for part, one in enumerate(_expanded(layer)):
            label = str(position) if part == 0 else f"{position}.{part}"
            nodes.append(Node(label, one, (len(nodes),)))
    if not nodes:
        raise ParameterError("a network needs at least one layer")
    _check_places(tuple(nodes))
    return tuple(nodes)


def check_samples(nodes: Iterable[Node], X: np.ndarray, name: str) -> None:
    """Ask the layers that read the network's input about samples.

    Raises
    ------
    DataError
        Where one of them cannot take the values.
    """
    for node in _sample_readers(nodes):
        try:
            node.layer.check_samples(X, name)
        except DataError as error:
            raise DataError(f"{node} {error}") from None


def _sample_readers(nodes: Iterable[Node]) -> list[Node]:
    """Return the nodes that read the network's input as it is."""
    samples, readers = {0}, []
    for k, node in enumerate(nodes):
        if node.inputs[0] in samples:
            readers.append(node)
            if node.layer.passes_through(is_training=True):
                samples.add(k + 1)
    return readers


def _check_places(nodes: tuple[Node, ...]) -> None:
    """Refuse a layer that has to check samples where it does not see them."""
    readers = _sample_readers(nodes)
    for node in nodes:
        overrides = isinstance(node.layer, Layer) and (
            type(node.layer).check_samples is not Layer.check_samples
        )
        if overrides and node not in readers:
            raise ParameterError(
                f"{node} takes the samples themselves, but {nodes[node.inputs[0] - 1]} comes "
                "before it: put it first"
            )


def _expanded(layer: Layer) -> list[Layer]:
    parts = layer.expand()
    if parts == (layer,):
        return [layer]
    return [one for part in parts for one in _expanded(part)]


def shapes_of(nodes: tuple[Node, ...], input_shape: Shape) -> tuple[Shape, ...]:
    """Return the shape of every value, the network's input first, without the batch axis.

    Raises
    ------
    ShapeError
        Where a layer's input does not fit it, or its output has no shape.
    """
    shapes = [input_shape]
    for node in nodes:
        try:
            shape = node.layer.output_shape(shapes[node.inputs[0]])
        except ShapeError as error:
            raise ShapeError(f"{node} {error}") from None
        if not isinstance(shape, Iterable):
            raise ShapeError(
                f"{node} gives output_shape {shape!r}: return a tuple, as ({shape!r},)"
            )
        shapes.append(tuple(shape))
    return tuple(shapes)


def declared_by(
    node: Node, input_shape: Shape
) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
    """Return the parameters and the state that a layer declares for an input of this shape.

    Raises
    ------
    ParameterError
        Where something is no `Parameter`, or has a name that `LayerBuffers` does not give it by.
    """
    parameters, state = node.layer.parameters(input_shape), node.layer.state(input_shape)
    transients = node.layer.transients(input_shape, 1)
    for name, parameter in [*parameters.items(), *state.items()]:
        if not isinstance(parameter, Parameter):
            raise ParameterError(
                f"{node} declares {name!r} as {parameter!r}: write Parameter(shape, initializer)"
            )
    for name, shape in transients.items():
        if not isinstance(shape, Iterable):
            raise ParameterError(
                f"{node} declares {name!r} as {shape!r}: give its shape, as ({shape!r},)"
            )
    taken = {field.name for field in dataclasses.fields(LayerBuffers)}
    for name in [*parameters, *state, *transients]:
        if name in taken or name.startswith(("_", "grad_")):
            raise ParameterError(
                f"{node} cannot call an array {name!r}, as `at.{name}` means something else: "
                "choose another name"
            )
        taken.add(name)
    return parameters, state
