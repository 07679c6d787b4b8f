"""How much work an operation is: estimates from shapes, for the choice between ways to do it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

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
    from netts.compiler.operand import Frame
    from netts.compiler.plan import Matrix, Plan

NANOSECONDS_PER_STEP = 0.03
"""One load, add or compare of a loop that vectorises, float32 on a 2-core AVX-512 machine: ReLU of
128 x 256 took 4.1 us (0.04 per step), gathering 128 rows of 784 9.8 us (0.025), Adam of 235,000
parameters 116 us (0.015). Loops that do not vectorise take 10 to 20 times as long."""

STEPS_OF_A_FUNCTION = 10
"""exp and its like take 0.3 to 0.8 ns an element when vectorised (vector_math's own tests)."""

NANOSECONDS_PER_FMA = 0.025
"""BLAS on one core: 0.022 on the machine of bench/results/contractions-2026-11-23.md, 0.045 on that
of FACTS."""

UNKNOWN_TRIPS = 8
"""Assumed of a loop whose length depends on data."""

# The constants of the choice between loops and BLAS come from bench/contraction_rule.py: float32,
# one thread, 397 shapes of five kernels. bench/results/contractions-2026-11-23.md says what their
# wrong choices cost.

CALL_NANOSECONDS = 220
"""A product of a few elements, packing of BLAS's own included: 180 to 300."""

MOVE_NANOSECONDS = 0.03
"""An element of an operand or of the result, besides the multiplications: 1024 x 1024 times a
vector takes 55 us."""

THIN_NANOSECONDS = 1.5
"""A row of a product with one column: 256 x 4 times 4 x 1 takes 1.3 us, 1024 x 4 takes 2.2 us."""

COPY_NANOSECONDS = 0.2
"""An element packed from rows that are contiguous: 0.15 to 0.25."""

EPILOGUE_NANOSECONDS = 0.2
STRIDED_EPILOGUE_NANOSECONDS = 1.0
"""A sum read by the rest of the nest: from neighbouring elements, and from others."""

CACHE_ELEMENTS = 1 << 17
SPILL = 2
"""Scratch of more than so many elements, half a megabyte, is slower by such a factor."""

DIRECT_NANOSECONDS = 0.05
STRIDED_NANOSECONDS = 0.5
LOOP_NANOSECONDS = 3.3
"""A term of a loop that vectorises, of one that does not, and the start of an innermost loop: a
3 x 3 window takes 10 ns for its three rows, 64 x 256 times 256 x 1, columns inside, 3.4 ns each."""

SCRATCH_ELEMENTS = 1 << 22
"""The most scratch of one part."""

CORES = 4
"""What plans are compared for: sharing the work among so many is worth something."""

PARALLEL_SECONDS = 40e-6
"""What a part should take at least: waking numba's threads costs 1 to 7 us where a core is free,
and 20 us and more where the machine is busy."""


def estimate_seconds(phase: Stmt | Nest, plan: Plan | None, symbols: Mapping[Expr, int]) -> float:
    """Return about how long one core works on a phase."""
    if not isinstance(phase, Nest):
        return 1e-7
    if plan is not None:
        return plan_seconds(plan)
    iterations = 1.0
    for axis in phase.axes:
        iterations *= _trips(axis.extent, symbols)
    return iterations * _steps(phase.body, symbols) * NANOSECONDS_PER_STEP * 1e-9


# ---------------------------------------------------------------- contractions


def plan_seconds(plan: Plan) -> float:
    """Return about how long one core works on a contraction."""
    volume = plan.frame.volume
    calls = plan.units * volume(plan.batched) * volume(plan.repeated)
    m, n, k = (
        math.prod(plan.counted(one) for one in group)
        for group in (plan.rows, plan.columns, plan.inner)
    )
    call = CALL_NANOSECONDS + m * n * k * NANOSECONDS_PER_FMA
    if min(m, n) == 1:
        call += max(m, n) * THIN_NANOSECONDS
    total = calls * (call + (m * k + k * n + m * n) * MOVE_NANOSECONDS)
    for matrix in (plan.left, plan.right):
        if matrix.size:
            spill = SPILL if plan.scratch_elements > CACHE_ELEMENTS else 1
            total += _times_packed(plan, matrix) * matrix.size * COPY_NANOSECONDS * spill
    if not plan.is_plain:
        outer = [one.index for one in plan.frame.contraction.outer]
        is_strided = plan.total.of.get(outer[-1], 0) > 1
        each = STRIDED_EPILOGUE_NANOSECONDS if is_strided else EPILOGUE_NANOSECONDS
        unit = m * n if plan.is_direct else plan.total_size
        spill = SPILL if unit > CACHE_ELEMENTS else 1
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

    A share is worth waking a worker for from `PARALLEL_SECONDS` on.
    """
    seconds = plan_seconds(plan)
    return max(seconds / min(plan.units, CORES), min(seconds, PARALLEL_SECONDS)), seconds


def direct_seconds(frame: Frame) -> float:
    """Return about how long one core works on a sum of products as the loops that it is."""
    found = frame.contraction
    last = _innermost(found.root)
    elements = [one for one in found.factors if isinstance(one, Load)]
    if isinstance(found.update, Store):
        elements.append(Load(found.update.array, found.update.subscripts))
    steps = [frame.steps(one).of.get(last, 0) for one in elements]
    is_vectorised = not frame.conditions and all(one in (0, 1) for one in steps)
    each = DIRECT_NANOSECONDS if is_vectorised else STRIDED_NANOSECONDS
    starts = frame.volume(one for one in frame.extents if one != last)
    return starts * (LOOP_NANOSECONDS + frame.extents[last].count * each) * 1e-9


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


def _steps(body: tuple[Stmt, ...], symbols: Mapping[Expr, int]) -> float:
    total = 0.0
    for statement in body:
        total += sum(_weight(e) for expr in expressions(statement) for e in walk_expression(expr))
        match statement:
            case Store():
                total += 1
            case If(body=then, orelse=orelse):
                total += _steps(then, symbols) + _steps(orelse, symbols)
            case Loop(start=start, stop=stop, step=step, body=inner):
                first = evaluate(start, symbols)
                trips = _trips(stop, symbols) if first is None else _between(first, stop, symbols)
                total += trips / abs(step) * _steps(inner, symbols)
            case While(body=inner):
                total += UNKNOWN_TRIPS * _steps(inner, symbols)
    return total


def _between(first: int, stop: Expr, symbols: Mapping[Expr, int]) -> float:
    last = evaluate(stop, symbols)
    return UNKNOWN_TRIPS if last is None else abs(last - first)


def _weight(expr: Expr) -> float:
    match expr:
        case Apply(function=function):
            is_costly = function in VECTORISED or function in ("pow", "truediv")
            return STEPS_OF_A_FUNCTION if is_costly else 1
        case Call():
            return STEPS_OF_A_FUNCTION
        case Load():
            return 1
        case _:
            return 0
