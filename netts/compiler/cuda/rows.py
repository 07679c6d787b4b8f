"""Iterations shared by a block: a softmax over 10,000 elements is no work for one thread.

All threads of a block run the same iteration with the same scalars, each its share of the loops
that can be shared, also of those inside of loops that cannot be; a sum or maximum over such a loop
is combined in shared memory in a fixed order, after which every thread has it. What is stored
outside of these loops is stored by one thread.

A loop can be shared where its iterations are independent by the rule for parallel nests (`races`):
it is asked whether the nest would be independent with the loop's index as one more parallel axis.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from netts.compiler.affine import Monomial, Polynomial, at, evaluate
from netts.compiler.contraction import Contraction
from netts.compiler.cpu import identity
from netts.compiler.cuda.emit import CudaEmitter, indices_of
from netts.compiler.cuda.program import Geometry
from netts.compiler.nest import (
    Apply,
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
from netts.compiler.specialise import Bound
from netts.errors import RaceError

SHORTEST = 32
"""Shorter loops, less than a warp, are no reason to share an iteration, however often they run."""

COMBINED = {
    "add": "{0} + {1}",
    "max": "({1} if {1} > {0} else {0})",
    "min": "({1} if {1} < {0} else {0})",
}
"""The text of how two partial results of a reduction combine."""


@dataclass(frozen=True)
class Shared:
    """A loop that the threads of a block share.

    Attributes
    ----------
    reductions
        The scalars that it reduces, and how.
    inner
        The only thing in it, a loop that is shared together with it: threads take pairs of both
        indices.
    is_repeated
        Whether it stands in a loop that every thread runs.
    """

    reductions: Mapping[str, str]
    inner: Loop | None
    is_repeated: bool


@dataclass(frozen=True)
class Rows:
    """A nest whose iterations are shared by blocks.

    Attributes
    ----------
    shared
        The loops that threads share, by id.
    """

    shared: Mapping[int, Shared]


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
    if found is None and not _are_few(bound, nest, geometry.many_rows):
        return None
    sharing = _Sharing(bound, number, nest, found)
    sharing.block(nest.body, bound.kernel.outer[number], (), 1)
    is_long = any(
        one >= min(SHORTEST, geometry.long_row) and one * times >= geometry.long_row
        for one, times in sharing.lengths
    )
    # One thread would store, and all wait for it, in every turn of a loop.
    return None if not is_long or sharing.stores(nest.body) else Rows(sharing.shared)


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
                shared = self._share(statement, known, outer)
                length = _length(self.bound, statement)
                if shared is None:
                    inside = (*outer, statement.index)
                    self.block(statement.body, known, inside, times * max(length, 1))
                else:
                    self.shared[id(statement)] = shared
                    pair = 1 if shared.inner is None else _length(self.bound, shared.inner)
                    self.lengths.append((length * pair, times))
            known |= _set_outside_loops(statement)

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
                bound.binding.aliases,
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


def _are_few(bound: Bound, nest: Nest, many: int) -> bool:
    extents = [evaluate(axis.extent, bound.symbols) for axis in nest.axes]
    product = 1
    for extent in extents:
        if extent is None:
            return False
        product *= max(extent, 0)
    return product < many


def _length(bound: Bound, loop: Loop) -> int:
    start, stop = (evaluate(one, bound.symbols) for one in (loop.start, loop.stop))
    return 0 if start is None or stop is None else len(range(start, stop, loop.step))


def _breaks(body: Sequence[Stmt]) -> bool:
    """Whether a loop over a body may be left early."""
    return any(
        (isinstance(one, Jump) and one.kind == "break")
        or (isinstance(one, If) and (_breaks(one.body) or _breaks(one.orelse)))
        for one in body
    )


BLOCKS = "cuda.blockIdx.x", "cuda.gridDim.x"
"""The first iteration of a block, and the step to its next."""


@dataclass
class RowEmitter(CudaEmitter):
    """Prints a nest for blocks that take an iteration each."""

    rows: Rows = field(default_factory=lambda: Rows({}))
    threads: int = 1
    _body: tuple[Stmt, ...] = ()
    _is_sharing: bool = False

    def nest(self, nest: Nest) -> None:
        """Print a nest."""
        width, ends = self.count(nest.axes)
        self.start(nest)
        with self.flattened(indices_of(nest.axes), ends, width, *BLOCKS):
            self.block(nest.body)

    def start(self, nest: Nest) -> None:
        """Print what stands before the iterations of a nest."""
        self._body = nest.body
        self.line("lane = int32(cuda.threadIdx.x)")
        for array, dtype in sorted(self._arrays()):
            self.line(f'{array} = cuda.shared.array({self.threads}, "{dtype}")')

    def _arrays(self) -> set[tuple[str, str]]:
        """Return the arrays in shared memory: for each dtype as many as a loop reduces at once."""
        return {
            (array, self._dtype(name))
            for one in self.rows.shared.values()
            for name, (array, _) in self._places(one.reductions).items()
        }

    def _places(self, reductions: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Return for each reduction of a loop its array in shared memory, and how it combines."""
        return {
            name: (f"shared_{position}_{self._dtype(name)}", COMBINED[combine])
            for position, (name, combine) in enumerate(reductions.items())
        }

    def _dtype(self, name: str) -> str:
        types = self.binding.types
        return types.concrete(types.locals[name]).value

    def loop(
        self,
        loop: Loop,
        limits: tuple[str, str] | None = None,
        body: Callable[[], None] | None = None,
    ) -> None:
        shared = None if self._is_sharing else self.rows.shared.get(id(loop))
        if shared is None:
            super().loop(loop, limits, body)
            return
        with self._settled(loop, shared.is_repeated):
            self._share(loop, shared)

    def _share(self, loop: Loop, shared: Shared) -> None:
        """Print a loop of which each thread takes a share, and the combination of what it sums."""
        reductions = shared.reductions
        for name, combine in reductions.items():
            type_ = self.binding.types.concrete(self.binding.types.locals[name])
            self.line(f"before_{name} = v_{name}")
            self.line(f"v_{name} = {identity(type_, combine)}")
        self._is_sharing = True
        if shared.inner is None:
            start, stop = self.value(loop.start, Type.INT), self.value(loop.stop, Type.INT)
            mine = dataclasses.replace(loop, step=loop.step * self.threads)
            super().loop(mine, (f"{start} + lane * {loop.step}", stop))
        else:
            self._pairs(loop, shared.inner)
        self._is_sharing = False
        if not reductions:
            return
        places = self._places(reductions)
        reduce_in_block(self, places, self.threads)
        for name, (array, combined) in places.items():
            self.line(f"partial = {array}[0]")
            self.line(f"v_{name} = {combined.format(f'before_{name}', 'partial')}")
        self.barrier()

    def _pairs(self, outer: Loop, inner: Loop) -> None:
        """Print a loop over pairs of indices, the inner one fastest, of which a thread has some."""
        assert self.widths is not None
        starts = [self.value(one.start, Type.INT) for one in (outer, inner)]
        stops = [self.value(one.stop, Type.INT) for one in (outer, inner)]
        fits = self.widths.fits_product(
            *(Apply("sub", (one.stop, one.start)) for one in (outer, inner))
        )
        width = "int32" if fits else "int64"
        counts = [
            self.fresh(f"{width}({stop} - {start} if {stop} > {start} else 0)")
            for start, stop in zip(starts, stops, strict=True)
        ]
        every = f"{width}({' * '.join(counts)})"
        with self.indented(f"for pair in range({width}(lane), {every}, {width}({self.threads})):"):
            row = self.fresh(f"{width}(u{width}(pair) // u{width}({counts[1]}))")
            self.line(f"v_{outer.index} = {width}({starts[0]} + {row})")
            self.line(f"v_{inner.index} = {width}({starts[1]} + pair - {row} * {counts[1]})")
            self.block(inner.body)

    def _store(self, store: Store) -> None:
        if self._is_sharing:
            super()._store(store)
            return
        with self._settled(store):
            super()._store(store)
            assignment = self.lines.pop()
            with self.indented("if lane == 0:"):
                self.lines.append("    " + assignment)

    @contextmanager
    def _settled(self, statement: Loop | Store, is_repeated: bool = False) -> Iterator[None]:
        """Let all threads wait before and behind what stores elements that others touch.

        What is repeated may touch in its next turn what another thread has stored in this.
        """
        inside = {id(one) for one in (*loads((statement,)), *stores((statement,)))}
        stored = {self._name(store.array) for store in stores((statement,))}
        every: tuple[Load | Store, ...] = (*loads(self._body), *stores(self._body))
        meets = (is_repeated and bool(stored)) or any(
            self._name(one.array) in stored for one in every if id(one) not in inside
        )
        if meets:
            self.barrier()
        yield
        if meets:
            self.barrier()

    def barrier(self) -> None:
        """Let the threads of a block wait for one another, where they have not just done so."""
        text = "    " * self.depth + "cuda.syncthreads()"
        if self.lines[-1:] != [text]:
            self.lines.append(text)


def reduce_in_block(
    emitter: CudaEmitter, places: Mapping[str, tuple[str, str]], threads: int
) -> None:
    """Print a tree that leaves in the first element of each array what all threads had.

    Parameters
    ----------
    places
        The array in shared memory for each scalar, and the text of how two values combine.
    threads
        Of a block; a power of two.
    """
    for name, (array, _) in places.items():
        emitter.line(f"{array}[lane] = v_{name}")
    emitter.line("cuda.syncthreads()")
    emitter.line(f"reach = int32({threads // 2})")
    with emitter.indented("while reach > 0:"):
        with emitter.indented("if lane < reach:"):
            for array, combined in places.values():
                emitter.line(f"one, other = {array}[lane], {array}[lane + reach]")
                emitter.line(f"{array}[lane] = {combined.format('one', 'other')}")
        emitter.line("cuda.syncthreads()")
        emitter.line("reach = int32(reach // 2)")
