"""From a list of layers, with branches in it, to nodes and the edges between them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from netts.errors import ParameterError
from netts.layers.base import LAYER_METHODS, Layer
from netts.layers.input import Input
from netts.network.nodes import Node, check_places

MAX_DEPTH = 24
"""Of branches in branches. A model file holds values 64 deep, of which a branch takes 2 or 3."""

_UNNAMED = ""
"""The input of a network whose samples are one array."""


@dataclass(frozen=True)
class Wiring:
    """The layers of a network in an order in which they can run, and its inputs.

    Attributes
    ----------
    names
        Of the inputs, in the order of their first use; none where samples are one array.
    nodes
        Each behind all that it reads; the last one gives the output.
    """

    names: tuple[str, ...]
    nodes: tuple[Node, ...]

    @property
    def n_inputs(self) -> int:
        """How many inputs there are."""
        return max(len(self.names), 1)


def wire(layers: Iterable[Any]) -> Wiring:
    """Return the nodes of layers that follow one another, each expanded into its parts.

    Raises
    ------
    ParameterError
        Where something is no layer, takes another number of inputs than it has branches, or gives
        what nobody reads.
    """
    builder = _Builder()
    builder.follow(layers, None, "", 0)
    if not builder.nodes:
        raise ParameterError("a network needs at least one layer")
    names, nodes = tuple(builder.inputs), builder.numbered()
    if names == (_UNNAMED,):
        names = ()
    elif _UNNAMED in names:
        first, *_ = (node for node in builder.nodes if builder.inputs[_UNNAMED] in node.inputs)
        raise ParameterError(
            f"{first} reads the samples as one array, but other layers read inputs by name, "
            f"{_listed(names)}: begin its list of layers with an input too, such as "
            f"layers.Input({next(filter(None, names))!r})"
        )
    _check_readers(nodes, len(builder.inputs))
    check_places(nodes, len(builder.inputs))
    return Wiring(names, nodes)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names if name)


class _Builder:
    """The nodes so far: input k is value -1 - k, node k gives value k; None is not read yet."""

    def __init__(self) -> None:
        self.inputs: dict[str, int] = {}
        self.nodes: list[Node] = []

    def follow(self, layers: Iterable[Any], value: int | None, prefix: str, depth: int) -> int:
        """Add nodes for layers that begin with a value; return the value that they end with."""
        for position, layer in enumerate(layers):
            label = f"{prefix}{position}"
            for part, one in enumerate(_expanded(layer, label)):
                value = self._add(one, value, label if part == 0 else f"{label}.{part}", depth)
        return self._input(_UNNAMED) if value is None else value

    def _add(self, layer: Layer, value: int | None, label: str, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise ParameterError(
                f"layer {label} lies more than {MAX_DEPTH} branches deep, or holds itself"
            )
        if isinstance(layer, Input):
            value = self._input(layer.name)
        branches = _branches(layer, label) or ((),)
        inputs = [
            self.follow(branch, value, f"{label}[{k}].", depth + 1)
            for k, branch in enumerate(branches)
        ]
        node = Node(label, layer, tuple(inputs))
        _check_number_of_inputs(node)
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _input(self, name: str) -> int:
        return self.inputs.setdefault(name, -1 - len(self.inputs))

    def numbered(self) -> tuple[Node, ...]:
        """Return the nodes with values numbered from 0: the inputs first."""
        n_inputs = len(self.inputs)
        return tuple(
            replace(node, inputs=tuple(-1 - v if v < 0 else v + n_inputs for v in node.inputs))
            for node in self.nodes
        )


def _expanded(layer: Any, label: str, depth: int = 0) -> list[Layer]:
    """Return the layers that a layer stands for."""
    if isinstance(layer, type) or not all(hasattr(layer, name) for name in LAYER_METHODS):
        meant = f": write {layer.__name__}(...)" if isinstance(layer, type) else ""
        raise ParameterError(
            f"a network is a list of layers, such as layers.Dense(10) or layers.ReLU(), got "
            f"{layer!r} at position {label}{meant}"
        )
    parts = layer.expand()
    if parts == (layer,):
        return [layer]
    if depth > MAX_DEPTH:
        raise ParameterError(f"layer {label} stands for itself and more: {layer!r}")
    return [one for part in parts for one in _expanded(part, label, depth + 1)]


def _branches(layer: Layer, label: str) -> Sequence[Sequence[Any]]:
    """Return the lists of layers that a layer reads."""
    branches = getattr(layer, "branches", ())
    for one in branches if isinstance(branches, Sequence) else (branches,):
        if not isinstance(one, Sequence) or isinstance(one, str):
            raise ParameterError(
                f"layer {label} has branches {branches!r}: they are a list of lists of layers"
            )
    return branches


def _check_number_of_inputs(node: Node) -> None:
    """Refuse a layer whose methods take another number of shapes than it has inputs."""
    method = node.layer.output_shape
    function = getattr(method, "__func__", None)
    is_taken = (
        _takes(method, len(node.inputs))
        if function is None
        else _function_takes(function, 1 + len(node.inputs))
    )
    if not is_taken:
        takes = ", ".join(inspect.signature(method).parameters)
        raise ParameterError(
            f"{node} has {len(node.inputs)} inputs, but its output_shape takes ({takes}): give it "
            "as many branches, a field `branches` of lists of layers, as it takes shapes"
        )


def _takes(function: Callable[..., Any], n_arguments: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*[None] * n_arguments)
    except TypeError:
        return False
    return True


_function_takes = lru_cache(maxsize=256)(_takes)
"""The same, kept by the function that a method is, as each network asks for each of its layers."""


def _check_readers(nodes: tuple[Node, ...], n_inputs: int) -> None:
    """Refuse a node that nobody reads, unless it is the last."""
    read = {value for node in nodes for value in node.inputs}
    for k, node in enumerate(nodes[:-1]):
        if k + n_inputs not in read:
            raise ParameterError(
                f"nobody reads what {node} gives, as {nodes[k + 1]} begins anew: put both into "
                "branches, as in layers.Concatenate([[...], [layers.Input(...), ...]])"
            )
