"""Which module of a state dict is which layer: by a mapping, or by shapes and order.

A module fits a layer if it has all arrays of the layer, in the shapes that they have there, and no
others. Layers take the modules that fit them in the order of both, so modules without arrays may
lie between, and modules of other shapes may be sorted otherwise.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from netts.errors import WeightsError
from netts.layers.base import InTorch, Shape
from netts.persistence.places import brief

MAX_LISTED = 20

Arrays = Mapping[str, np.ndarray]

Signature = frozenset[tuple[str, Shape]]
"""The arrays of a layer or module: what they are called in the file, and their shapes there."""


@dataclass(frozen=True)
class Wanted:
    """An array of the network, and what it is in a file.

    Attributes
    ----------
    layer : str
        The layer in words, for messages.
    label : str
        Of the layer.
    name : str
        As `network.weights()` has it.
    in_file : InTorch
    shape : tuple of int
        In the file.
    """

    layer: str
    label: str
    name: str
    in_file: InTorch
    shape: Shape

    def within(self, module: str) -> str:
        """Return the name in the file of the array in a module; "" is the file itself."""
        return f"{module}.{self.in_file.name}" if module else self.in_file.name


def by_names(
    wanted: Sequence[Wanted], arrays: Arrays, mapping: Mapping[str, str]
) -> dict[str, str]:
    """Return the name in the file of each array that a mapping names.

    Raises
    ------
    WeightsError
        Where the network or the file lacks a name, or shapes differ.
    """
    found, problems = {}, []
    for ours, theirs in mapping.items():
        those = [one for one in wanted if ours in (one.label, one.name)]
        if not those:
            labels = dict.fromkeys(one.label for one in wanted)
            problems.append(f"the network has no weights of {ours!r}: it has {', '.join(labels)}")
        for one in those:
            source = found[one.name] = theirs if ours == one.name else one.within(theirs)
            wants = f"{one.layer} wants {source} of shape {one.shape}"
            if source not in arrays:
                problems.append(f"{wants}, which is not in the file")
            elif arrays[source].shape != one.shape:
                problems.append(f"{wants}, the file has {arrays[source].shape}")
    refuse(problems, arrays)
    return found


def by_shapes(wanted: Sequence[Wanted], arrays: Arrays, *, is_ordered: bool) -> dict[str, str]:
    """Return the name in the file of each array of the network.

    Raises
    ------
    WeightsError
        Where a layer or a module is left over, or it is not known which of several is first.
    """
    layers, modules = _layers(wanted), _modules(arrays)
    ours, theirs = _grouped(layers), _grouped(modules)
    if any(len(ours.get(kind, ())) != len(theirs.get(kind, ())) for kind in {*ours, *theirs}):
        _refuse_left_over(wanted, layers, modules, ours, theirs)
    found: dict[str, str] = {}
    for kind, labels in ours.items():
        order = theirs[kind] if is_ordered else _sorted(theirs[kind])
        module_of = dict(zip(labels, order, strict=True))
        found |= {
            one.name: one.within(module_of[one.label]) for one in wanted if one.label in module_of
        }
    return found


def _layers(wanted: Iterable[Wanted]) -> dict[str, dict[str, Shape]]:
    found = defaultdict[str, dict[str, Shape]](dict)
    for one in wanted:
        found[one.label][one.in_file.name] = one.shape
    return found


def _modules(arrays: Arrays) -> dict[str, dict[str, Shape]]:
    found = defaultdict[str, dict[str, Shape]](dict)
    for name, array in arrays.items():
        module, _, last = name.rpartition(".")
        found[module][last] = array.shape
    return found


def _grouped(things: Mapping[str, Mapping[str, Shape]]) -> dict[Signature, list[str]]:
    """Return the names of layers, or of modules, that have the same arrays."""
    found = defaultdict[Signature, list[str]](list)
    for name, shapes in things.items():
        found[frozenset(shapes.items())].append(name)
    return found


def _sorted(modules: list[str]) -> list[str]:
    """Return names of modules in the order of the numbers in them.

    Raises
    ------
    WeightsError
        Where they differ in words too, which have no order.
    """
    parts = {name: re.split(r"([0-9]+)", name) for name in modules}
    if len({tuple(one[::2]) for one in parts.values()}) > 1:
        raise WeightsError(
            f"has modules of the same shapes, {_listed(map(repr, modules))}, and a safetensors "
            "file does not say in which order: pass a mapping from names of layers, such as "
            f"{{'0': {brief(modules[0])!r}, '1': {brief(modules[1])!r}}}, or an NPZ file"
        )

    def numbers(name: str) -> list[tuple[int, str]]:
        # As texts: Python makes no number of more than some thousand digits.
        digits = [one.lstrip("0") for one in parts[name][1::2]]
        return [(len(one), one) for one in digits]

    return sorted(modules, key=numbers)


def _refuse_left_over(
    wanted: Iterable[Wanted],
    layers: Mapping[str, Mapping[str, Shape]],
    modules: Mapping[str, Mapping[str, Shape]],
    ours: Mapping[Signature, list[str]],
    theirs: Mapping[Signature, list[str]],
) -> None:
    """Name the layers of shapes that another number of modules has, and these modules."""
    kinds = {k for k in {*ours, *theirs} if len(ours.get(k, ())) != len(theirs.get(k, ()))}
    in_words = {one.label: one.layer for one in wanted}
    problems = [
        f"{in_words[label]} wants {_shapes(shapes)}"
        for label, shapes in layers.items()
        if frozenset(shapes.items()) in kinds
    ]
    problems += [
        f"{module or 'the file itself'} has {_shapes(shapes)}{_kind(shapes)}"
        for module, shapes in modules.items()
        if frozenset(shapes.items()) in kinds
    ]
    refuse(problems)


def _shapes(shapes: Mapping[str, Shape]) -> str:
    return _listed(f"{name} {shape}" for name, shape in shapes.items())


def _kind(shapes: Mapping[str, Shape]) -> str:
    """Say what netts has no layer for, where the arrays tell."""
    if any("weight_ih" in name for name in shapes):
        return " (a recurrent layer, which netts does not have)"
    if any("in_proj" in name for name in shapes):
        return " (attention, which netts does not have)"
    if set(shapes) == {"weight", "bias"} and len(shapes["weight"]) == 1:
        return " (LayerNorm; or GroupNorm or InstanceNorm, which netts does not have)"
    return ""


def _listed(items: Iterable[str]) -> str:
    every = list(items)
    more = len(every) - MAX_LISTED
    return ", ".join(map(brief, every[:MAX_LISTED])) + (f" and {more:,} more" if more > 0 else "")


def refuse(problems: Sequence[str], arrays: Arrays | None = None) -> None:
    """Raise an error that names all problems, if there are any.

    Raises
    ------
    WeightsError
    """
    if not problems:
        return
    lines = [f"\n  {brief(one)}" for one in problems[:MAX_LISTED]]
    if len(problems) > MAX_LISTED:
        lines.append(f"\n  and {len(problems) - MAX_LISTED:,} more")
    has = "" if arrays is None else f"\nThe file has: {_listed(arrays)}"
    raise WeightsError(f"does not fit the network:{''.join(lines)}{has}")
