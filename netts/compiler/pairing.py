"""Which factors of a sum make up which operand, and which operand carries which condition."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from netts.compiler.contraction import Condition
from netts.compiler.nest import Expr
from netts.compiler.operand import Frame, Operand

MOST_PAIRS = 16
"""Ways to make two operands of the factors that are tried; five factors have 15."""


def pairs(frame: Frame) -> Iterator[tuple[Operand, Operand]]:
    """Yield the pairs of operands that the factors can be multiplied into."""
    first, *others = frame.contraction.factors
    choices = itertools.product((False, True), repeat=len(others))
    for chosen in itertools.islice(choices, MOST_PAIRS):
        left = [first, *(one for one, is_left in zip(others, chosen, strict=True) if is_left)]
        right = [one for one, is_left in zip(others, chosen, strict=True) if not is_left]
        if right and (pair := _guarded(frame, left, right)) is not None:
            yield pair


def _guarded(
    frame: Frame, left: Sequence[Expr], right: Sequence[Expr]
) -> tuple[Operand, Operand] | None:
    """Give every condition to an operand whose indices it names, None where neither has them.

    An operand that is in its array only under conditions gets all that fit.
    """
    sides = (left, right)
    names = [frame.operand(one, ()).indices for one in sides]
    given: tuple[list[Condition], list[Condition]] = ([], [])
    for side, factors in enumerate(sides):
        if not frame.is_safe(factors, ()):
            own = (one for one in frame.conditions if one.indices <= names[side])
            given[side].extend(one for one in own if one.polynomial is not None)
    for condition in frame.conditions:
        if condition.is_kept or any(condition in one for one in given):
            continue
        fitting = [side for side in (0, 1) if condition.indices <= names[side]]
        if not fitting:
            return None
        # Rather where something has to be packed anyway, else where there is less of it.
        is_bare = [not given[side] and len(sides[side]) == 1 for side in (0, 1)]
        chosen = min(fitting, key=lambda side: (is_bare[side], frame.volume(names[side])))
        given[chosen].append(condition)
    operands = []
    for factors, conditions in zip(sides, given, strict=True):
        tests = [one.test for one in conditions if one.polynomial is None]
        bounds = [one for one in conditions if one.polynomial is not None]
        if not frame.is_safe((*factors, *tests), bounds):
            return None
        operands.append(frame.operand(factors, conditions))
    return operands[0], operands[1]
