"""Functions behind the loops of a row, computed for many rows at once.

A cross-entropy sums exponentials over classes and then takes one logarithm for the row. Nothing is
beside it in the lanes of a vector, it waits for the sum, and the next row waits for it: 16 ns a
row, where it takes 1 ns among many. So a block of rows runs in three passes: the loops of each row,
whose scalars are kept; the functions of all rows; and what is left of each row.

Rows are independent, and within a row nothing is computed in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from netts.compiler.binding import Binding
from netts.compiler.emit import Emitter
from netts.compiler.nest import (
    Apply,
    Call,
    Expr,
    Index,
    Jump,
    Load,
    Local,
    Loop,
    Nest,
    Set,
    Stmt,
    While,
    assigned,
    children,
    expressions,
    walk_expression,
    walk_statements,
)
from netts.compiler.scalars import COSTLY, DIVISIONS, Type

ROWS = 64
"""Rows of a block: whole vectors of every width, and what is kept of them stays near."""


@dataclass(frozen=True)
class Tail:
    """The body of a nest in two.

    Attributes
    ----------
    head, rest
        What runs up to the end of the last loop, and what is behind it.
    functions
        Of the rest, what is computed for many rows at once: of scalars of the head.
    kept
        The scalars of the head that the functions and the rest read.
    """

    head: tuple[Stmt, ...]
    rest: tuple[Stmt, ...]
    functions: tuple[Apply, ...]
    kept: tuple[str, ...]


def find_tail(nest: Nest, binding: Binding) -> Tail | None:
    """Return the body of a nest in two, None where no function is behind its loops."""
    places = [n for n, one in enumerate(nest.body) if isinstance(one, Loop | While)]
    if not places or any(isinstance(one, Jump) for one in walk_statements(nest.body)):
        return None
    head, rest = nest.body[: places[-1] + 1], nest.body[places[-1] + 1 :]
    every = [one for statement in walk_statements(rest) for one in expressions(statement)]
    functions = dict.fromkeys(
        one for expr in every for one in _functions_in(expr, assigned(head), assigned(rest))
    )
    kept = sorted({name for expr in every for name in _locals_in(expr)} & assigned(head))
    if not functions or any(binding.types.locals[one] is Type.BOOL for one in kept):
        return None
    return Tail(head, rest, tuple(functions), tuple(kept))


def _functions_in(expr: Expr, before: frozenset[str], behind: frozenset[str]) -> Iterator[Apply]:
    """Yield the outermost functions whose arguments are known before the rest begins."""
    is_known = _is_steady(expr, behind) and before & set(_locals_in(expr))
    if isinstance(expr, Apply) and expr.function in COSTLY and is_known:
        yield expr
    else:
        for one in children(expr):
            yield from _functions_in(one, before, behind)


def _is_steady(expr: Expr, behind: frozenset[str]) -> bool:
    """Whether an expression has one value throughout the rest of a row, and cannot fail."""
    return not any(
        isinstance(one, Load | Index | Call)
        or (isinstance(one, Local) and one.name in behind)
        or (isinstance(one, Apply) and one.function in DIVISIONS)
        for one in walk_expression(expr)
    )


def _locals_in(expr: Expr) -> Iterable[str]:
    return [one.name for one in walk_expression(expr) if isinstance(one, Local)]


def emit_tail(emitter: Emitter, tail: Tail, loop: Loop, limits: tuple[str, str]) -> None:
    """Print the three passes over each block of the rows between two limits.

    Parameters
    ----------
    loop
        Over the rows; its body is that of the nest.
    """
    types, place, block = emitter.binding.types, f"[v_{loop.index} - first]", ("first", "last")
    kept = {name: _memory(emitter, types.locals[name]) for name in tail.kept}
    results = {one: _memory(emitter, types.of(one)) for one in tail.functions}

    def head() -> None:
        emitter.block(tail.head)
        for name, memory in kept.items():
            emitter.line(f"{memory}{place} = v_{name}")

    def rest() -> None:
        _bring(emitter, kept, place)
        for one, memory in results.items():
            emitter.known[one] = f"{memory}{place}", types.of(one)
        emitter.block(tail.rest)
        emitter.known.clear()

    with emitter.indented(f"for first in range({limits[0]}, {limits[1]}, {ROWS}):"):
        emitter.line(f"last = min(first + {ROWS}, {limits[1]})")
        emitter.loop(_over(loop, tail.head), block, head)
        _compute(emitter, kept, results)
        # What is kept is assigned in each row anew: no test that reads it may leave the loop.
        again = tuple(Set(name, Local(name)) for name in kept)
        emitter.loop(_over(loop, (*again, *tail.rest)), block, rest)


def _compute(emitter: Emitter, kept: Mapping[str, str], results: Mapping[Apply, str]) -> None:
    """Print the functions of all rows of a block."""
    read = {name: kept[name] for one in results for name in _locals_in(one) if name in kept}
    with emitter.indented("for lane in range(last - first):"):
        emitter.mask(writes=True)
        _bring(emitter, read, "[lane]")
        for one, memory in results.items():
            value = emitter.value(one, emitter.binding.types.of(one))
            emitter.line(f"{memory}[lane] = {value}")


def _bring(emitter: Emitter, kept: Mapping[str, str], place: str) -> None:
    for name, memory in kept.items():
        emitter.line(f"v_{name} = {memory}{place}")


def _over(loop: Loop, body: tuple[Stmt, ...]) -> Loop:
    return Loop(loop.index, loop.start, loop.stop, loop.step, body)


def _memory(emitter: Emitter, type_: Type) -> str:
    """Return the name of memory for a scalar of each row of a block."""
    name = f"kept_{emitter.binding.types.concrete(type_).value}"
    emitter.runtime.add(name)
    return emitter.fresh(f"{name}()")
