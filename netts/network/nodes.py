"""The layers of a network and the edges between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netts.errors import ParameterError, ShapeError
from netts.layers.base import Layer, Shape, describe

_METHODS = ("output_shape", "parameters", "state", "expand", "forward", "backward")


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
        if isinstance(layer, type) or not all(hasattr(layer, name) for name in _METHODS):
            raise ParameterError(
                f"a network is a list of layers, such as layers.Dense(10) or layers.ReLU(), got "
                f"{layer!r} at position {position}"
            )
        for part, one in enumerate(_expanded(layer)):
            label = str(position) if part == 0 else f"{position}.{part}"
            nodes.append(Node(label, one, (len(nodes),)))
    if not nodes:
        raise ParameterError("a network needs at least one layer")
    return tuple(nodes)


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
        Where a layer's input does not fit it.
    """
    shapes = [input_shape]
    for node in nodes:
        try:
            shapes.append(tuple(node.layer.output_shape(shapes[node.inputs[0]])))
        except ShapeError as error:
            raise ShapeError(f"{node} {error}") from None
    return tuple(shapes)
