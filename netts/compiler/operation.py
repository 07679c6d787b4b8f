"""One compiled operation, and the table of several that the replay loop walks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.compiler import engine, native
from netts.compiler.binding import Check, Word, describe
from netts.compiler.program import Program
from netts.errors import BoundsError, KernelDivisionError

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


def scalar_arguments(kernel: Loops, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Return the scalar arguments of a call by name."""
    return {
        name: value
        for name, value in zip(kernel.parameters, arguments, strict=True)
        if name not in kernel.routine.ranks
    }


def operation_table(
    operations: tuple[Operation, ...], blocks: list[np.ndarray], parts: list[int]
) -> engine.OperationTable:
    """Return what the replay loop walks: entry, block and parts of each operation."""
    table = np.zeros((len(operations), 3), np.int64)
    for row, one, block, count in zip(table, operations, blocks, parts, strict=True):
        splits = one.program.is_splittable
        row[:] = one.native.address, block.ctypes.data, count if splits else 1
    return engine.OperationTable(table)


def fill_numbers(block: np.ndarray, words: tuple[Word, ...], numbers: Mapping[str, Any]) -> None:
    """Write scalar arguments into a block: integers as they are, floats by their bits."""
    for position, word in enumerate(words):
        if word.kind == "scalar":
            number = numbers[word.name]
            if isinstance(number, float | np.floating):
                block.view(np.float64)[position] = number
            else:
                block[position] = int(number)
