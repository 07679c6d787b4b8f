"""The parameters of a network in one flat vector, and anything else of the same layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netts.devices.memory import Arena, BufferView
from netts.errors import ParameterError, ShapeError
from netts.layers.base import Parameter, Shape
from netts.network.inputs import as_array

Declared = Sequence[Mapping[str, Parameter]]
"""What each layer declares, by name."""


@dataclass(frozen=True)
class ParameterSet:
    """Arrays that layers declared, in one arena: those that decay first.

    Attributes
    ----------
    arena
        Holds nothing else; between pieces it has zeros, which optimisers leave at zero.
    pieces
        For each layer its arrays by name.
    n_decaying
        How many elements of `flat` the L2 penalty applies to; they come first.
    flat
        All of them as one vector.
    declared
        What the layers declared, in the order of `pieces`.
    """

    arena: Arena
    pieces: tuple[dict[str, BufferView], ...]
    n_decaying: int
    flat: BufferView
    declared: Declared

    @classmethod
    def declare(cls, name: str, declared: Declared, dtype: np.dtype) -> ParameterSet:
        """Lay out and allocate zeroed arrays."""
        arena = Arena(name)
        pieces: tuple[dict[str, BufferView], ...] = tuple({} for _ in declared)
        _reserve(arena, declared, pieces, dtype, decays=True)
        n_decaying = arena.nbytes // dtype.itemsize
        _reserve(arena, declared, pieces, dtype, decays=False)
        arena.allocate()
        in_order = tuple(
            {key: piece[key] for key in declares}
            for declares, piece in zip(declared, pieces, strict=True)
        )
        return cls(arena, in_order, n_decaying, arena.flat(dtype), declared)

    def like(self, name: str) -> ParameterSet:
        """Return a zeroed set of the same layout: gradients."""
        arena = Arena(name)
        arena.reserve(self.flat.shape, self.flat.dtype)
        arena.allocate()
        pieces = tuple(
            {key: replace(view, buffer=arena.buffer) for key, view in piece.items()}
            for piece in self.pieces
        )
        flat = arena.flat(self.flat.dtype)
        return ParameterSet(arena, pieces, self.n_decaying, flat, self.declared)

    @property
    def n_elements(self) -> int:
        """The number of elements, gaps not counted."""
        return sum(view.size for piece in self.pieces for view in piece.values())

    def draw(self, declared: Declared, generator: np.random.Generator) -> None:
        """Fill every array from its initialiser, in the order of the layers."""
        for declares, piece in zip(declared, self.pieces, strict=True):
            for name, parameter in declares.items():
                piece[name].array[...] = parameter.draw(generator)


def as_weights(weights: Mapping[str, Any], shapes: Mapping[str, Shape]) -> dict[str, np.ndarray]:
    """Return weights as arrays, if they have these names and shapes.

    Raises
    ------
    ParameterError
        Where a name is missing or unknown.
    ShapeError, DataError
        Where a shape differs, or values are no numbers.
    """
    if set(weights) != set(shapes):
        missing, unknown = sorted(set(shapes) - set(weights)), sorted(set(weights) - set(shapes))
        raise ParameterError(f"weights lack {missing} and have unknown {unknown}")
    arrays = {name: as_array(array, name) for name, array in weights.items()}
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise ShapeError(f"{name} has shape {shapes[name]}, got {array.shape}")
    return arrays


def _reserve(
    arena: Arena,
    declared: Declared,
    pieces: tuple[dict[str, BufferView], ...],
    dtype: np.dtype,
    *,
    decays: bool,
) -> None:
    for declares, piece in zip(declared, pieces, strict=True):
        for name, parameter in declares.items():
            if parameter.decays is decays:
                piece[name] = arena.reserve(parameter.shape, dtype)
