"""What generated code is specialised for, what it is given, and what it tests while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netts.compiler.nest import Apply, Load, Place, Store
from netts.compiler.typing import Types

FOLDED_LIMIT = 16
"""Integer arguments in subscripts up to this size become literals (strides, paddings, kernel
widths: a packing loop ran in 0.5 ms instead of 3.35, shared/FACTS). Larger ones are row numbers
and the like, for which one kernel each would be compiled."""


@dataclass(frozen=True, slots=True)
class Word:
    """One 64-bit word of an argument block.

    `kind` is "fault" (where a failing entry leaves the value it met), "address", "extent",
    "stride" (in elements), "scalar", "scratch" (an address), "blas" (a function's address) or
    "plan" (a number that the compiler worked out from the shapes).
    """

    kind: str
    name: str = ""
    axis: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """A test at run time: of a subscript, or of a divisor where `dimension` is None."""

    node: Load | Store | Apply
    dimension: int | None


@dataclass(frozen=True)
class Binding:
    """What generated code is specialised for.

    Attributes
    ----------
    dtypes
        The dtype name of each array.
    unit_axes
        The axis of each array whose stride is one element; None where there is none.
    aliases
        Arrays that are the same memory as another: name to the name used for it.
    unproved
        The subscripts to test at run time, as (id of node, dimension).
    folded
        Integer arguments that become literals.
    clamps
        Which argument a `max` or `min` in a loop's bounds always is, by its id.
    single
        The last axes, of arrays of several, that have one element: (name, axis).
    """

    types: Types
    dtypes: Mapping[str, str]
    unit_axes: Mapping[str, int | None]
    aliases: Mapping[str, str]
    unproved: frozenset[tuple[int, int]]
    folded: Mapping[str, int]
    clamps: Mapping[int, int] = field(default_factory=dict)
    single: frozenset[tuple[str, int]] = frozenset()

    def canonical(self, array: str) -> str:
        """Return the one name of arrays that are the same memory."""
        return self.aliases.get(array, array)


def describe(check: Check) -> tuple[Place, str]:
    """Return where a check stands and what it is about."""
    if check.dimension is None:
        return check.node.place, "integer division by zero"
    assert not isinstance(check.node, Apply)
    return check.node.place, f"subscript {check.dimension} of {check.node}"
