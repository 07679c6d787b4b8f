"""A kernel compiled for arguments of given dtypes and shapes: operations ready to be placed."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.compiler import engine, native, plan
from netts.compiler.access import Range
from netts.compiler.affine import at, evaluate
from netts.compiler.arguments import ArrayInfo
from netts.compiler.binding import FOLDED_LIMIT, Binding, Check, Word, describe
from netts.compiler.bounds import find_unproved
from netts.compiler.clamps import settled_clamps
from netts.compiler.cost import estimate_seconds
from netts.compiler.cost_constants import CostConstants
from netts.compiler.cpu import lower
from netts.compiler.eligibility import plan_contraction
from netts.compiler.nest import (
    Expr,
    Extent,
    Global,
    Local,
    Nest,
    Routine,
    Scalar,
    Set,
    body_of,
    walk_expression,
    walk_statements,
)
from netts.compiler.plan import Plan
from netts.compiler.program import Program
from netts.compiler.races import Independence, prove_independent
from netts.compiler.scalars import ELEMENT_TYPES
from netts.compiler.typing import infer, type_of_number
from netts.errors import AliasError, BoundsError, KernelDivisionError, RaceError

if TYPE_CHECKING:
    from netts.compiler.loops import Loops


@dataclass(frozen=True)
class Operation:
    """One compiled operation, with everything known but the addresses.

    Attributes
    ----------
    template : int64 array
        The argument block, zero where an address goes.
    addresses
        Positions of the block, and the array whose address goes there.
    scratch
        Positions of the block where the address of the scratch memory goes.
    seconds
        A rough estimate of its duration on one core.
    part_seconds
        What a part of it should take at least.
    """

    program: Program
    native: native.Native
    template: np.ndarray
    addresses: tuple[tuple[int, str], ...]
    scratch: tuple[int, ...]
    seconds: float
    part_seconds: float

    @property
    def label(self) -> str:
        """What it is called in explanations and profiles."""
        return self.program.label

    @property
    def parts(self) -> int:
        """The number of parts worth splitting it into, 1 where it is not worth it."""
        if not self.program.is_splittable:
            return 1
        return min(max(int(self.seconds / self.part_seconds), 1), engine.MAX_PARTS)

    def block(self, addresses: Mapping[str, int], scratch: int) -> np.ndarray:
        """Return the argument block for arrays at these addresses."""
        words = self.template.copy()
        for position, name in self.addresses:
            words[position] = addresses[name]
        for position in self.scratch:
            words[position] = scratch
        return words

    def error(self, kernel: Loops, status: int, value: int) -> Exception:
        """Return the error of a test that failed at run time."""
        return failure(kernel, self.program.checks[status - 1], value)


def failure(kernel: Loops, check: Check, value: int) -> Exception:
    """Return the error of a test that met a value at run time."""
    place, what = describe(check)
    if check.dimension is None:
        rule = f"{what}: the divisor is 0"
        return kernel.source_code.error(KernelDivisionError, place, rule)
    rule = f"{what} is {value}, which is outside of the axis"
    way_out = "a negative subscript does not count from the end in a kernel" if value < 0 else ""
    return kernel.source_code.error(BoundsError, place, rule, way_out)


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
        scratch = engine.scratch_address(self.scratch_bytes)
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


def scalar_arguments(kernel: Loops, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Return the scalar arguments of a call by name."""
    return {
        name: value
        for name, value in zip(kernel.parameters, arguments, strict=True)
        if name not in kernel.routine.ranks
    }


def operation_table(
    operations: tuple[Operation, ...], blocks: list[np.ndarray], parts: list[int]
) -> np.ndarray:
    """Return the words that the replay loop walks: entry, block and parts of each operation."""
    table = np.zeros((len(operations), 3), np.int64)
    for row, one, block, count in zip(table, operations, blocks, parts, strict=True):
        splits = one.program.is_splittable
        row[:] = one.native.address, block.ctypes.data, count if splits else 1
    return table


def fill_numbers(block: np.ndarray, words: tuple[Word, ...], numbers: Mapping[str, Any]) -> None:
    """Write scalar arguments into a block: integers as they are, floats by their bits."""
    for position, word in enumerate(words):
        if word.kind == "scalar":
            number = numbers[word.name]
            if isinstance(number, float | np.floating):
                block.view(np.float64)[position] = number
            else:
                block[position] = int(number)


def specialise(bound: Bound) -> Specialisation:
    """Compile a kernel for the arguments that it is bound to; see `Kernel.specialise`."""
    kernel, arrays, symbols, costs = bound.kernel, bound.arrays, bound.symbols, bound.costs
    reasons = {
        number: plan_contraction(
            phase, kernel.accesses[number], bound.proofs[number], arrays, symbols, bound.binding,
            costs, plan.choose,
        )
        for number, phase in enumerate(kernel.routine.phases)
        if isinstance(phase, Nest)
    }  # fmt: skip
    chosen = {number: one for number, one in reasons.items() if isinstance(one, Plan)}
    lowered = lower(kernel.routine, bound.proofs, bound.binding, chosen)
    operations = tuple(_operation(one, kernel, arrays, symbols, costs) for one in lowered.programs)
    return Specialisation(kernel, operations, lowered.scratch_bytes, reasons, costs)


@dataclass(frozen=True)
class Bound:
    """A kernel checked against arguments: what every lowering starts from.

    Attributes
    ----------
    symbols
        The values of everything that is known and integer.
    proofs
        What is proved of each nest with these arguments, by phase.
    costs
        What choices between ways of running rest on.
    """

    kernel: Loops
    arrays: Mapping[str, ArrayInfo]
    binding: Binding
    symbols: Mapping[Expr, int]
    proofs: Mapping[int, Independence]
    costs: CostConstants


def bind(
    kernel: Loops,
    arrays: Mapping[str, ArrayInfo],
    numbers: Mapping[str, bool | int | float],
    aliases: Mapping[str, str],
    constants: Mapping[str, Any],
    costs: CostConstants,
) -> Bound:
    """Check a kernel against arguments: types, subscripts, independence."""
    routine = kernel.routine
    symbols = symbols_of(routine, arrays, numbers, constants)
    elements = {name: ELEMENT_TYPES[np.dtype(one.dtype)] for name, one in arrays.items()}
    scalars = {name: type_of_number(value) for name, value in numbers.items()}
    types = infer(routine, kernel.source_code, kernel.scope, elements, scalars)
    shapes = {name: one.shape for name, one in arrays.items()}
    unproved = frozenset[tuple[int, int]]().union(
        *(find_unproved(one, shapes, symbols, kernel.source_code) for one in kernel.accesses)
    )
    proofs = _proofs(kernel, aliases, symbols)
    binding = Binding(
        types,
        {name: one.dtype for name, one in arrays.items()},
        {name: one.unit_axis for name, one in arrays.items()},
        aliases,
        unproved,
        _folded(kernel, numbers),
        settled_clamps(itertools.chain.from_iterable(kernel.accesses), symbols),
    )
    return Bound(kernel, arrays, binding, symbols, proofs, costs)


def symbols_of(
    routine: Routine,
    arrays: Mapping[str, ArrayInfo],
    numbers: Mapping[str, bool | int | float],
    constants: Mapping[str, Any],
) -> dict[Expr, int]:
    """Return the values of everything that is known and integer."""
    symbols: dict[Expr, int] = {
        Extent(name, axis): extent
        for name, one in arrays.items()
        for axis, extent in enumerate(one.shape)
    }
    symbols |= {Scalar(name): int(n) for name, n in numbers.items() if isinstance(n, int)}
    symbols |= {Global(name): int(n) for name, n in constants.items() if isinstance(n, int)}
    every = [one for phase in routine.phases for one in walk_statements(body_of(phase))]
    names = [one.name for one in every if isinstance(one, Set)]
    for phase in routine.phases:
        if isinstance(phase, Set) and names.count(phase.name) == 1:
            value = evaluate(phase.value, symbols)
            if value is not None:
                symbols[Local(phase.name)] = value
    return symbols


def prove_aliased(kernel: Loops, aliases: Mapping[str, str]) -> dict[int, Independence]:
    """Return what is proved of each nest, with the arrays that are the same taken as one.

    Raises
    ------
    AliasError
        Where iterations depend on one another because arrays are the same.
    """
    proofs = dict(kernel.proofs)
    if aliases:
        for number in proofs:
            phase = kernel.routine.phases[number]
            assert isinstance(phase, Nest)
            touched, outer = kernel.accesses[number], kernel.outer[number]
            try:
                proofs[number] = prove_independent(
                    phase, touched, outer, kernel.source_code, aliases
                )
            except RaceError as error:
                names = ", ".join(f"{one} and {other}" for one, other in aliases.items())
                raise AliasError(
                    f"{names} are the same array, and then {error}\n"
                    "  pass a copy, or write the result into another array"
                ) from None
    return proofs


def _proofs(
    kernel: Loops, aliases: Mapping[str, str], symbols: Mapping[Expr, int]
) -> dict[int, Independence]:
    """Return what is proved of each nest with these arguments."""
    proofs = prove_aliased(kernel, aliases)
    for proof in proofs.values():
        for axis, factor, access in proof.factors:
            extent, form = evaluate(axis.extent, symbols), at(factor, symbols)
            if extent is not None and extent <= 1:
                continue
            if form is None or form.constant == 0:
                known = "0 with these arguments" if form else "not known before the kernel runs"
                raise kernel.source_code.error(
                    RaceError,
                    access.place,
                    f"the factor of {axis.index} in {access.node} is {known}, so several "
                    "iterations may write the same element",
                    "compute the factor from shapes and integer arguments that make it other "
                    f"than 0, or make {axis.index} a range() loop inside the nest",
                )
    return proofs


def _folded(kernel: Loops, numbers: Mapping[str, bool | int | float]) -> dict[str, int]:
    """Return the small integer arguments that stand in subscripts, or in clamped loop bounds."""
    every = [access for touched in kernel.accesses for access in touched]
    places = [subscript for access in every for subscript in access.node.subscripts]
    loops = {loop for access in every for loop in access.scope if isinstance(loop, Range)}
    for loop in loops:
        places += [clamp.node for clamp in loop.clamps]
    inside = {
        one.name for place in places for one in walk_expression(place) if isinstance(one, Scalar)
    }
    return {
        name: int(number)
        for name, number in numbers.items()
        if name in inside and type(number) is int and abs(number) <= FOLDED_LIMIT
    }


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
                template[position] = engine.blas_address(name)
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
