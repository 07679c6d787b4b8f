"""Iterations shared by a block: a softmax over 10,000 elements is no work for one thread.

All threads of a block run the same iteration with the same scalars, each its share of the loops
that can be shared; a sum or maximum over such a loop is combined in shared memory in a fixed order,
after which every thread has it. What is stored outside of these loops is stored by one thread.

A loop can be shared where its iterations are independent by the rule for parallel nests (`races`):
it is asked whether the nest would be independent with the loop's index as one more parallel axis.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from netts.compiler.affine import at, evaluate
from netts.compiler.cpu import identity
from netts.compiler.cuda.emit import CudaEmitter, indices_of
from netts.compiler.cuda.program import Geometry
from netts.compiler.nest import (
    Axis,
    If,
    Jump,
    Load,
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
from netts.compiler.races import prove_independent
from netts.compiler.scalars import Type
from netts.compiler.specialise import Bound
from netts.errors import RaceError

COMBINED = {
    "add": "{0} + {1}",
    "max": "({1} if {1} > {0} else {0})",
    "min": "({1} if {1} < {0} else {0})",
}
"""The text of how two partial results of a reduction combine."""


@dataclass(frozen=True)
class Rows:
    """A nest whose iterations are shared by blocks.

    Attributes
    ----------
    shared
        The loops that threads share, by id, with the scalars that they reduce and how.
    """

    shared: Mapping[int, Mapping[str, str]]


def find_rows(bound: Bound, number: int, geometry: Geometry) -> Rows | None:
    """Return how the threads of a block share the iterations of a nest, None where none pays."""
    nest, proof = bound.kernel.routine.phases[number], bound.proofs[number]
    assert isinstance(nest, Nest)
    if proof.reductions or proof.scattered or not _are_few(bound, nest, geometry.many_rows):
        return None
    shared: dict[int, Mapping[str, str]] = {}
    is_long = False
    known = bound.kernel.outer[number]
    for statement in nest.body:
        if isinstance(statement, Loop):
            reductions = _reductions(bound, number, nest, statement, known)
            if reductions is not None:
                shared[id(statement)] = reductions
                is_long |= _length(bound, statement) >= geometry.long_row
        known |= _set_outside_loops(statement)
    serial = [one for one in nest.body if id(one) not in shared]
    # One thread would store, and all wait for it, in every turn of a loop.
    loops = [one for one in walk_statements(tuple(serial)) if isinstance(one, Loop | While)]
    if not is_long or any(True for loop in loops for _ in stores(loop.body)):
        return None
    return Rows(shared)


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


def _reductions(
    bound: Bound, number: int, nest: Nest, loop: Loop, known: frozenset[str]
) -> Mapping[str, str] | None:
    """Return what a loop reduces, where its iterations are independent otherwise, or None."""
    if _breaks(loop.body):
        return None
    inside = {id(one) for one in (*loads(loop.body), *stores(loop.body))}
    touched = [one for one in bound.kernel.accesses[number] if id(one.node) in inside]
    wider = Nest((*nest.axes, Axis(loop.index, loop.stop)), loop.body, loop.place)
    try:
        proof = prove_independent(
            wider, touched, known, bound.kernel.source_code, bound.binding.aliases
        )
    except RaceError:
        return None
    forms = [at(f, bound.symbols) for axis, f, _ in proof.factors if axis.index == loop.index]
    types = bound.binding.types
    if (
        proof.scattered
        or any(form is None or not form.constant for form in forms)
        or any(types.concrete(types.locals[name]) is Type.BOOL for name in proof.reductions)
    ):
        return None
    return proof.reductions


def _breaks(body: Sequence[Stmt]) -> bool:
    """Whether a loop over a body may be left early."""
    return any(
        (isinstance(one, Jump) and one.kind == "break")
        or (isinstance(one, If) and (_breaks(one.body) or _breaks(one.orelse)))
        for one in body
    )


@dataclass
class RowEmitter(CudaEmitter):
    """Prints a nest for blocks that take an iteration each."""

    rows: Rows = field(default_factory=lambda: Rows({}))
    threads: int = 1
    _body: tuple[Stmt, ...] = ()
    _is_sharing: bool = False

    def nest(self, nest: Nest) -> None:
        """Print a nest."""
        self._body = nest.body
        width, ends = self.count(nest.axes)
        self.line("lane = int32(cuda.threadIdx.x)")
        for array, dtype in sorted(self._arrays()):
            self.line(f'{array} = cuda.shared.array({self.threads}, "{dtype}")')
        with self.flattened(
            indices_of(nest.axes), ends, width, "cuda.blockIdx.x", "cuda.gridDim.x"
        ):
            self.block(nest.body)

    def _arrays(self) -> set[tuple[str, str]]:
        """Return the arrays in shared memory: for each dtype as many as a loop reduces at once."""
        return {
            (array, self._dtype(name))
            for reductions in self.rows.shared.values()
            for name, (array, _) in self._places(reductions).items()
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
        reductions = None if self._is_sharing else self.rows.shared.get(id(loop))
        if reductions is None:
            super().loop(loop, limits, body)
            return
        with self._settled(loop):
            self._share(loop, reductions)

    def _share(self, loop: Loop, reductions: Mapping[str, str]) -> None:
        """Print a loop of which each thread takes a share, and the combination of what it sums."""
        start, stop = self.value(loop.start, Type.INT), self.value(loop.stop, Type.INT)
        for name, combine in reductions.items():
            type_ = self.binding.types.concrete(self.binding.types.locals[name])
            self.line(f"before_{name} = v_{name}")
            self.line(f"v_{name} = {identity(type_, combine)}")
        self._is_sharing = True
        mine = dataclasses.replace(loop, step=loop.step * self.threads)
        super().loop(mine, (f"{start} + lane * {loop.step}", stop))
        self._is_sharing = False
        if not reductions:
            return
        places = self._places(reductions)
        reduce_in_block(self, places, self.threads)
        for name, (array, combined) in places.items():
            self.line(f"partial = {array}[0]")
            self.line(f"v_{name} = {combined.format(f'before_{name}', 'partial')}")
        self.barrier()

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
    def _settled(self, statement: Loop | Store) -> Iterator[None]:
        """Let all threads wait before and behind what stores elements that others touch."""
        inside = {id(one) for one in (*loads((statement,)), *stores((statement,)))}
        stored = {self._name(store.array) for store in stores((statement,))}
        every: tuple[Load | Store, ...] = (*loads(self._body), *stores(self._body))
        meets = any(self._name(one.array) in stored for one in every if id(one) not in inside)
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
