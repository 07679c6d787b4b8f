"""A kernel lowered to CUDA for arguments: launches, and running them on NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.compiler.affine import evaluate
from netts.compiler.binding import Word
from netts.compiler.bound import Bound
from netts.compiler.cuda.cost import RULE, ProductRule
from netts.compiler.cuda.emit import FAULT_WORDS
from netts.compiler.cuda.gathers import Gather, find_gather
from netts.compiler.cuda.lower import lower
from netts.compiler.cuda.product_plan import ProductPlan
from netts.compiler.cuda.products import choose
from netts.compiler.cuda.program import (
    GEOMETRY,
    SHARED_BYTES,
    WARP_THREADS,
    CudaProgram,
    Geometry,
    ProductProgram,
    parameter_type,
)
from netts.compiler.cuda.row_blocks import Rows
from netts.compiler.cuda.shared_loops import find_rows
from netts.compiler.eligibility import plan_contraction
from netts.compiler.nest import Nest
from netts.compiler.operation import failure, scalar_arguments
from netts.compiler.program import Program
from netts.devices.cuda import KernelCode
from netts.devices.cuda_driver import cublas_missing
from netts.devices.gemm import Gemm

if TYPE_CHECKING:
    from netts.compiler.loops import Loops


@dataclass(frozen=True)
class CudaOperation:
    """One launch, with everything known but the addresses and the scalar arguments.

    Attributes
    ----------
    code
        What is compiled: text and the types of its parameters.
    template
        The parameters: numbers that shapes decide, None where an address or a scalar argument goes.
    blocks, threads
        The launch configuration. Any number of blocks gives the same result.
    """

    program: CudaProgram
    code: KernelCode
    template: tuple[int | None, ...]
    blocks: int
    threads: int

    @property
    def label(self) -> str:
        """What it is called in explanations and profiles."""
        return self.program.label

    @property
    def fault_words(self) -> int:
        """The 64-bit words that its tests leave their marks in, zero before it runs."""
        return FAULT_WORDS * len(self.program.checks)

    @property
    def size(self) -> str:
        """How large it is, in words."""
        return f"{self.blocks} blocks of {self.threads} threads"

    def parameters(
        self,
        addresses: Mapping[str, int],
        scratch: int,
        fault: int,
        numbers: Mapping[str, bool | int | float],
    ) -> tuple[bool | int | float, ...]:
        """Return what the kernel is launched with.

        Parameters
        ----------
        addresses
            Of the first element of each array, on the device.
        scratch
            The address of `CudaSpecialisation.scratch_bytes` bytes.
        fault
            The address of `fault_words` words.
        numbers
            The scalar arguments.
        """
        values: list[bool | int | float] = []
        for word, known in zip(self.program.words, self.template, strict=True):
            match word.kind:
                case "address":
                    values.append(addresses[word.name])
                case "scratch":
                    values.append(scratch + word.axis)
                case "fault":
                    values.append(fault)
                case "scalar":
                    values.append(numbers[word.name])
                case _:
                    assert known is not None
                    values.append(known)
        return tuple(values)

    def error(self, kernel: Loops, marks: np.ndarray) -> Exception | None:
        """Return the error of the first test that failed, None where all passed.

        Parameters
        ----------
        marks : int64 array of shape (fault_words,)
            As the kernel left them.
        """
        for check, (has_failed, value) in zip(
            self.program.checks, marks.reshape(-1, FAULT_WORDS), strict=True
        ):
            if has_failed:
                return failure(kernel, check, int(value))
        return None


@dataclass(frozen=True)
class Product:
    """One call of cuBLAS, with everything known but the addresses."""

    program: ProductProgram

    @property
    def label(self) -> str:
        """What it is called in explanations and profiles."""
        return f"{self.program.label}{' in TF32' * (self.gemm.precision == 'tf32')}"

    @property
    def gemm(self) -> Gemm:
        """What is multiplied."""
        return self.program.gemm

    @property
    def size(self) -> str:
        """How large it is, in words."""
        return str(self.gemm)

    @property
    def fault_words(self) -> int:
        """None: every element was known to be there before it runs."""
        return 0

    def multiplied_in(self, precision: str) -> Product:
        """Return the same product in "float32" or "tf32"; of float64 in neither."""
        if self.gemm.dtype != "float32":
            return self
        asked = {"float32": "full", "tf32": "tf32"}[precision]
        return replace(
            self, program=replace(self.program, gemm=replace(self.gemm, precision=asked))
        )

    def places(self, addresses: Mapping[str, int], scratch: int) -> tuple[int, int, int]:
        """Return the addresses of the left factor, the right factor and the result."""
        item_bytes = np.dtype(self.gemm.dtype).itemsize
        left, right, out = (
            (scratch + word.axis if word.kind == "scratch" else addresses[word.name])
            + first * item_bytes
            for word, first in zip(self.program.words, self.program.firsts, strict=True)
        )
        return left, right, out

    def error(self, kernel: Loops, marks: np.ndarray) -> Exception | None:
        """Return None: there is nothing to test."""
        del kernel, marks
        return None


@dataclass(frozen=True)
class CudaSpecialisation:
    """A kernel lowered to CUDA for given dtypes, shapes and integer arguments.

    Nothing is compiled yet: `devices.cuda` does so for the device that an operation is to run on.

    Attributes
    ----------
    reasons
        How products compute each nest, by phase, or why its loops do.
    """

    kernel: Loops
    operations: tuple[CudaOperation | Product, ...]
    scratch_bytes: int
    reasons: Mapping[int, tuple[ProductPlan, ...] | str]

    @property
    def source(self) -> str:
        """The generated code of all operations."""
        return "\n\n".join(one.program.text for one in self.operations)

    @property
    def fault_words(self) -> int:
        """The words of all operations together, one behind the other."""
        return sum(one.fault_words for one in self.operations)

    def multiplied_in(self, precision: str) -> CudaSpecialisation:
        """Return the same with products of float32 in "float32" or "tf32"."""
        if precision == "float32":  # as they are lowered
            return self
        operations = tuple(
            one.multiplied_in(precision) if isinstance(one, Product) else one
            for one in self.operations
        )
        return replace(self, operations=operations)

    def numbers(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """Return the scalar arguments by name."""
        return scalar_arguments(self.kernel, arguments)

    def error(self, marks: np.ndarray) -> Exception | None:
        """Return the error of the first operation of which a test failed, None where all passed."""
        start = 0
        for one in self.operations:
            error = one.error(self.kernel, marks[start : start + one.fault_words])
            if error is not None:
                return error
            start += one.fault_words
        return None


def specialise(
    bound: Bound, geometry: Geometry = GEOMETRY, rule: ProductRule | None = None
) -> CudaSpecialisation:
    """Lower a kernel to CUDA for the arguments that it is bound to.

    Parameters
    ----------
    rule
        When cuBLAS does a sum of products; by default where it is installed and pays.
    """
    kernel = bound.kernel
    rule = rule or replace(RULE, missing=cublas_missing())
    reasons: dict[int, tuple[ProductPlan, ...] | str] = {}
    rows: dict[int, Rows] = {}
    gathers: dict[int, Gather] = {}
    for number, phase in enumerate(kernel.routine.phases):
        if not isinstance(phase, Nest):
            continue
        reasons[number] = plan_contraction(
            phase, kernel.accesses[number], bound.proofs[number], bound.arrays, bound.symbols,
            bound.binding, bound.costs, lambda frame: choose(frame, rule),
        )  # fmt: skip
        reason = reasons[number]
        product = None if isinstance(reason, str) else reason[0].frame.contraction
        gather = None if product is None else find_gather(bound, number, product)
        if gather is not None:
            gathers[number] = gather
            continue
        found = find_rows(bound, number, geometry, product)
        if found is not None:
            rows[number] = found
    products = {number: one for number, one in reasons.items() if not isinstance(one, str)}
    lowered = lower(bound, rows, products, gathers, geometry)
    if _shares_too_much(lowered.programs) and geometry.row_threads > WARP_THREADS:
        return specialise(bound, geometry.halved(), rule)
    operations = tuple(_operation(one, bound, geometry) for one in lowered.programs)
    return CudaSpecialisation(kernel, operations, lowered.scratch_bytes, reasons)


def _shares_too_much(programs: Sequence[Program]) -> bool:
    """Whether a block of one of them asks for more shared memory than it may have.

    A nest that reduces dozens of scalars does. Fewer threads to a block need less, and as they are
    fewer by what stands in the nest alone, results keep their bits.
    """
    return any(isinstance(one, CudaProgram) and one.shared_bytes > SHARED_BYTES for one in programs)


def _operation(program: Program, bound: Bound, geometry: Geometry) -> CudaOperation | Product:
    if isinstance(program, ProductProgram):
        return Product(program)
    assert isinstance(program, CudaProgram)
    return _launch(program, bound, geometry)


def _launch(program: CudaProgram, bound: Bound, geometry: Geometry) -> CudaOperation:
    template = tuple(_known(word, program, bound) for word in program.words)
    types = bound.binding.types
    scalars = {name: types.concrete(one) for name, one in types.scalars.items()}
    kinds = tuple(
        parameter_type(word, bound.binding.dtypes, scalars, value or 0)
        for word, value in zip(program.words, template, strict=True)
    )
    return CudaOperation(
        program,
        KernelCode(program.text, kinds, program.label),
        template,
        _blocks(program, bound, geometry),
        program.block_threads,
    )


def _known(word: Word, program: CudaProgram, bound: Bound) -> int | None:
    """Return the value of a parameter that shapes decide."""
    match word.kind:
        case "extent":
            return bound.arrays[word.name].shape[word.axis]
        case "stride":
            return bound.arrays[word.name].strides[word.axis]
        case "plan":
            return program.numbers[word.name]
        case _:
            return None


def _blocks(program: CudaProgram, bound: Bound, geometry: Geometry) -> int:
    """Return how many blocks have something to do."""
    phase = bound.kernel.routine.phases[program.phase]
    if program.unit == "single" or not isinstance(phase, Nest):
        return 1
    most = geometry.reduction_blocks if program.unit == "chunk" else geometry.grid_blocks
    scattered = bound.proofs[program.phase].scattered
    size = 1 if program.iterations is None else program.iterations
    for axis in phase.axes if program.iterations is None else ():
        extent = evaluate(axis.extent, bound.symbols)
        if extent is None:  # data decide; the threads that find nothing to do end at once
            return most
        size *= 1 if axis.index in scattered else max(extent, 0)
    each = 1 if program.unit == "row" else program.block_threads
    return min(max(-(-size // each), 1), most)
