"""A kernel compiled for arguments of given dtypes and shapes: operations ready to be placed."""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.compiler import engine, native
from netts.compiler.arguments import ArrayInfo
from netts.compiler.binding import Word
from netts.compiler.blas_library import blas_library
from netts.compiler.bound import Bound
from netts.compiler.cost import estimate_seconds
from netts.compiler.cost_constants import CostConstants
from netts.compiler.cpu import lower
from netts.compiler.nest import (
    Expr,
)
from netts.compiler.operation import Operation, fill_numbers, operation_table, scalar_arguments
from netts.compiler.plan import Plan
from netts.compiler.program import Program

if TYPE_CHECKING:
    from netts.compiler.loops import Loops


@dataclass(frozen=True)
class Specialisation:
    """A kernel compiled for given dtypes, shapes and integer arguments, by given costs."""

    kernel: Loops
    operations: tuple[Operation, ...]
    scratch_bytes: int
    reasons: Mapping[int, Plan | str]
    costs: CostConstants

    @property
    def source(self) -> str:
        """The generated code of all operations."""
        return "\n\n".join(one.program.text for one in self.operations)

    @property
    def calls_blas(self) -> bool:
        """Whether an operation is a contraction."""
        return any(one.program.plan is not None for one in self.operations)

    def run(self, arguments: tuple[Any, ...], threads: int | None = None) -> None:
        """Run on arrays like those it was compiled for.

        Parameters
        ----------
        arguments
            In the order of the kernel's parameters.
        threads
            The most parts to split an operation in; by default all threads, where it pays.
        """
        addresses = {
            name: _address(value)
            for name, value in zip(self.kernel.parameters, arguments, strict=True)
            if name in self.kernel.routine.ranks
        }
        scratch, _owner = engine.scratch(self.scratch_bytes)  # kept until all has run
        numbers = self.numbers(arguments)
        blocks = [one.block(addresses, scratch) for one in self.operations]
        for block, one in zip(blocks, self.operations, strict=True):
            fill_numbers(block, one.program.words, numbers)
        parts = [one.parts if threads is None else threads for one in self.operations]
        table = operation_table(self.operations, blocks, parts)
        _, failure = engine.replay(
            table, 1, np.zeros(1, np.int64), threads, calls_blas=self.calls_blas
        )
        if failure is not None:
            failed = self.operations[failure.operation]
            value = int(blocks[failure.operation][0])
            raise failed.error(self.kernel, failure.status, value)

    def numbers(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """Return the scalar arguments by name."""
        return scalar_arguments(self.kernel, arguments)


def specialise(bound: Bound) -> Specialisation:
    """Compile a kernel for the arguments that it is bound to; see `Kernel.specialise`."""
    kernel, arrays, symbols, costs = bound.kernel, bound.arrays, bound.symbols, bound.costs
    reasons = bound.plans
    chosen = {number: one for number, one in reasons.items() if isinstance(one, Plan)}
    lowered = lower(kernel.routine, bound.proofs, bound.binding, chosen)
    operations = tuple(_operation(one, kernel, arrays, symbols, costs) for one in lowered.programs)
    return Specialisation(kernel, operations, lowered.scratch_bytes, reasons, costs)


def _operation(
    program: Program,
    kernel: Loops,
    arrays: Mapping[str, ArrayInfo],
    symbols: Mapping[Expr, int],
    costs: CostConstants,
) -> Operation:
    template = np.zeros(len(program.words), np.int64)
    addresses: list[tuple[int, str]] = []
    scratch: list[int] = []
    for position, word in enumerate(program.words):
        match word:
            case Word("extent", name, axis):
                template[position] = arrays[name].shape[axis]
            case Word("stride", name, axis):
                template[position] = arrays[name].strides[axis]
            case Word("address", name):
                addresses.append((position, name))
            case Word("scratch"):
                scratch.append(position)
            case Word("blas", name):
                template[position] = blas_library().addresses[name]
            case Word("plan", name):
                template[position] = program.numbers[name]
    phase = kernel.routine.phases[program.phase]
    return Operation(
        program,
        _compile(program),
        template,
        tuple(addresses),
        tuple(scratch),
        estimate_seconds(phase, program.plan, symbols, costs) if program.is_splittable else 1e-7,
        costs.part_seconds,
    )


def _compile(program: Program) -> native.Native:
    return native.load(program.text, lambda: _python(program), engine.ENTRY_SIGNATURE)


def _python(program: Program) -> Any:
    """Return the generated Python function; its text can be seen in tracebacks."""
    name = f"<netts {program.label}>"
    lines = program.text.splitlines(keepends=True)
    linecache.cache[name] = (len(program.text), None, lines, name)
    namespace: dict[str, Any] = {"__name__": "netts_generated"}
    exec(compile(program.text, name, "exec"), namespace)
    return namespace["entry"]


def _address(array: Any) -> int:
    if isinstance(array, np.ndarray):
        return int(array.__array_interface__["data"][0])
    array.buffer.touch()
    return int(array.address)
