"""Tests of subscripts that a loop need not repeat: what is the same in every iteration."""

from __future__ import annotations

from collections.abc import Container, Iterator

from netts.compiler.binding import Binding
from netts.compiler.nest import (
    Apply,
    Call,
    Expr,
    Index,
    Jump,
    Load,
    Local,
    Loop,
    Set,
    Stmt,
    Store,
    While,
    expressions,
    stores,
    walk_expression,
    walk_statements,
)


def hoistable(
    loop: Loop, binding: Binding, done: Container[tuple[int, int]]
) -> dict[tuple[int, int], Load | Store]:
    """Return the accesses whose subscript can be tested before a loop, by node and axis.

    They are those whose subscript is not proved in range, does not vary in the loop, and is
    certainly used by its first iteration.

    Parameters
    ----------
    done
        What an outer loop has tested already.
    """
    changed = {one.name for one in walk_statements(loop.body) if isinstance(one, Set)}
    changed |= {one.index for one in walk_statements(loop.body) if isinstance(one, Loop)}
    written = {binding.canonical(one.array) for one in stores(loop.body)}
    # A dict: `x[i[k]] *= 2` holds its subscripts twice, in what it reads and in what it writes.
    return {
        (id(node), axis): node
        for node in _certain_accesses(loop.body)
        for axis, subscript in enumerate(node.subscripts)
        if (id(node), axis) in binding.unproved
        and (id(node), axis) not in done
        and _is_invariant(subscript, {*changed, loop.index}, written, binding)
    }


def _is_invariant(expr: Expr, changed: set[str], written: set[str], binding: Binding) -> bool:
    for one in walk_expression(expr):
        match one:
            case Local(name=name) | Index(name=name):
                if name in changed:
                    return False
            case Load(array=array):
                if binding.canonical(array) in written:
                    return False
            case Apply(function="select" | "and" | "or"):
                return False
    return True


def _certain_accesses(body: tuple[Stmt, ...]) -> Iterator[Load | Store]:
    """Yield the accesses that every run of a block makes, up to the first that may leave it."""
    for statement in body:
        for expr in expressions(statement) if not isinstance(statement, While) else ():
            yield from _certain_loads(expr)
        if isinstance(statement, Store):
            yield statement
        if any(isinstance(one, Jump) for one in walk_statements((statement,))):
            return


def _certain_loads(expr: Expr) -> Iterator[Load]:
    match expr:
        case Load(subscripts=subscripts):
            for one in subscripts:
                yield from _certain_loads(one)
            yield expr
        case Apply(function="select" | "and" | "or", arguments=(first, *_)):
            yield from _certain_loads(first)
        case Apply(arguments=arguments) | Call(arguments=arguments):
            for one in arguments:
                yield from _certain_loads(one)
