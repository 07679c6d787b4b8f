"""A second kernel run where the first stores an element, inside of its loops.

The gradient of pooling fills an image with zeros and then adds to each element at most once: each
store of an element says what it is so far. What the second kernel makes of an element, it makes of
each of these values; that of the last store is the one that stays. So an activation's gradient
takes no pass over memory of its own.

That each element is added to at most once is proved as independence is (`races`): with every loop
around the addition as one more parallel axis.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from netts.compiler.access import Access, Range
from netts.compiler.affine import evaluate
from netts.compiler.arguments import ArrayInfo
from netts.compiler.correspondence import Bound, Dimensions, NotFusableError, over_shape
from netts.compiler.joining import Constants, joined, renaming, replaced
from netts.compiler.loops import Loops
from netts.compiler.nest import (
    Apply,
    Const,
    Expr,
    If,
    Index,
    Jump,
    Load,
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
from netts.compiler.races import owns
from netts.compiler.rewriting import Renaming, fresh, names_of


@dataclass(frozen=True)
class Splice:
    """Where a second kernel is spliced in.

    Attributes
    ----------
    array
        What the first stores, by its name there.
    dimensions
        Which dimensions of it each index of the second runs over.
    arguments
        Of the second, under the shapes that its indices have then.
    """

    array: str
    dimensions: Dimensions
    arguments: tuple[Any, ...]


def find_splice(first: Bound, second: Bound) -> Splice | None:
    """Return where the second may be spliced in as far as the first is concerned, or None."""
    read = [second.arrays[name] for name in second.loops.reads]
    for array in sorted(first.loops.writes):
        info = first.arrays[array]
        if any(info.overlaps(one) for one in read) and _is_filled_then_added_to(first, array):
            over = over_shape(second, info.shape)
            if over is None or _reads_what_it_writes(second, info):
                return None
            return Splice(array, *over)
    return None


def _reads_what_it_writes(second: Bound, element: ArrayInfo) -> bool:
    """Whether a kernel changes what it reads, but for the element: it may run several times."""
    return any(
        second.arrays[one].overlaps(second.arrays[other])
        for one in second.loops.writes
        for other in second.loops.reads
        if not second.arrays[other].overlaps(element)
    )


def _is_filled_then_added_to(first: Bound, array: str) -> bool:
    """Whether a nest stores a constant in every element, then adds to each at most once."""
    body = first.nest.body
    every = [one for one in stores(body) if one.array == array]
    if len(every) != 2 or any(one.array == array for one in loads(body)):
        return False
    fill, addition = every
    added = next((one for one in first.loops.accesses[-1] if one.node is addition), None)
    return (
        isinstance(fill.value, Const)
        and not fill.accumulates
        and addition.accumulates
        and _is_whole(first, fill)
        and added is not None
        and _is_once(first, added)
    )


def _is_whole(first: Bound, fill: Store) -> bool:
    """Whether a store in loops of nothing else meets every element of its array."""
    loops: list[Loop] = []
    body: Sequence[Stmt] = [
        one for one in first.nest.body if any(fill is store for store in stores((one,)))
    ]
    while len(body) == 1 and isinstance(body[0], Loop):
        loops.append(body[0])
        body = body[0].body
    if len(body) != 1 or body[0] is not fill:
        return False
    extents = dict(zip(first.nest.indices, first.extents, strict=True))
    for one in loops:
        start, stop = (evaluate(end, first.symbols) for end in (one.start, one.stop))
        if start != 0 or stop is None or one.step != 1:
            return False
        extents[one.index] = stop
    names = [one.name for one in fill.subscripts if isinstance(one, Index)]
    is_each_once = sorted(names) == sorted(extents) and len(names) == len(fill.subscripts)
    return is_each_once and tuple(extents[one] for one in names) == first.arrays[fill.array].shape


def _is_once(first: Bound, added: Access) -> bool:
    """Whether an addition meets no element twice, whatever the indices around it are."""
    order = [one.index for one in added.scope if isinstance(one, Range)]
    return all(owns(index, [added], first.symbols) for index in (*first.nest.indices, *order))


@lru_cache(maxsize=512)
def spliced(
    first: Loops,
    second: Loops,
    array: str,
    dimensions: Dimensions,
    shared: tuple[tuple[str, str], ...],
    is_kept: bool,
    *constants: Constants,
) -> Loops:
    """Return the loops of both, with the second's body behind each store of an array.

    Parameters
    ----------
    shared
        The arrays of the second that are arrays of the first, and their names there.
    is_kept
        Whether what the first stores in the array is read by anybody else.

    Raises
    ------
    NotFusableError
        Where the second is not element-wise.
    """
    one, other = first.routine, second.routine
    before = Renaming(constants=dict(constants[0]))
    used = {*names_of(one), *names_of(other)}
    places = tuple(fresh(f"place_{d}", used) for _, group in dimensions for d in group)
    at = iter(places)
    correspondence = tuple((index, tuple(next(at) for _ in group)) for index, group in dimensions)
    behind = renaming(one, other, correspondence, dict(shared), dict(constants[1]))
    nest, inner = one.phases[-1], other.phases[-1]
    assert isinstance(nest, Nest)
    assert isinstance(inner, Nest)
    element = Load(array, tuple(map(Index, places)))
    value = fresh(f"{array}_element", {*used, *behind.names.values()})
    made = replaced(behind.block(inner.body), element, Local(value))
    _check_element_wise(made, first, array, element.subscripts)
    is_written_again = any(one.array == array for one in stores(made))

    def behind_store(store: Store) -> tuple[Stmt, ...]:
        indices = dict(zip(places, store.subscripts, strict=True))
        stored = store.value
        if store.accumulates:
            stored = Apply("add", (_filled(nest.body, array), stored))
        body = _placed(made, indices)
        rest: list[Stmt] = [Set(value, Apply("float", (stored,)), store.place)]
        if is_kept and not is_written_again:
            rest.append(dataclasses.replace(store, value=Local(value), accumulates=False))
        return (*rest, *body)

    body = _with_stores(before.block(nest.body), array, behind_store)
    return joined(first, second, before, behind, body)


def _check_element_wise(
    body: tuple[Stmt, ...], first: Loops, array: str, place: tuple[Expr, ...]
) -> None:
    """Refuse what may not run at any store of an element, several times, inside of loops."""
    if any(isinstance(one, Jump) for one in walk_statements(body)):
        raise NotFusableError("the second leaves some iterations early")
    written = {one.array for one in stores(body)}
    if any(one.accumulates or one.subscripts != place for one in stores(body)):
        raise NotFusableError("the second writes another element than it reads")
    if any(not any(one is statement for statement in body) for one in stores(body)):
        raise NotFusableError("the second may leave what an earlier store of an element made")
    nest = first.routine.phases[-1]
    assert isinstance(nest, Nest)
    touched = {one.array for one in loads(nest.body)} | {one.array for one in stores(nest.body)}
    if any(one.array in written | {array} for one in loads(body)) or written & (touched - {array}):
        raise NotFusableError("the second writes what is read")


def _filled(body: tuple[Stmt, ...], array: str) -> Expr:
    """Return the constant that an array is filled with."""
    return next(one.value for one in stores(body) if one.array == array and not one.accumulates)


def _placed(body: tuple[Stmt, ...], subscripts: Mapping[str, Expr]) -> tuple[Stmt, ...]:
    """Return a block with expressions in the place of indices."""

    def change(expr: Expr) -> Expr | None:
        return subscripts.get(expr.name) if isinstance(expr, Index) else None

    return Renaming(change=change).block(body)


def _with_stores(
    body: tuple[Stmt, ...], array: str, behind_store: Callable[[Store], tuple[Stmt, ...]]
) -> tuple[Stmt, ...]:
    """Return a block with other statements in the place of what stores elements of an array."""
    found: list[Stmt] = []
    for one in body:
        match one:
            case Store() if one.array == array:
                found += behind_store(one)
            case Loop(body=inner):
                found.append(
                    dataclasses.replace(one, body=_with_stores(inner, array, behind_store))
                )
            case If(body=then, orelse=orelse):
                branches = (_with_stores(block, array, behind_store) for block in (then, orelse))
                found.append(dataclasses.replace(one, body=next(branches), orelse=next(branches)))
            case _:
                found.append(one)
    return tuple(found)
