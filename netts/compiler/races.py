"""Proof that the iterations of a nest are independent, or the refusal that says why not.

Ownership: for each stored array, each parallel index owns one dimension, in which every access to
that array has the same subscript `c * index + invariant`, c not zero. Then two iterations that
differ in that index never touch the same element. Where numbers are known, an index may own windows
of a dimension instead (`windows`). Two things may cross iterations: reductions of scalars, and
accumulation at an index that depends on data (scatter-add).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netts.compiler.access import Access
from netts.compiler.affine import Polynomial, at
from netts.compiler.nest import (
    Apply,
    Axis,
    Expr,
    If,
    Jump,
    Local,
    Loop,
    Nest,
    Routine,
    Set,
    Stmt,
    While,
    assigned,
    body_of,
    expressions,
    walk_expression,
    walk_statements,
)
from netts.compiler.source import Source
from netts.compiler.windows import window_step
from netts.errors import RaceError

COMBINE = {"add": "add", "sub": "add", "max": "max", "min": "min"}
"""How the partial results of an update combine."""


@dataclass(frozen=True, slots=True)
class Independence:
    """What was proved of a nest.

    Attributes
    ----------
    reductions
        The scalars that the nest sums ("add") or takes the "max" or "min" of.
    scattered
        The parallel indices whose iterations may add to the same element; they run in order.
    factors
        Coefficients of parallel indices that must not be zero when arguments are bound, with the
        access they are from.
    """

    reductions: Mapping[str, str]
    scattered: frozenset[str]
    factors: tuple[tuple[Axis, Polynomial, Access], ...]


def prove_independent(
    nest: Nest,
    touched: Sequence[Access],
    outer: frozenset[str],
    source: Source,
    aliases: Mapping[str, str] | None = None,
    symbols: Mapping[Expr, int] | None = None,
) -> Independence:
    """Prove that the iterations of a nest are independent.

    Parameters
    ----------
    touched
        The accesses of the nest.
    outer
        The scalars that the top level assigns before the nest.
    aliases
        Arrays that are the same memory under another name: name to the name to use for it.
    symbols
        The values of what is known and integer, where that may be used in the proof.

    Raises
    ------
    RaceError
        Where it cannot be proved.
    """
    aliases = aliases or {}
    scattered: set[str] = set()
    factors: list[tuple[Axis, Polynomial, Access]] = []
    by_array: dict[str, list[Access]] = {}
    for one in touched:
        by_array.setdefault(aliases.get(one.array, one.array), []).append(one)
    for group in by_array.values():
        if all(one.kind == "load" for one in group):
            continue
        for axis in nest.axes:
            factor = _owned(axis.index, group, symbols)
            if factor is not None:
                factors.append((axis, factor, group[0]))
            elif all(one.kind == "add" and None in one.subscripts for one in group):
                scattered.add(axis.index)
            else:
                raise _race(axis.index, group, source)
    reductions = _reductions(nest, outer, source)
    return Independence(reductions, frozenset(scattered), tuple(factors))


def outer_scalars(routine: Routine) -> dict[int, frozenset[str]]:
    """Return the scalars that the top level assigns before each phase."""
    found: dict[int, frozenset[str]] = {}
    known: frozenset[str] = frozenset()
    for number, phase in enumerate(routine.phases):
        found[number] = known
        if not isinstance(phase, Nest):
            known |= assigned(body_of(phase))
    return found


def owns(index: str, group: Sequence[Access], symbols: Mapping[Expr, int]) -> bool:
    """Whether two values of an index never reach the same element of what a group accesses."""
    factor = _owned(index, group, symbols)
    number = None if factor is None else at(factor, symbols)
    return number is not None and bool(number.constant)


def _owned(
    index: str, group: Sequence[Access], symbols: Mapping[Expr, int] | None
) -> Polynomial | None:
    """Return the factor of `index` in the dimension that it owns, None where it owns none."""
    for dimension, first in enumerate(group[0].subscripts):
        if first is None or any(one.subscripts[dimension] != first for one in group):
            continue
        factor = first.coefficient(index)
        if first.indices == {index} and factor is not None and factor.terms:
            return factor
    step = None if symbols is None else window_step(index, group, symbols)
    return None if step is None else Polynomial.constant(step)


def _race(index: str, group: Sequence[Access], source: Source) -> Exception:
    """Return the error that says which iterations collide, and how to write it instead."""
    written = next(one for one in group if one.kind != "load")
    array = written.array
    if not any(s is None or index in s.indices for s in written.subscripts):
        return source.error(
            RaceError,
            written.place,
            f"{written.node} is written by every {index}: its subscripts do not contain {index}",
            f"make {index} a range() loop inside the nest, or sum into a scalar that is set before "
            "the nest and stored after it",
        )
    others = [one for one in group if one.subscripts != written.subscripts]
    if others:
        other = others[0]
        return source.error(
            RaceError,
            written.place,
            f"iterations of {index} may touch the same element of {array}: "
            f"{written.node} is written, and {other.node} is "
            f"{'read' if other.kind == 'load' else 'written'} on line {other.place.line}",
            f"read from one array and write to another, or make {index} a range() loop inside",
        )
    return source.error(
        RaceError,
        written.place,
        f"netts cannot prove that {written.node} is another element for every {index}: no "
        f"dimension has {index} times a constant plus a constant as its subscript",
        f"give {array} one dimension for each parallel index, or make {index} a range() loop inside"
        + ("; `+=` at an index that depends on data is allowed" if written.kind == "store" else ""),
    )


def _reductions(nest: Nest, outer: frozenset[str], source: Source) -> dict[str, str]:
    """Return the scalars that a nest reduces, or refuse a scalar carried from one to the next."""
    found: dict[str, str] = {}
    updates = [one for one in walk_statements(nest.body) if isinstance(one, Set)]
    for update in updates:
        if update.name not in outer:
            continue
        combine = _combination(update)
        if combine is None or found.setdefault(update.name, combine) != combine:
            raise source.error(
                RaceError,
                update.place,
                f"{update.name} is set before the nest and changed by every iteration",
                f"only `{update.name} += value`, `max({update.name}, value)` and "
                f"`min({update.name}, value)` may cross iterations; otherwise set "
                f"{update.name} inside the nest",
            )
    for axis in nest.axes:
        for expr in walk_expression(axis.extent):
            if isinstance(expr, Local) and expr.name in found:
                raise source.error(
                    RaceError,
                    nest.place,
                    f"{expr.name} is an extent of the nest and changed by every iteration",
                    "sum into another scalar",
                )
    for statement in walk_statements(nest.body):
        for expr in expressions(statement):
            read = [e for e in walk_expression(expr) if isinstance(e, Local) and e.name in found]
            own = isinstance(statement, Set) and statement.name in found
            if len(read) > own or (own and read and read[0].name != statement.name):  # type: ignore[union-attr]
                raise source.error(
                    RaceError,
                    statement.place,
                    f"{read[0].name} is summed over the nest and read inside it",
                    "read it after the nest",
                )
    return found


def _combination(update: Set) -> str | None:
    """Return how an assignment `s = s op value` combines, None where it has another form."""
    match update.value:
        case Apply(function="add", arguments=(left, right)):
            sides: tuple[Expr, ...] = (left, right)
        case Apply(function="sub" | "max" | "min", arguments=(left, _)):
            sides = (left,)
        case _:
            return None
    return COMBINE[update.value.function] if Local(update.name) in sides else None


# ---------------------------------------------------------------- assignment before use


def check_assigned(routine: Routine, source: Source) -> None:
    """Refuse a scalar that may be read before it is assigned in the same iteration.

    Python would raise, or carry the value of the iteration before; neither has a parallel meaning.
    """
    known: frozenset[str] = frozenset()
    for phase in routine.phases:
        after = _assigned_after(body_of(phase), known, source)
        if isinstance(phase, Set):
            known = after
        elif isinstance(phase, Nest):
            for axis in phase.axes:
                _check_expression(axis.extent, known, source, phase)
        else:
            known = after


def check_body_assigned(body: tuple[Stmt, ...], parameters: frozenset[str], source: Source) -> None:
    """Refuse an element function that may read a scalar before assigning it."""
    _assigned_after(body, parameters, source)


def _assigned_after(
    body: tuple[Stmt, ...], known: frozenset[str], source: Source
) -> frozenset[str]:
    """Return the scalars certainly assigned after a block."""
    for statement in body:
        for expr in expressions(statement):
            _check_expression(expr, known, source, statement)
        match statement:
            case Set(name=name):
                known = known | {name}
            case If(body=then, orelse=orelse):
                ends = [
                    after
                    for block in (then, orelse)
                    if (after := _assigned_after(block, known, source)) is not None
                    and not (block and isinstance(block[-1], Jump))
                ]
                known = frozenset.intersection(*ends) if ends else known
            case Loop(body=inner) | While(body=inner):
                _assigned_after(inner, known, source)
    return known


def _check_expression(
    expr: Expr, known: frozenset[str], source: Source, statement: Stmt | Nest
) -> None:
    for one in walk_expression(expr):
        if isinstance(one, Local) and one.name not in known:
            raise source.error(
                RaceError,
                statement.place,
                f"{one.name} may be read here before this iteration has assigned it",
                f"assign {one.name} on every path before, for instance at the start of the nest",
            )
