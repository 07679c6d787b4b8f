"""Where a product may be put: into the element that the sum ends in, and is that all there is."""

from __future__ import annotations

from collections.abc import Sequence

from netts.compiler.contraction import Span
from netts.compiler.nest import (
    Const,
    If,
    Jump,
    Local,
    Loop,
    Nest,
    Set,
    Stmt,
    Store,
    loads,
    stores,
    walk_statements,
)


def result_of(
    nest: Nest,
    root: Loop,
    update: Set | Store,
    block: Sequence[Stmt],
    outer: tuple[Span, ...],
    is_bare: bool,
) -> tuple[Store | None, bool]:
    """Return the element that the product may be put in, and whether that is all there is."""
    if isinstance(update, Store):
        alone = nest.body == (root,) and is_bare
        return (update, alone) if alone else (None, False)
    stored = list(stores(nest.body))
    every = list(walk_statements(nest.body))
    if (
        len(stored) != 1
        or not any(one is stored[0] for one in block)
        or any(isinstance(one, Jump) for one in every)
        or any(one.array == stored[0].array for one in loads(nest.body))
        or any(isinstance(one, If) and _holds(one, root) for one in every)
    ):
        return None, False
    result = stored[0]
    places = {id(one): place for place, one in enumerate(block)}
    if places[id(result)] < places[id(root)]:
        return None, False
    is_plain = is_bare and _is_plain(nest, root, update, result, outer)
    return (result, is_plain) if is_plain or not result.accumulates else (None, False)


def _is_plain(nest: Nest, root: Loop, update: Set, result: Store, outer: tuple[Span, ...]) -> bool:
    """Whether a nest is `total = 0`, the sum, `out[...] = total`, in loops without more."""
    body = nest.body
    for _ in outer[len(nest.axes) :]:
        match body:
            case (Loop(body=inner),):
                body = inner
            case _:
                return False
    match body:
        case (Set(name=name, value=Const(value=value)), loop, store):
            return (
                value == 0
                and name == update.name
                and loop is root
                and store is result
                and result.value == Local(name)
            )
        case _:
            return False


def _holds(outer: Stmt, inner: Stmt) -> bool:
    return any(one is inner for one in walk_statements((outer,)))
