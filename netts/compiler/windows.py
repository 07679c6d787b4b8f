"""Indices that own windows of a dimension: windows that do not overlap share no element.

A pooling window that starts at `y * stride` and reaches less than `stride` further is another one's
in no element. With the numbers of a call at hand, such a step shows in the bounds of the subscript:
for an index i and a step c, `subscript - c * i` stays between two numbers less than |c| apart,
whatever the other indices are. Two values of i then never reach the same element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from netts.compiler.access import Access
from netts.compiler.affine import Linear, at
from netts.compiler.bounds import Ranges
from netts.compiler.nest import Expr


def window_step(index: str, group: Sequence[Access], symbols: Mapping[Expr, int]) -> int | None:
    """Return the step of the windows that an index owns, None where it owns none.

    Parameters
    ----------
    group
        Every access to an array.
    symbols
        The values of everything that is known and integer.
    """
    scopes = [Ranges(one.scope, symbols) for one in group]
    if any(index not in one.order for one in scopes):
        return None
    for dimension in range(len(group[0].subscripts)):
        forms = [_form(one, dimension, symbols) for one in group]
        known = [one for one in forms if one is not None]
        if len(known) < len(forms):
            continue
        for step in set(_steps(known[0], scopes[0], index)):
            if _reach(index, step, known, scopes) < abs(step):
                return step
    return None


def _form(one: Access, dimension: int, symbols: Mapping[Expr, int]) -> Linear | None:
    subscript = one.subscripts[dimension]
    return None if subscript is None else at(subscript, symbols)


def _steps(form: Linear, ranges: Ranges, index: str) -> Iterator[int]:
    """Yield how far a step of an index may move a subscript: by the bounds of what is inside it."""
    inner = [
        name for name, _ in form.factors if ranges.order.index(name) > ranges.order.index(index)
    ]
    if not inner:
        step = form.factor(index)
        if step and step.denominator == 1:
            yield int(step)
        return
    last = max(inner, key=ranges.order.index)
    for bound in ranges.lowers[last]:
        yield from _steps(form.substituted(last, bound), ranges, index)


def _reach(index: str, step: int, forms: Sequence[Linear], scopes: Sequence[Ranges]) -> float:
    """Return how far subscripts may be apart, but for the steps of an index."""
    lows, highs = [], []
    for form, ranges in zip(forms, scopes, strict=True):
        rest = form.combined(Linear.of(Fraction(0), {index: Fraction(1)}), -step)
        low, high = ranges.bound(rest, below=True), ranges.bound(rest, below=False)
        if low is None or high is None:
            return float("inf")
        lows.append(low)
        highs.append(high)
    return float(max(highs) - min(lows))
