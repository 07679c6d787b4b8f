"""Which loops of an iteration the threads of a block can share.

A loop can be shared where its iterations are independent by the rule for parallel nests (`races`):
it is asked whether the nest would be independent with the loop's index as one more parallel axis.
What stands in a loop that cannot be shared is asked too, with that loop's index held.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from netts.compiler.affine import Monomial, Polynomial, at
from netts.compiler.bound import Bound
from netts.compiler.contraction import Contraction
from netts.compiler.cuda.program import Geometry
from netts.compiler.cuda.row_blocks import (
    Rows,
    Shared,
    are_apart,
    block_threads,
    count_iterations,
    divided,
    length_of,
)
from netts.compiler.nest import (
    Axis,
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
    While,
    loads,
    stores,
    walk_expression,
)
from netts.compiler.races import prove_independent
from netts.compiler.scalars import Type
from netts.errors import RaceError

SHORTEST = 32
"""Shorter loops, less than a warp, are no reason to share an iteration, however often they run."""


def find_rows(
    bound: Bound, number: int, geometry: Geometry, found: Contraction | None = None
) -> Rows | None:
    """Return how the threads of a block share the iterations of a nest, None where none pays.

    Parameters
    ----------
    found
        The sum of products in it that is computed before, whose loops are not there any more. What
        is left moves memory, and does so best where neighbouring threads read neighbours, however
        many iterations there are.
    """
    nest, proof = bound.kernel.routine.phases[number], bound.proofs[number]
    assert isinstance(nest, Nest)
    if proof.reductions or proof.scattered:
        return None
    count = count_iterations(bound, nest)
    is_few = count is not None and count < geometry.many_rows
    is_apart = found is None and are_apart(bound, number)
    if found is None and not is_few and not is_apart:
        return None
    sharing = _Sharing(bound, number, nest, found)
    sharing.block(nest.body, bound.kernel.outer[number], (), 1)
    least = geometry.long_row // 2 if is_apart else geometry.long_row
    is_long = any(
        one >= min(SHORTEST, least) and one * times >= least for one, times in sharing.lengths
    )
    # One thread would store, and all wait for it, in every turn of a loop.
    if not is_long or sharing.stores(nest.body):
        return None
    threads = block_threads(max(one for one, _ in sharing.lengths), geometry.row_threads)
    rows = Rows(sharing.shared, threads)
    return rows if found is not None or not count else divided(bound, nest, rows, count, geometry)


class _Sharing:
    """Looks for loops to share, also inside of loops that cannot be."""

    def __init__(self, bound: Bound, number: int, nest: Nest, found: Contraction | None) -> None:
        self.bound, self.number, self.nest, self.found = bound, number, nest, found
        self.shared: dict[int, Shared] = {}
        self.lengths: list[tuple[int, int]] = []  # of each, and how often it runs

    def block(
        self, body: Sequence[Stmt], known: frozenset[str], outer: tuple[str, ...], times: int
    ) -> None:
        """Look in a block inside loops over `outer`, which runs so often."""
        for statement in body:
            if isinstance(statement, Loop) and not self._is_done(statement):
                self._loop(statement, known, outer, times)
            known |= _set_outside_loops(statement)

    def _loop(self, loop: Loop, known: frozenset[str], outer: tuple[str, ...], times: int) -> None:
        """Share a loop; a short one only where nothing inside of it can be."""
        shared = self._share(loop, known, outer)
        length = length_of(self.bound, loop)
        pair = 1 if shared is None or shared.inner is None else length_of(self.bound, shared.inner)
        if shared is None or (shared.inner is None and length < SHORTEST):
            n_found = len(self.lengths)
            self.block(loop.body, known, (*outer, loop.index), times * max(length, 1))
            if shared is None or len(self.lengths) > n_found:
                return
        self.shared[id(loop)] = shared
        self.lengths.append((length * pair, times))

    def _is_done(self, loop: Loop) -> bool:
        """Whether a loop is the sum that a product has computed."""
        return self.found is not None and loop is self.found.root

    def stores(self, body: Sequence[Stmt], is_inside: bool = False) -> bool:
        """Whether a loop that is not shared stores something by itself."""
        for statement in body:
            match statement:
                case Loop() if id(statement) in self.shared:
                    continue
                case Loop() if self._is_done(statement):
                    assert self.found is not None
                    if isinstance(self.found.update, Store):
                        return True
                case Loop(body=inner) | While(body=inner):
                    if self.stores(inner, True):
                        return True
                case If(body=then, orelse=orelse):
                    if self.stores((*then, *orelse), is_inside):
                        return True
                case Store() if is_inside:
                    return True
        return False

    def _share(self, loop: Loop, known: frozenset[str], outer: tuple[str, ...]) -> Shared | None:
        """Return how a loop is shared, with the one inside of it where that is all it contains."""
        match loop.body:
            case (Loop() as inner,) if not self._is_done(inner) and _is_box(loop, inner):
                reductions = self._reductions((loop, inner), known, outer)
                if reductions is not None:
                    return Shared(reductions, inner, bool(outer))
        reductions = self._reductions((loop,), known, outer)
        return None if reductions is None else Shared(reductions, None, bool(outer))

    def _reductions(
        self, loops: tuple[Loop, ...], known: frozenset[str], outer: tuple[str, ...]
    ) -> Mapping[str, str] | None:
        """Return what loops reduce, where their iterations are independent otherwise, or None."""
        bound, body = self.bound, loops[-1].body
        if _breaks(body):
            return None
        inside = {id(one) for one in (*loads(body), *stores(body))}
        touched = [
            dataclasses.replace(one, subscripts=tuple(_held(s, outer) for s in one.subscripts))
            for one in bound.kernel.accesses[self.number]
            if id(one.node) in inside
        ]
        axes = (*self.nest.axes, *(Axis(one.index, one.stop) for one in loops))
        try:
            proof = prove_independent(
                Nest(axes, body, loops[0].place), touched, known, bound.kernel.source_code,
                bound.binding.aliases, bound.symbols,
            )  # fmt: skip
        except RaceError:
            return None
        indices = [one.index for one in loops]
        forms = [at(f, bound.symbols) for axis, f, _ in proof.factors if axis.index in indices]
        types = bound.binding.types
        if (
            proof.scattered
            or any(form is None or not form.constant for form in forms)
            or any(types.concrete(types.locals[name]) is Type.BOOL for name in proof.reductions)
        ):
            return None
        return proof.reductions


def _held(subscript: Polynomial | None, outer: tuple[str, ...]) -> Polynomial | None:
    """Return a subscript with the indices of loops around as symbols: they hold their values."""
    if subscript is None:
        return None
    terms: dict[Monomial, int] = {}
    for monomial, coefficient in subscript.terms:
        atoms = (
            Local(f"index {one.name}") if isinstance(one, Index) and one.name in outer else one
            for one in monomial
        )
        terms[tuple(sorted(atoms, key=repr))] = coefficient
    return Polynomial.of(terms)


def _is_box(outer: Loop, inner: Loop) -> bool:
    """Whether a loop inside another one has bounds that do not vary in that."""
    return outer.step == inner.step == 1 and not any(
        isinstance(one, Load) or one == Index(outer.index)
        for bound in (inner.start, inner.stop)
        for one in walk_expression(bound)
    )


def _set_outside_loops(statement: Stmt) -> frozenset[str]:
    """Return the scalars that have a value behind a statement: none from inside a loop lasts."""
    match statement:
        case Set(name=name):
            return frozenset({name})
        case If(body=body, orelse=orelse):
            return frozenset().union(*map(_set_outside_loops, (*body, *orelse)))
        case _:
            return frozenset()


def _breaks(body: Sequence[Stmt]) -> bool:
    """Whether a loop over a body may be left early."""
    return any(
        (isinstance(one, Jump) and one.kind == "break")
        or (isinstance(one, If) and (_breaks(one.body) or _breaks(one.orelse)))
        for one in body
    )
