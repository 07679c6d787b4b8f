"""The cuda lowering: each nest becomes a kernel, and so do the scalar statements between nests.

- A nest is a loop over its flattened iterations, the last axis fastest, so that neighbouring
  threads read neighbouring elements; thread t takes iterations t, t + threads, ...
- Axes whose iterations add to common elements run in order in one thread, for each iteration of
  the other axes: the result does not depend on which thread comes first.
- A nest with reductions is divided into chunks by its size alone. The threads of a block each add
  up what they meet and then combine in a tree of fixed order; one thread combines the chunks.
- A nest whose iterations are few and contain long loops gives each iteration a block (`rows`), or
  several, which leave partial sums to a launch behind them.
- A nest that sums products becomes the packing of operands that are no matrix views, one call of
  cuBLAS or several, and the rest of the nest, which reads the sums (`products`), perhaps gathered
  by a thread for each element (`gathers`).

What is computed once, and what each kernel computes again, is decided as for the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netts.compiler.binding import Word
from netts.compiler.bound import Bound
from netts.compiler.cpu import Lowered, Lowering, extents_of, identity
from netts.compiler.cuda.emit import CudaEmitter, indices_of
from netts.compiler.cuda.gathering import element_counter, emit_gather
from netts.compiler.cuda.gathers import Gather
from netts.compiler.cuda.packing import define_index, emit_packing, read_by
from netts.compiler.cuda.product_plan import ProductPlan
from netts.compiler.cuda.products import is_same
from netts.compiler.cuda.program import CudaProgram, Geometry, ProductProgram, assembled, product
from netts.compiler.cuda.row_blocks import Rows, block_threads
from netts.compiler.cuda.rows import BLOCKS, COMBINED, RowEmitter, reduce_in_block
from netts.compiler.cuda.sums import declare_parts, read_sum
from netts.compiler.cuda.widths import Widths
from netts.compiler.emit import Emitter
from netts.compiler.epilogue import sums_read
from netts.compiler.nest import Axis, Const, Loop, Nest, Stmt
from netts.compiler.packing import counter
from netts.compiler.plan import Plan
from netts.compiler.program import Program
from netts.compiler.scalars import Type

THREADS = "cuda.grid(1)", "cuda.gridsize(1)"
"""The first iteration of a thread, and the step to its next."""


def lower(
    bound: Bound,
    rows: Mapping[int, Rows],
    products: Mapping[int, Sequence[ProductPlan]],
    gathers: Mapping[int, Gather],
    geometry: Geometry,
) -> Lowered:
    """Generate the kernels of a routine.

    Parameters
    ----------
    rows
        The nests, by phase, whose iterations are shared by the threads of a block.
    products
        How cuBLAS does the nests, by phase, that it does with these arguments: in blocks.
    gathers
        How what is left of such a nest is gathered.
    """
    kernel = bound.kernel
    widths = Widths(kernel.routine, bound.arrays, bound.symbols)
    return CudaLowering(
        kernel.routine, bound.proofs, bound.binding, {}, widths=widths, rows=rows,
        products=products, gathers=gathers, geometry=geometry,
    ).lowered()  # fmt: skip


@dataclass
class CudaLowering(Lowering):
    """Turns the phases of a routine into kernels."""

    widths: Widths | None = None
    rows: Mapping[int, Rows] = field(default_factory=dict)
    products: Mapping[int, Sequence[ProductPlan]] = field(default_factory=dict)
    gathers: Mapping[int, Gather] = field(default_factory=dict)
    geometry: Geometry = field(default_factory=Geometry)

    def _emitter(self) -> CudaEmitter:
        return CudaEmitter(self.binding, widths=self.widths)

    def _assembled(
        self, emitter: Emitter, label: str, phase: int, is_splittable: bool, plan: Plan | None
    ) -> Program:
        """Return what the scalar statements between nests become: a kernel of one thread."""
        assert isinstance(emitter, CudaEmitter)
        return assembled(emitter, label, phase, 1, "single")

    def _nest(self, number: int, nest: Nest, done: set[str]) -> Sequence[Program]:
        if number in self.products:
            return self._contraction(number, nest, done)
        if number in self.rows:
            return self._rows(number, nest, done)
        return [self._loops(number, nest, done)]

    def _loops(self, number: int, nest: Nest, done: set[str]) -> CudaProgram:
        reductions, label = self.proofs[number].reductions, self._label(number)
        emitter = self._emitter()
        self._bring(emitter, (*nest.body, *extents_of(nest)), done, without=set(reductions))
        scattered = self.proofs[number].scattered
        free = [axis for axis in nest.axes if axis.index not in scattered]
        body = _in_order([axis for axis in nest.axes if axis.index in scattered], nest.body)
        if reductions:
            self._reduce_chunks(emitter, number, free, body)
            return assembled(emitter, label, number, self.geometry.threads, "chunk")
        width, ends = emitter.count(free)
        with emitter.flattened(indices_of(free), ends, width, *THREADS):
            emitter.block(body)
        return assembled(emitter, label, number, self.geometry.threads, "iterations")

    def _rows(self, number: int, nest: Nest, done: set[str]) -> list[CudaProgram]:
        """Return a nest with a block for each iteration, behind what several share of it."""
        rows, programs = self.rows[number], []
        partials: dict[int, dict[str, Word]] = {}
        for loop in rows.divided:
            emitter = self._row_emitter(rows, partials)
            body = nest.body[: nest.body.index(loop) + 1]
            self._bring(emitter, (*body, *extents_of(nest)), done, without=set())
            places = self._places_of_parts(rows, loop)
            emitter.part(nest, loop, places)
            label, size = f"{self._label(number)} parts", rows.iterations * rows.parts
            programs.append(assembled(emitter, label, number, rows.threads, "row", size))
            partials[id(loop)] = places
        emitter = self._row_emitter(rows, partials)
        self._bring(emitter, (*nest.body, *extents_of(nest)), done, without=set())
        emitter.nest(nest)
        programs.append(assembled(emitter, self._label(number), number, rows.threads, "row"))
        return programs

    def _places_of_parts(self, rows: Rows, loop: Loop) -> dict[str, Word]:
        """Reserve scratch for what each part of a loop sums."""
        types, size = self.binding.types, 8 * rows.iterations * rows.parts
        return {
            name: Word("scratch", types.concrete(types.locals[name]).value, self._reserve(size))
            for name in rows.shared[id(loop)].reductions
        }

    # ------------------------------------------------------------ contractions

    def _contraction(self, number: int, nest: Nest, done: set[str]) -> list[Program]:
        """Return the packing, the products and the rest of a nest, block after block."""
        blocks = self.products[number]
        scratch = self._places(blocks[0])
        programs: list[Program] = []
        for position, plan in enumerate(blocks):
            before = blocks[position - 1] if position else None
            programs += self._packings(number, plan, before, scratch, done)
            programs += self._products(number, plan, scratch)
            is_last = position == len(blocks) - 1
            if not plan.is_plain and (is_last or not blocks[position + 1].continues):
                programs.append(self._rest(number, nest, plan, scratch[2], done))
        return programs

    def _places(self, plan: ProductPlan) -> tuple[Word, Word, Word]:
        """Reserve scratch for both operands and the sums; the first block is the largest."""
        left, right, total = (
            Word("scratch", plan.frame.dtype, self._reserve(size * plan.item_bytes) if size else 0)
            for size in (plan.left.size, plan.right.size, plan.total_size)
        )
        return left, right, total

    def _packings(
        self,
        number: int,
        plan: ProductPlan,
        before: ProductPlan | None,
        scratch: tuple[Word, Word, Word],
        done: set[str],
    ) -> Iterator[CudaProgram]:
        """Yield the packing of what is not in place, and was not packed for the block before."""
        for factor, word in zip((plan.left, plan.right), scratch, strict=False):
            if not factor.size or (before is not None and is_same(factor, plan, before)):
                continue
            emitter = self._emitter()
            self._bring(emitter, read_by(factor.operand), done, without=set())
            threads = emit_packing(emitter, plan.frame, factor, emitter.word(word), self.geometry)
            label = f"{self._label(number)} pack {factor.operand.title}"
            yield assembled(emitter, label, number, self.geometry.threads, "iterations", threads)

    def _products(
        self, number: int, plan: ProductPlan, scratch: tuple[Word, Word, Word]
    ) -> Iterator[ProductProgram]:
        steps = (plan.left.steps, plan.right.steps, plan.total)
        words = [
            Word("address", self.binding.canonical(one.array)) if one.array else word
            for one, word in zip(steps, scratch, strict=True)
        ]
        for gemm, firsts in plan.gemms():
            yield product(f"{self._label(number)} product", number, gemm, words, firsts)

    def _rest(
        self, number: int, nest: Nest, plan: ProductPlan, total: Word, done: set[str]
    ) -> CudaProgram:
        """Return the nest with its sums read from where the product has put them."""
        emitter, gather = self._emitter_of_rest(number, plan), self.gathers.get(number)
        self._bring(emitter, nest.body, done, without=set())
        extents = [plan.frame.extents[axis.index] for axis in nest.axes]
        names = [counter(axis.index) for axis in nest.axes]
        counts = [one.count for one in extents]
        if gather is not None:
            names += map(element_counter, gather.elements)
            counts += gather.elements.values()
        width, ends = emitter.count_known(counts)
        sums = sums_read(
            emitter, plan.frame.contraction, Type(plan.frame.dtype),
            lambda: read_sum(emitter, plan, total),
        )  # fmt: skip
        grid, threads, unit = THREADS, self.geometry.threads, "iterations"
        if isinstance(emitter, RowEmitter):
            emitter.start(nest)
            if plan.parts > 1:
                declare_parts(emitter, plan)
            grid, threads, unit = BLOCKS, emitter.threads, "row"
        with emitter.flattened(names, ends, width, *grid), sums:
            for axis, extent in zip(nest.axes, extents, strict=True):
                define_index(emitter, axis.index, extent, counter(axis.index))
            if gather is None:
                emitter.block(nest.body)
            else:
                emit_gather(emitter, gather, self.binding.types.elements[gather.fill.array])
        label, size = f"{self._label(number)} rest", math.prod(counts)
        return assembled(emitter, label, number, threads, unit, size)

    def _emitter_of_rest(self, number: int, plan: ProductPlan) -> CudaEmitter:
        """Return what prints the rest of a nest: for threads, or for blocks that share it."""
        rows = self.rows.get(number)
        if rows is None and plan.parts > 1:
            rows = Rows({}, block_threads(plan.parts, self.geometry.row_threads))
        return self._emitter() if rows is None else self._row_emitter(rows)

    def _row_emitter(
        self, rows: Rows, partials: Mapping[int, Mapping[str, Word]] | None = None
    ) -> RowEmitter:
        return RowEmitter(self.binding, widths=self.widths, rows=rows, partials=partials or {})

    # ------------------------------------------------------------ reductions

    def _reduce_chunks(
        self, emitter: CudaEmitter, number: int, axes: Sequence[Axis], body: tuple[Stmt, ...]
    ) -> None:
        threads, reductions = self.geometry.threads, self.proofs[number].reductions
        width, ends = emitter.count(axes)
        self._count_chunks(emitter, width)
        emitter.line("lane = int32(cuda.threadIdx.x)")
        shared = self._shared(emitter, reductions)
        header = "for chunk in range(int32(cuda.blockIdx.x), chunks, int32(cuda.gridDim.x)):"
        with emitter.indented(header):
            for name, combine in reductions.items():
                type_ = self.binding.types.concrete(self.binding.types.locals[name])
                emitter.line(f"v_{name} = {identity(type_, combine)}")
            first, step = f"chunk * {threads} + lane", f"chunks * {threads}"
            with emitter.flattened(indices_of(axes), ends, width, first, step):
                emitter.block(body)
            reduce_in_block(emitter, shared, threads)
            with emitter.indented("if lane == 0:"):
                for name, (array, _) in shared.items():
                    partials = self._scratch(emitter, name, self._partials(number, name))
                    emitter.line(f"{partials}[chunk] = {array}[0]")
            emitter.line("cuda.syncthreads()")

    def _shared(
        self, emitter: CudaEmitter, reductions: Mapping[str, str]
    ) -> dict[str, tuple[str, str]]:
        """Print an array in shared memory for each reduction; return it with how it combines."""
        types = self.binding.types
        found = {}
        for name, combine in reductions.items():
            type_ = types.concrete(types.locals[name])
            emitter.line(
                f'shared_{name} = cuda.shared.array({self.geometry.threads}, "{type_.value}")'
            )
            found[name] = (f"shared_{name}", COMBINED[combine])
        return found

    def _count_chunks(self, emitter: CudaEmitter, width: str) -> None:
        """Print into how many chunks a nest is divided: by its size alone, never by the device."""
        threads, most = self.geometry.threads, self.geometry.reduction_blocks
        emitter.line(f"chunks = {width}((size + {threads - 1}) // {threads})")
        emitter.line(f"chunks = int32(chunks if chunks < {most} else {most})")

    def _combine(self, emitter: Emitter, nest: int) -> None:
        phase = self.routine.phases[nest]
        assert isinstance(phase, Nest)
        assert isinstance(emitter, CudaEmitter)
        scattered = self.proofs[nest].scattered
        width, _ = emitter.count([a for a in phase.axes if a.index not in scattered])
        self._count_chunks(emitter, width)
        for name, combine in self.proofs[nest].reductions.items():
            partials = self._scratch(emitter, name, self._partials(nest, name))
            with emitter.indented("for chunk in range(chunks):"):
                combined = COMBINED[combine].format(f"v_{name}", "partial")
                emitter.line(f"partial = {partials}[chunk]")
                emitter.line(f"v_{name} = {combined}")

    # ------------------------------------------------------------ scratch memory

    def _partials(self, number: int, name: str) -> int:
        if (number, name) not in self.partials:
            self.partials[number, name] = self._reserve(8 * self.geometry.reduction_blocks)
        return self.partials[number, name]

    def _scratch(self, emitter: Emitter, name: str, offset: int) -> str:
        type_ = self.binding.types.concrete(self.binding.types.locals[name])
        dtype = "int64" if type_ is Type.BOOL else type_.value
        return emitter.word(Word("scratch", dtype, offset))


def _in_order(axes: Sequence[Axis], body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """Return a body inside serial loops over axes."""
    for axis in reversed(axes):
        body = (Loop(axis.index, Const(0), axis.extent, 1, body),)
    return body
