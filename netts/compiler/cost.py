"""How much work an operation is: estimates from shapes, for the choice between ways to do it.

What a machine needs for each kind of work is in `CostConstants`; the numbers here are policy, the
same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from netts.compiler import in_place
from netts.compiler.affine import evaluate
from netts.compiler.nest import (
    Apply,
    Call,
    Expr,
    If,
    Load,
    Loop,
    Nest,
    Stmt,
    Store,
    While,
    expressions,
    walk_expression,
    walk_statements,
)
from netts.compiler.scalars import VECTORISED

if TYPE_CHECKING:
    from netts.compiler.cost_constants import CostConstants
    from netts.compiler.operand import Frame
    from netts.compiler.plan import Matrix, Plan

UNKNOWN_TRIPS = 8
"""Assumed of a loop whose length depends on data."""

CACHE_ELEMENTS = 1 << 17
SPILL = 2
"""Scratch of more than so many elements, half a megabyte, is slower by such a factor."""

SCRATCH_ELEMENTS = 1 << 22
"""The most scratch of one part."""


def estimate_seconds(
    phase: Stmt | Nest, plan: Plan | None, symbols: Mapping[Expr, int], costs: CostConstants
) -> float:
    """Return about how long one core works on a phase."""
    if not isinstance(phase, Nest):
        return 1e-7
    if plan is not None:
        return plan_seconds(plan)
    iterations = 1.0
    for axis in phase.axes:
        iterations *= _trips(axis.extent, symbols)
    return iterations * _work(phase.body, symbols, costs) * 1e-9


# ---------------------------------------------------------------- contractions


def plan_seconds(plan: Plan) -> float:
    """Return about how long one core works on a contraction."""
    volume, costs = plan.frame.volume, plan.frame.costs
    calls = plan.units * volume(plan.batched) * volume(plan.repeated)
    m, n, k = plan.sides
    call = costs.call + m * n * k * costs.multiply_add + in_place.difference(plan)
    if min(m, n) == 1:
        call += max(m, n) * costs.thin
    total = calls * (call + (m * k + k * n + m * n) * costs.move)
    for matrix in (plan.left, plan.right):
        if matrix.size:
            spill = SPILL if plan.scratch_elements > CACHE_ELEMENTS else 1
            each = costs.copy * (in_place.turning(plan, matrix) if matrix.is_turned else spill)
            total += _times_packed(plan, matrix) * matrix.size * each
    if not plan.is_plain:
        outer = [one.index for one in plan.frame.contraction.outer]
        is_strided = plan.total.of.get(outer[-1], 0) > 1
        each = costs.strided_epilogue if is_strided else costs.epilogue
        # A result that the product has just written is near, whatever its size.
        spill = SPILL if plan.total_size > CACHE_ELEMENTS else 1
        total += each * spill * volume(outer)
    return total * 1e-9


def _times_packed(plan: Plan, matrix: Matrix) -> int:
    """Return how often a matrix is packed: whenever an index around it changes."""
    loops = [(one, plan.frame.extents[one].count) for one in plan.hoisted]
    if plan.split is not None:
        loops.append((plan.split.index, plan.split.blocks))
    loops += [(one, plan.frame.extents[one].count) for one in (*plan.batched, *plan.repeated)]
    last = max((n for n, (one, _) in enumerate(loops) if one in matrix.operand.indices), default=-1)
    return math.prod(count for _, count in loops[: last + 1])


def rank(plan: Plan) -> tuple[float, float]:
    """Return about how long a contraction takes where its units may be shared, and on one core.

    A share is worth waking a worker for from `part_seconds` on.
    """
    seconds, costs = plan_seconds(plan), plan.frame.costs
    return max(seconds / min(plan.units, costs.cores), min(seconds, costs.part_seconds)), seconds


def direct_seconds(frame: Frame) -> float:
    """Return about how long one core works on a sum of products as the loops that it is."""
    found, costs = frame.contraction, frame.costs
    last = _innermost(found.root)
    elements = [one for one in found.factors if isinstance(one, Load)]
    if isinstance(found.update, Store):
        elements.append(Load(found.update.array, found.update.subscripts))
    steps = [frame.steps(one).of.get(last, 0) for one in elements]
    is_vectorised = not frame.conditions and all(one in (0, 1) for one in steps)
    each = costs.term if is_vectorised else costs.strided_term
    starts = frame.volume(one for one in frame.extents if one != last)
    return starts * (costs.loop + frame.extents[last].count * each) * 1e-9


def _innermost(loop: Loop) -> str:
    """Return the index of the innermost loop of a perfect chain."""
    for one in walk_statements(loop.body):
        if isinstance(one, Loop):
            loop = one
    return loop.index


def is_direct_faster(plan: Plan) -> bool:
    """Whether the loops themselves beat a product."""
    return direct_seconds(plan.frame) < plan_seconds(plan)


# ---------------------------------------------------------------- loops


def _trips(extent: Expr, symbols: Mapping[Expr, int]) -> float:
    value = evaluate(extent, symbols)
    return UNKNOWN_TRIPS if value is None else max(value, 0)


def _work(body: tuple[Stmt, ...], symbols: Mapping[Expr, int], costs: CostConstants) -> float:
    """Return the nanoseconds of statements."""
    total = 0.0
    for statement in body:
        for expr in expressions(statement):
            total += sum(_weight(one, costs) for one in walk_expression(expr))
        match statement:
            case Store():
                total += costs.step
            case If(body=then, orelse=orelse):
                total += _work(then, symbols, costs) + _work(orelse, symbols, costs)
            case Loop(start=start, stop=stop, step=step, body=inner):
                first = evaluate(start, symbols)
                trips = _trips(stop, symbols) if first is None else _between(first, stop, symbols)
                total += trips / abs(step) * _work(inner, symbols, costs)
            case While(body=inner):
                total += UNKNOWN_TRIPS * _work(inner, symbols, costs)
    return total


def _between(first: int, stop: Expr, symbols: Mapping[Expr, int]) -> float:
    last = evaluate(stop, symbols)
    return UNKNOWN_TRIPS if last is None else abs(last - first)


def _weight(expr: Expr, costs: CostConstants) -> float:
    match expr:
        case Apply(function=function):
            is_costly = function in VECTORISED or function in ("pow", "truediv")
            return costs.function if is_costly else costs.step
        case Call():
            return costs.function
        case Load():
            return costs.step
        case _:
            return 0.0
