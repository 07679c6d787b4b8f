"""How the loops that compute functions are printed, so that these run in the lanes of vectors."""

from __future__ import annotations

import enum

from netts.compiler.binding import Binding
from netts.compiler.nest import (
    Apply,
    Call,
    Const,
    Extent,
    Jump,
    Loop,
    Stmt,
    While,
    all_expressions,
    walk_statements,
)
from netts.compiler.scalars import COSTLY

WHOLE = 64
"""Iterations that are whole vectors of every width, as many as LLVM runs at once: 4 of 16 lanes."""


class Lanes(enum.Enum):
    """Where the iterations of a loop run."""

    AS_THEY_ARE = enum.auto()
    """Left to LLVM."""

    NONE = enum.auto()
    """One iteration, and no loop, so that the one around it vectorises."""

    MASKED = enum.auto()
    """Whole vectors, and what is left of them masked: there may be few iterations."""


def lanes_of(loop: Loop, binding: Binding) -> Lanes:
    """Return how to print a loop.

    Only functions are worth it: other bodies take less than masks do. And sums over the rows of a
    single column, without its loop, would be open to LLVM, which adds them up less exactly.
    """
    every = tuple(walk_statements(loop.body))
    if any(isinstance(one, Jump) for one in every) or not _computes_functions(loop.body):
        return Lanes.AS_THEY_ARE
    match loop:
        case Loop(start=Const(value=0), stop=Extent(array=array, axis=axis), step=1):
            if (array, axis) in binding.single:
                return Lanes.NONE
    is_innermost = not any(isinstance(one, Loop | While) for one in every)
    return Lanes.MASKED if is_innermost and loop.step == 1 else Lanes.AS_THEY_ARE


def _computes_functions(body: tuple[Stmt, ...]) -> bool:
    """Whether statements compute an exponential or its like, in element functions too."""
    return any(
        (isinstance(one, Apply) and one.function in COSTLY)
        or (isinstance(one, Call) and _computes_functions(one.function.body.body))
        for one in all_expressions(body)
    )
