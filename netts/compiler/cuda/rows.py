"""Iterations shared by a block: a softmax over 10,000 elements is no work for one thread.

All threads of a block run the same iteration with the same scalars, each its share of the loops
that can be shared (`shared_loops`); a sum or maximum over such a loop is combined in shared memory
in a fixed order, after which every thread has it. What is stored outside of these loops is stored
by one thread.

Where several blocks share an iteration, each leaves what its part of a loop has summed in scratch;
a launch behind it reads these partial results in place of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from netts.compiler.binding import Word
from netts.compiler.cpu import identity
from netts.compiler.cuda.emit import CudaEmitter, indices_of
from netts.compiler.cuda.row_blocks import Rows, Shared
from netts.compiler.nest import (
    Apply,
    Load,
    Loop,
    Nest,
    Stmt,
    Store,
    loads,
    stores,
)
from netts.compiler.scalars import Type

COMBINED = {
    "add": "{0} + {1}",
    "max": "({1} if {1} > {0} else {0})",
    "min": "({1} if {1} < {0} else {0})",
}
"""The text of how two partial results of a reduction combine."""


BLOCKS = "cuda.blockIdx.x", "cuda.gridDim.x"
"""The first iteration of a block, and the step to its next."""

Partials = Mapping[str, Word]
"""Scratch for the partial results of each scalar that a loop reduces: of a row, part after part."""


@dataclass
class RowEmitter(CudaEmitter):
    """Prints a nest for blocks that take an iteration each."""

    rows: Rows = field(default_factory=lambda: Rows({}, 1))
    partials: Mapping[int, Partials] = field(default_factory=dict)
    """Where partial results of a loop are, by its id."""
    _body: tuple[Stmt, ...] = ()
    _part: Loop | None = None
    """The loop of which a block has a part."""
    _is_sharing: bool = False

    @property
    def threads(self) -> int:
        """Of a block."""
        return self.rows.threads

    def nest(self, nest: Nest) -> None:
        """Print a nest."""
        width, ends = self.count(nest.axes)
        self.start(nest)
        with self.flattened(indices_of(nest.axes), ends, width, *BLOCKS):
            if self.partials:
                self.line("row = flat")
            self.block(nest.body)

    def part(self, nest: Nest, loop: Loop, partials: Partials) -> None:
        """Print a nest up to a loop of which each block has a part, and leaves what it sums."""
        width, ends = self.count(nest.axes)
        parts = self.number(self.rows.parts)
        self.line(f"size = {width}(size * {parts})")
        self.start(nest)
        self._part = loop
        names = [*indices_of(nest.axes), "part"]
        with self.flattened(names, [*ends, parts], width, *BLOCKS):
            if self.partials:
                self.line(f"row = {width}(u{width}(flat) // u{width}({parts}))")
            self.block(nest.body[: nest.body.index(loop)])
            places = self._sum(loop, self.rows.shared[id(loop)])
            with self.indented("if lane == 0:"):
                for name, (array, _) in places.items():
                    self.line(f"{self.word(partials[name])}[flat] = {array}[0]")
            self.barrier()

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
        for name in shared.reductions:
            self.line(f"before_{name} = v_{name}")
        for name, (array, combined) in self._sum(loop, shared).items():
            self.line(f"partial = {array}[0]")
            self.line(f"v_{name} = {combined.format(f'before_{name}', 'partial')}")
        if shared.reductions:
            self.barrier()

    def _sum(self, loop: Loop, shared: Shared) -> dict[str, tuple[str, str]]:
        """Print a shared loop; return where its sums are, by themselves, and how they combine."""
        for name, combine in shared.reductions.items():
            type_ = self.binding.types.concrete(self.binding.types.locals[name])
            self.line(f"v_{name} = {identity(type_, combine)}")
        places = self._places(shared.reductions)
        self._is_sharing = True
        if id(loop) in self.partials:
            self._read_partials(self.partials[id(loop)], places)
        elif shared.inner is None:
            first, step = self._turns()
            start, stop = self.value(loop.start, Type.INT), self.value(loop.stop, Type.INT)
            self._every(loop, f"{start} + {first} * {loop.step}", stop, f"{step} * {loop.step}")
        else:
            self._pairs(loop, shared.inner)
        self._is_sharing = False
        if places:
            reduce_in_block(self, places, self.threads)
        return places

    def _turns(self) -> tuple[str, str]:
        """Return which turn of a loop is a thread's first, and how many there are to its next."""
        if self._part is None:
            return "lane", str(self.threads)
        parts = self.number(self.rows.parts)
        return f"(part * {self.threads} + lane)", f"({parts} * {self.threads})"

    def _read_partials(self, partials: Partials, places: dict[str, tuple[str, str]]) -> None:
        parts = self.number(self.rows.parts)
        with self.indented(f"for one in range(lane, int32({parts}), int32({self.threads})):"):
            for name, (_, combined) in places.items():
                self.line(f"partial = {self.word(partials[name])}[row * {parts} + one]")
                self.line(f"v_{name} = {combined.format(f'v_{name}', 'partial')}")

    def _every(self, loop: Loop, start: str, stop: str, step: str) -> None:
        """Print a loop in steps of so many."""
        assert self.widths is not None
        width = "int32" if self.widths.fits(loop.start, loop.stop) else "int64"
        turns = f"range({width}({start}), {width}({stop}), {width}({step}))"
        with self.indented(f"for v_{loop.index} in {turns}:"):
            self.block(loop.body)

    def _pairs(self, outer: Loop, inner: Loop) -> None:
        """Print a loop over pairs of indices, the inner one fastest, of which a thread has some.

        The next pair is found by additions: a division takes as long as twenty of them.
        """
        assert self.widths is not None
        starts = [self.value(one.start, Type.INT) for one in (outer, inner)]
        stops = [self.value(one.stop, Type.INT) for one in (outer, inner)]
        fits = self.widths.fits_product(
            *(Apply("sub", (one.stop, one.start)) for one in (outer, inner))
        )
        width = "int32" if fits else "int64"
        first, step = (f"{width}({one})" for one in self._turns())
        rows, columns = (
            self.fresh(f"{width}({stop} - {start} if {stop} > {start} else 0)")
            for start, stop in zip(starts, stops, strict=True)
        )
        divisor = self.fresh(f"u{width}({columns} if {columns} > 0 else 1)")
        row, down = (self.fresh(f"{width}(u{width}({one}) // {divisor})") for one in (first, step))
        column, along = (
            self.fresh(f"{width}({one} - {quotient} * {columns})")
            for one, quotient in ((first, row), (step, down))
        )
        with self.indented(f"for pair in range({first}, {width}({rows} * {columns}), {step}):"):
            self.line(f"v_{outer.index} = {width}({starts[0]} + {row})")
            self.line(f"v_{inner.index} = {width}({starts[1]} + {column})")
            self.line(f"{row} = {width}({row} + {down})")
            self.line(f"{column} = {width}({column} + {along})")
            with self.indented(f"if {column} >= {columns}:"):
                self.line(f"{column} = {width}({column} - {columns})")
                self.line(f"{row} = {width}({row} + 1)")
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
    def storing(self, store: Store) -> Iterator[None]:
        """Let one thread of a block run what is printed inside."""
        with self._settled(store), self.indented("if lane == 0:"):
            yield

    @contextmanager
    def _settled(self, statement: Loop | Store, is_repeated: bool = False) -> Iterator[None]:
        """Let all threads wait before and behind what stores elements that others touch.

        What is repeated may touch in its next turn what another thread has stored in this.
        """
        inside = {id(one) for one in (*loads((statement,)), *stores((statement,)))}
        stored = {self.binding.canonical(store.array) for store in stores((statement,))}
        every: tuple[Load | Store, ...] = (*loads(self._body), *stores(self._body))
        meets = (is_repeated and bool(stored)) or any(
            self.binding.canonical(one.array) in stored for one in every if id(one) not in inside
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
