"""Range checks of subscripts, done from the shapes when arguments are bound.

A subscript that is affine in the loop indices is bounded by replacing each index, innermost first,
by a bound of its loop or of a guard around the access. What stays in range needs no test at run
time; what leaves it in a loop that certainly runs is refused; what depends on data, or on a
condition that says nothing about the subscript, is tested at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from netts.compiler.access import Access, Guard, Range, Scope
from netts.compiler.affine import Linear, at
from netts.compiler.nest import Expr
from netts.compiler.source import Source
from netts.errors import BoundsError

_MAX_DEPTH = 12
"""Substitutions per subscript; deeper than any nest met, so that the search ends."""


def find_unproved(
    touched: Sequence[Access],
    shapes: Mapping[str, tuple[int, ...]],
    symbols: Mapping[Expr, int],
    source: Source,
) -> frozenset[tuple[int, int]]:
    """Return the subscripts to test at run time, as (id of the access's node, dimension).

    Raises
    ------
    BoundsError
        Where a subscript certainly leaves its array.
    """
    unproved: set[tuple[int, int]] = set()
    for one in touched:
        ranges = Ranges(one.scope, symbols)
        if ranges.is_empty:
            continue
        for dimension, subscript in enumerate(one.subscripts):
            extent = shapes[one.array][dimension]
            form = None if subscript is None else at(subscript, symbols)
            low = None if form is None else ranges.bound(form, below=True)
            high = None if form is None else ranges.bound(form, below=False)
            if low is not None and high is not None and low >= 0 and high < extent:
                continue
            if low is None or high is None or ranges.is_guarded:
                unproved.add((id(one.node), dimension))
                continue
            raise _out_of_bounds(one, dimension, extent, low, high, source)
    return frozenset(unproved)


def is_in_range(
    one: Access, shapes: Mapping[str, tuple[int, ...]], symbols: Mapping[Expr, int]
) -> bool:
    """Whether every subscript of an access certainly lies in its array."""
    ranges = Ranges(one.scope, symbols)
    if ranges.is_empty:
        return True
    for subscript, extent in zip(one.subscripts, shapes[one.array], strict=True):
        form = None if subscript is None else at(subscript, symbols)
        low = None if form is None else ranges.bound(form, below=True)
        high = None if form is None else ranges.bound(form, below=False)
        if low is None or high is None or low < 0 or high >= extent:
            return False
    return True


class Ranges:
    """The bounds of each loop index in a scope, with the symbols replaced by numbers."""

    def __init__(self, scope: Scope, symbols: Mapping[Expr, int]) -> None:
        self.lowers: dict[str, list[Linear]] = {}
        self.uppers: dict[str, list[Linear]] = {}
        self.order: list[str] = []
        self.is_guarded = False
        self.is_empty = False
        for one in scope:
            if isinstance(one, Range):
                self._add_range(one, symbols)
            else:
                self._add_guard(one, symbols)

    def _add_range(self, loop: Range, symbols: Mapping[Expr, int]) -> None:
        lowers = [form for p in loop.lowers if p and (form := at(p, symbols)) is not None]
        uppers = [form for p in loop.uppers if p and (form := at(p, symbols)) is not None]
        is_known = len(loop.lowers) == len(lowers) == len(loop.uppers) == len(uppers) == 1
        # A clamped range, with several bounds, and one that depends on data or on another index,
        # may be empty where this analysis cannot see it.
        self.is_guarded |= not is_known
        self.is_guarded |= any(form.factors for form in (*lowers, *uppers))
        if loop.step not in (1, -1) and is_known:
            lowers, uppers = _stepped(lowers[0], uppers[0], loop.step)
        self.lowers[loop.index], self.uppers[loop.index] = lowers, uppers
        self.order.append(loop.index)
        span = [
            self.bound(upper.combined(lower, -1), below=False)
            for lower in lowers
            for upper in uppers
        ]
        self.is_empty |= any(length is not None and length < 0 for length in span)

    def _add_guard(self, guard: Guard, symbols: Mapping[Expr, int]) -> None:
        self.is_guarded = True
        form = None if guard.polynomial is None else at(guard.polynomial, symbols)
        if form is None:
            return
        if not form.factors:
            self.is_empty |= form.constant < 0
            return
        index = max((name for name, _ in form.factors), key=self.order.index)
        factor = form.factor(index)
        rest = Linear.of(form.constant, {k: v for k, v in form.factors if k != index})
        solved = Linear.of(Fraction(0), {}).combined(rest, -1 / factor)
        (self.lowers if factor > 0 else self.uppers)[index].append(solved)

    def bound(self, form: Linear, below: bool, depth: int = 0) -> Fraction | None:
        """Return the best bound of a linear form, None where it has none."""
        if not form.factors:
            return form.constant
        if depth > _MAX_DEPTH:
            return None
        index = max((name for name, _ in form.factors), key=self.order.index)
        low = (form.factor(index) > 0) == below
        found = [
            value
            for one in (self.lowers if low else self.uppers)[index]
            if (value := self.bound(form.substituted(index, one), below, depth + 1)) is not None
        ]
        if not found:
            return None
        return max(found) if below else min(found)


def _stepped(lower: Linear, upper: Linear, step: int) -> tuple[list[Linear], list[Linear]]:
    """Return the first and last value of an index that takes steps, where both ends are known."""
    if lower.factors or upper.factors or lower.constant > upper.constant:
        return [lower], [upper]
    short = Linear.of((upper.constant - lower.constant) % abs(step), {})
    if step > 0:
        return [lower], [upper.combined(short, -1)]
    return [lower.combined(short, 1)], [upper]


def _out_of_bounds(
    access: Access, dimension: int, extent: int, low: Fraction, high: Fraction, source: Source
) -> Exception:
    reached = f"{low}" if low == high else f"{low} to {high}"
    rule = (
        f"subscript {dimension} of {access.node} takes the values {reached}, but axis {dimension} "
        f"of {access.array} has {extent} elements"
    )
    way_out = (
        "a negative subscript does not count from the end in a kernel; test it with `if`"
        if low < 0
        else "shorten the loop, pass a larger array, or test the subscript with `if`"
    )
    return source.error(BoundsError, access.place, rule, way_out)
