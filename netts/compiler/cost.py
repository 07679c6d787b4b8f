"""How much work an operation is: a count of scalar steps from the shapes."""

from __future__ import annotations

from collections.abc import Mapping

from netts.compiler.affine import evaluate
from netts.compiler.contraction import Contraction
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
)
from netts.compiler.scalars import VECTORISED

NANOSECONDS_PER_STEP = 0.03
"""One load, add or compare of a loop that vectorises, float32 on a 2-core AVX-512 machine: ReLU of
128 x 256 took 4.1 us (0.04 per step), gathering 128 rows of 784 9.8 us (0.025), Adam of 235,000
parameters 116 us (0.015). Loops that do not vectorise take 10 to 20 times as long."""

STEPS_OF_A_FUNCTION = 10
"""exp and its like take 0.3 to 0.8 ns an element when vectorised (vector_math's own tests)."""

NANOSECONDS_PER_FMA = 0.03
"""BLAS on one core: 0.021 on the machine above (128 x 784 x 256), 0.045 on that of FACTS."""

UNKNOWN_TRIPS = 8
"""Assumed of a loop whose length depends on data."""


def estimate_seconds(
    phase: Stmt | Nest, contraction: Contraction | None, symbols: Mapping[Expr, int]
) -> float:
    """Return about how long one core works on a phase."""
    if not isinstance(phase, Nest):
        return 1e-7
    iterations = 1.0
    for axis in phase.axes:
        iterations *= _trips(axis.extent, symbols)
    if contraction is None:
        return iterations * _steps(phase.body, symbols) * NANOSECONDS_PER_STEP * 1e-9
    inner = _trips(contraction.inner, symbols)
    epilogue = 0.0 if contraction.is_plain else _steps(contraction.after, symbols)
    per_element = inner * NANOSECONDS_PER_FMA + epilogue * NANOSECONDS_PER_STEP
    return iterations * per_element * 1e-9


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
