"""The operands of a contraction, in numbers: how far each index runs, and what a step of it costs.

Everything here is known when arguments are bound. Indices count from 0 in steps of 1 ("counters");
an index of the nest is `first + step * counter`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from netts.compiler import nest
from netts.compiler.access import Access, Guard, Range
from netts.compiler.affine import Linear, Polynomial, at
from netts.compiler.arguments import ArrayInfo
from netts.compiler.bounds import is_in_range
from netts.compiler.contraction import Condition, Contraction, Span, indices_of, subscripts_of
from netts.compiler.cost_constants import CostConstants
from netts.compiler.nest import Apply, Const, Expr, Index, Load, Store, walk_expression
from netts.compiler.scalars import DIVISIONS
from netts.compiler.terms import NotASumError


@dataclass(frozen=True, slots=True)
class Extent:
    """The values of an index: `count` of them from `first` in steps."""

    first: int
    count: int
    step: int
    is_parallel: bool


@dataclass(frozen=True, slots=True)
class Steps:
    """Where a load reads: `base`, and so many elements further for each step of a counter."""

    array: str
    base: int
    of: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Form:
    """`constant + sum of factor * counter >= 0`; `is_small` says that no shape is in it."""

    constant: int
    of: Mapping[str, int]
    is_small: bool


@dataclass(frozen=True)
class Operand:
    """A product of factors that are read, or packed, as one matrix.

    Attributes
    ----------
    guards, masks
        The conditions under which an element is not zero: inequalities, and tests.
    steps
        For each factor that is a single load of the dtype of the sum, where it reads; None for
        another expression.
    """

    factors: tuple[Expr, ...]
    guards: tuple[Form, ...]
    masks: tuple[Expr, ...]
    indices: frozenset[str]
    steps: tuple[Steps | None, ...]

    @property
    def title(self) -> str:
        """What it multiplies, by the names of arrays."""
        loads = [one for expr in self.factors for one in walk_expression(expr)]
        names = dict.fromkeys(one.array for one in loads if isinstance(one, Load))
        return " ".join(names) or "an expression"

    @property
    def view(self) -> Steps | None:
        """Where it is read in place; None where it has to be packed."""
        is_bare = len(self.factors) == 1 and not self.guards and not self.masks
        return self.steps[0] if is_bare else None


@dataclass(frozen=True)
class Frame:
    """What operands are made in: a contraction with its arrays, indices in numbers, and costs."""

    contraction: Contraction
    arrays: Mapping[str, ArrayInfo]
    symbols: Mapping[Expr, int]
    dtype: str
    extents: Mapping[str, Extent]
    conditions: tuple[Condition, ...]
    costs: CostConstants

    @staticmethod
    def of(
        found: Contraction,
        arrays: Mapping[str, ArrayInfo],
        symbols: Mapping[Expr, int],
        dtype: str,
        costs: CostConstants,
    ) -> Frame:
        """Work out how far every index runs.

        Raises
        ------
        NotASumError
            Where that depends on data.
        """
        extents: dict[str, Extent] = {}
        conditions = list(found.conditions)
        for span in found.outer:  # the sums between the steps of a loop are not read
            every = replace(span, step=1 if span.step > 0 else -1)
            extents[span.index] = _extent(every, symbols, extents)
        for span in found.inner:
            extents[span.index] = _extent(span, symbols, extents)
            conditions += _clamps(span)
        known = (
            replace(one, polynomial=None)
            if one.polynomial is not None and at(one.polynomial, symbols) is None
            else one
            for one in conditions
        )
        return Frame(found, arrays, symbols, dtype, extents, tuple(known), costs)

    def volume(self, indices: Iterable[str]) -> int:
        """Return how many combinations of values indices have."""
        total = 1
        for one in indices:
            total *= self.extents[one].count
        return total

    def steps(self, load: Load | Store) -> Steps:
        """Return where a load reads."""
        subscripts = subscripts_of(load)
        assert subscripts is not None
        info = self.arrays[load.array]
        total = Linear.of(Fraction(0), {})
        for subscript, stride in zip(subscripts, info.strides, strict=True):
            form = at(subscript, self.symbols)
            if form is None:
                raise NotASumError(f"the subscripts of {load} are known only when it runs")
            total = total.combined(form, stride)
        base, of = self._counted(total)
        return Steps(load.array, base, of)

    def _counted(self, form: Linear) -> tuple[int, dict[str, int]]:
        """Return a form of indices as one of counters."""
        constant, of = form.constant, {}
        for index, factor in form.factors:
            extent = self.extents[index]
            constant += factor * extent.first
            of[index] = int(factor * extent.step)
        return int(constant), of

    def operand(self, factors: Sequence[Expr], conditions: Sequence[Condition]) -> Operand:
        """Return the operand that factors make where conditions hold."""
        guards: list[Form] = []
        masks: list[Expr] = []
        for one in conditions:
            if one.polynomial is None:
                masks.append(one.test)
                continue
            form = at(one.polynomial, self.symbols)
            assert form is not None
            constant, of = self._counted(form)
            is_small = not any(isinstance(a, nest.Extent) for a in one.polynomial.atoms)
            guards.append(Form(constant, of, is_small))
        indices = frozenset[str]().union(*map(indices_of, (*factors, *masks)))
        indices = indices.union(*(one.of for one in guards))
        steps = tuple(
            self.steps(one)
            if isinstance(one, Load) and self.arrays[one.array].dtype == self.dtype
            else None
            for one in factors
        )
        return Operand(tuple(factors), tuple(guards), tuple(masks), indices, steps)

    def is_safe(self, expressions: Iterable[Expr], conditions: Sequence[Condition]) -> bool:
        """Whether expressions can be evaluated wherever conditions hold."""
        return all(
            self.is_in_range(one, conditions)
            if isinstance(one, Load)
            else _is_harmless_division(one)
            for expr in expressions
            for one in walk_expression(expr)
        )

    def is_in_range(self, node: Load | Store, conditions: Sequence[Condition]) -> bool:
        """Whether an access stays in its array wherever conditions hold."""
        subscripts = subscripts_of(node)
        if subscripts is None:
            return False
        scope: list[Range | Guard] = []
        for index, one in self.extents.items():
            ends = sorted((one.first, one.first + one.step * (one.count - 1)))
            low, high = (Polynomial.constant(end) for end in ends)
            scope.append(Range(index, (low,), (high,), 1))
        scope += [Guard(one.polynomial) for one in conditions if one.polynomial is not None]
        shapes = {name: info.shape for name, info in self.arrays.items()}
        return is_in_range(Access(node, subscripts, "load", tuple(scope)), shapes, self.symbols)


def _is_harmless_division(expr: Expr) -> bool:
    if not isinstance(expr, Apply) or expr.function not in DIVISIONS:
        return True
    divisor = expr.arguments[1]
    return isinstance(divisor, Const) and bool(divisor.value)


def _extent(span: Span, symbols: Mapping[Expr, int], outer: Mapping[str, Extent]) -> Extent:
    lowers = [_ends(p, symbols, outer, span) for p in span.lowers]
    uppers = [_ends(p, symbols, outer, span) for p in span.uppers]
    first, last = max(low for low, _ in lowers), min(high for _, high in uppers)
    if span.step in (1, -1):
        return Extent(first, max(last - first + 1, 0), 1, span.is_parallel)
    starts = lowers if span.step > 0 else uppers
    if len(starts) != 1 or starts[0][0] != starts[0][1]:
        raise NotASumError(f"the loop over {span.index} takes steps from a start that varies")
    count = max((last - first) // abs(span.step) + 1, 0)
    return Extent(first if span.step > 0 else last, count, span.step, span.is_parallel)


def _ends(
    polynomial: Polynomial, symbols: Mapping[Expr, int], outer: Mapping[str, Extent], span: Span
) -> tuple[int, int]:
    """Return the least and the greatest value of a bound."""
    form = at(polynomial, symbols)
    if form is None or any(index not in outer for index, _ in form.factors):
        raise NotASumError(f"the loop over {span.index} has bounds that depend on data")
    low = high = int(form.constant)
    for index, factor in form.factors:
        extent = outer[index]
        ends = [extent.first, extent.first + extent.step * max(extent.count - 1, 0)]
        values = [int(factor * end) for end in ends]
        low, high = low + min(values), high + max(values)
    return low, high


def _clamps(span: Span) -> list[Condition]:
    """Return the bounds of a loop that vary with other indices, as conditions."""
    index = Polynomial.atom(Index(span.index))
    bounds = [index - p for p in span.lowers if p.indices]
    bounds += [p - index for p in span.uppers if p.indices]
    return [Condition(one, Const(True)) for one in bounds]
