"""The layers of a network and the edges between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from netts.errors import DataError, ParameterError, ShapeError
from netts.layers.base import Layer, LayerBuffers, Parameter, Shape, describe


@dataclass(frozen=True)
class Node:
    """A layer in its network.

    Attributes
    ----------
    label
        The position in the list that the user gave; "1.1" is the second part of layer 1, "1[0].2"
        layer 2 in the first branch of layer 1.
    inputs
        Which values it reads. The inputs of the network are the first values, then comes the
        output of each node, so in a network of one input 0 is that and k + 1 the output of node k.
    """

    label: str
    layer: Layer
    inputs: tuple[int, ...]

    def __str__(self) -> str:
        return f"layer {self.label} ({describe(self.layer)})"

    def shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Return the shapes of what it reads, of the shapes of all values."""
        return tuple(shapes[value] for value in self.inputs)


def check_samples(
    nodes: Sequence[Node], n_inputs: int, samples: Sequence[np.ndarray], names: Sequence[str]
) -> None:
    """Ask the layers that read an input of the network about the samples for it.

    Raises
    ------
    DataError
        Where one of them cannot take the values.
    """
    for node, value in _sample_readers(nodes, n_inputs):
        try:
            node.layer.check_samples(samples[value], names[value])
        except DataError as error:
            raise DataError(f"{node} {error}") from None


def checking_nodes(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes whose layers have a `check_samples` of their own."""
    return [
        node
        for node in nodes
        if isinstance(node.layer, Layer)
        and type(node.layer).check_samples is not Layer.check_samples
    ]


def _sample_readers(nodes: Sequence[Node], n_inputs: int) -> list[tuple[Node, int]]:
    """Return each node that reads an input of the network as it is, and which."""
    origins, readers = {k: k for k in range(n_inputs)}, []
    for k, node in enumerate(nodes):
        read = [origins[value] for value in node.inputs if value in origins]
        readers += [(node, value) for value in read]
        if read and node.layer.passes_through(is_training=True):
            origins[n_inputs + k] = read[0]
    return readers


def check_places(nodes: Sequence[Node], n_inputs: int) -> None:
    """Refuse a layer that has to check samples where it does not see them.

    Raises
    ------
    ParameterError
    """
    readers = [node for node, _ in _sample_readers(nodes, n_inputs)]
    for node in checking_nodes(nodes):
        if node not in readers:
            raise ParameterError(
                f"{node} takes the samples themselves, but {nodes[node.inputs[0] - n_inputs]} "
                "comes before it: put it first"
            )


def shapes_of(nodes: Sequence[Node], input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """Return the shape of every value, the network's inputs first, without the batch axis.

    Raises
    ------
    ShapeError
        Where a layer's input does not fit it, or its output has no shape.
    """
    shapes = list(input_shapes)
    for node in nodes:
        try:
            shape = node.layer.output_shape(*node.shapes(shapes))
        except ShapeError as error:
            raise ShapeError(f"{node} {error}") from None
        if not isinstance(shape, Iterable):
            raise ShapeError(
                f"{node} gives output_shape {shape!r}: return a tuple, as ({shape!r},)"
            )
        shapes.append(tuple(shape))
    return tuple(shapes)


def declared_by(
    node: Node, input_shapes: Sequence[Shape]
) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
    """Return the parameters and the state that a layer declares for inputs of these shapes.

    Raises
    ------
    ParameterError
        Where something is no `Parameter`, or has a name that `LayerBuffers` does not give it by.
    """
    layer = node.layer
    parameters, state = layer.parameters(*input_shapes), layer.state(*input_shapes)
    transients = layer.transients(*input_shapes, rows=1)
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
    taken = {"input", *(field.name for field in dataclasses.fields(LayerBuffers))}
    for name in [*parameters, *state, *transients]:
        if name in taken or name.startswith(("_", "grad_")):
            raise ParameterError(
                f"{node} cannot call an array {name!r}, as `at.{name}` means something else: "
                "choose another name"
            )
        taken.add(name)
    return parameters, state
