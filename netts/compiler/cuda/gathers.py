"""Scattered sums, gathered: a thread for each element, which adds up what would be added to it.

The gradient of a convolution by its input fills an image with zeros and adds shifted sums to it. As
it is written, each addition reads and writes memory, and all threads wait between two shifts. But
`row = y * stride + ky * dilation - padding` can be solved for y: for each row and ky there is one,
or none. So a thread adds up its element in a register, and writes it once.

A nest is gathered where it is a fill of an array with a constant, then loops around one addition to
the array, of which some, the innermost, are solved for. The others keep their order, so an element
is the same sum in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from netts.compiler.affine import Linear, at, evaluate
from netts.compiler.bound import Bound
from netts.compiler.contraction import Contraction
from netts.compiler.nest import (
    Const,
    Index,
    Jump,
    Local,
    Loop,
    Nest,
    Set,
    Stmt,
    Store,
    While,
    loads,
    stores,
    walk_statements,
)


@dataclass(frozen=True)
class Solved:
    """A loop's index, found from a subscript: `factor * index + rest` is the element's.

    Attributes
    ----------
    dimension
        Of the array.
    first, end
        Of the loop.
    known
        How many of the loops that are kept have to be entered to know the rest.
    reach
        How large numbers on the way to the index may be.
    """

    index: str
    dimension: int
    factor: int
    rest: Linear
    first: int
    end: int
    known: int
    reach: int


@dataclass(frozen=True)
class Gather:
    """How a nest is gathered.

    Attributes
    ----------
    fill
        What every element is at first; its subscripts are axes of the nest and `elements`.
    elements
        For each dimension that is no axis of the nest its length.
    kept
        The loops that a thread runs, and where each starts and ends.
    solved
        The loops that it does not run.
    body
        What stands inside of all loops.
    addition
        What adds to the element.
    """

    fill: Store
    elements: Mapping[int, int]
    kept: tuple[tuple[str, int, int], ...]
    solved: tuple[Solved, ...]
    body: tuple[Stmt, ...]
    addition: Store


def find_gather(bound: Bound, number: int, found: Contraction) -> Gather | None:
    """Return how a nest is gathered when a product has computed a sum in it; None where it is not.

    Parameters
    ----------
    found
        The sum of products in it that is computed before.
    """
    nest = bound.kernel.routine.phases[number]
    assert isinstance(nest, Nest)
    if len(nest.body) != 2 or not isinstance(found.update, Set):
        return None
    (fill_loops, fill), (loops, body) = (_perfect((one,), found) for one in nest.body)
    every = [*stores(body)]
    if len(fill) != 1 or len(every) != 1 or not isinstance(fill[0], Store):
        return None
    addition = every[0]
    if not (
        isinstance(fill[0].value, Const)
        and not fill[0].accumulates
        and addition.accumulates
        and addition.array == fill[0].array
        and _is_straight(body, found)
        and not _reads(bound, nest, addition.array)
    ):
        return None
    elements = _elements(bound, nest, fill_loops, fill[0])
    spans = [_span(bound, one) for one in loops]
    form = _subscripts(bound, number, addition)
    if elements is None or form is None or None in spans:
        return None
    known = [one for one in spans if one is not None]
    solved = _solved(bound, nest, fill[0], elements, form, known)
    if solved is None:
        return None
    kept = tuple(known[: len(known) - len(solved)])
    return Gather(fill[0], elements, kept, solved, body, addition)


def _perfect(body: Sequence[Stmt], found: Contraction) -> tuple[list[Loop], tuple[Stmt, ...]]:
    """Return loops each of which contains nothing but the next, and what stands inside."""
    loops: list[Loop] = []
    while len(body) == 1 and isinstance(body[0], Loop) and body[0] is not found.root:
        loops.append(body[0])
        body = body[0].body
    return loops, tuple(body)


def _is_straight(body: tuple[Stmt, ...], found: Contraction) -> bool:
    """Whether a block has no loops but the sum that is computed before, and is not left early."""
    inside = {id(one) for one in walk_statements(found.root.body)}
    return all(
        one is found.root or id(one) in inside or not isinstance(one, Loop | While | Jump)
        for one in walk_statements(body)
    ) and any(one is found.root for one in body)


def _reads(bound: Bound, nest: Nest, array: str) -> bool:
    """Whether a nest reads an array, or tests its subscripts while it runs."""
    canonical = bound.binding.canonical
    tested = {node for node, _ in bound.binding.unproved}
    return any(canonical(one.array) == canonical(array) for one in loads(nest.body)) or any(
        id(one) in tested for one in stores(nest.body)
    )


def _elements(
    bound: Bound, nest: Nest, loops: Sequence[Loop], fill: Store
) -> dict[int, int] | None:
    """Return the dimensions that a fill runs over, None where it leaves something out."""
    names = [one.name for one in fill.subscripts if isinstance(one, Index)]
    if sorted(names) != sorted([*nest.indices, *(one.index for one in loops)]):
        return None
    if len(names) != len(fill.subscripts):
        return None
    found, shape = {}, bound.arrays[fill.array].shape
    for one in loops:
        dimension = names.index(one.index)
        if _span(bound, one) != (one.index, 0, shape[dimension]):
            return None
        found[dimension] = shape[dimension]
    return dict(sorted(found.items()))


def _span(bound: Bound, loop: Loop) -> tuple[str, int, int] | None:
    """Return where a loop starts and ends, None where it varies or takes steps."""
    start, stop = (evaluate(one, bound.symbols) for one in (loop.start, loop.stop))
    if start is None or stop is None or loop.step != 1:
        return None
    return loop.index, start, stop


def _subscripts(bound: Bound, number: int, addition: Store) -> list[Linear] | None:
    """Return the subscripts of an addition in numbers."""
    (access,) = (one for one in bound.kernel.accesses[number] if one.node is addition)
    forms = [None if one is None else at(one, bound.symbols) for one in access.subscripts]
    found = [one for one in forms if one is not None]
    whole = all(f.denominator == 1 for one in found for _, f in (*one.factors, ("", one.constant)))
    return found if whole and len(found) == len(forms) else None


def _solved(
    bound: Bound,
    nest: Nest,
    fill: Store,
    elements: Mapping[int, int],
    forms: Sequence[Linear],
    spans: Sequence[tuple[str, int, int]],
) -> tuple[Solved, ...] | None:
    """Return what each of the innermost loops' indices is solved from, None where one is not."""
    for dimension, form in enumerate(forms):
        axis = fill.subscripts[dimension]
        assert isinstance(axis, Index)
        is_axis = form == Linear.of(Fraction(0), {axis.name: Fraction(1)})
        if dimension not in elements and not is_axis:
            return None
    if not 0 < len(elements) <= len(spans):
        return None
    kept = [index for index, _, _ in spans[: len(spans) - len(elements)]]
    ends = {axis.index: evaluate(axis.extent, bound.symbols) for axis in nest.axes}
    ends |= {index: max(abs(first), abs(end)) for index, first, end in spans}
    found: list[Solved] = []
    for index, first, end in spans[len(kept) :]:
        within = [d for d, form in enumerate(forms) if form.factor(index)]
        if len(within) != 1 or within[0] in {one.dimension for one in found}:
            return None
        factor = forms[within[0]].factor(index)
        rest = forms[within[0]].combined(Linear.of(Fraction(0), {index: factor}), -1)
        if not {name for name, _ in rest.factors} <= {*kept, *nest.indices}:
            return None
        known = max((kept.index(name) + 1 for name, _ in rest.factors if name in kept), default=0)
        reach = abs(rest.constant) + elements[within[0]] + max(abs(first), abs(end))
        reach += sum(abs(factor) * (ends[name] or 0) for name, factor in rest.factors)
        found.append(Solved(index, within[0], int(factor), rest, first, end, known, int(reach)))
    return tuple(found)


def solved_at(gather: Gather, level: int) -> Iterator[Solved]:
    """Yield what is solved when so many loops have been entered."""
    return (one for one in gather.solved if one.known == level)


def places(gather: Gather) -> Iterator[tuple[Set, int]]:
    """Yield what computes a subscript of the addition, and its dimension: the element's place."""
    sets = [one for one in walk_statements(gather.body) if isinstance(one, Set)]
    for dimension in gather.elements:
        subscript = gather.addition.subscripts[dimension]
        found = [one for one in sets if subscript == Local(one.name)]
        if len(found) == 1 and any(found[0] is one for one in gather.body):
            yield found[0], dimension
