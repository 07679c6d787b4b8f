"""What a kernel is given: arrays described by shape, dtype, strides and place, and numbers."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from netts.compiler.nest import Routine
from netts.compiler.scalars import ELEMENT_TYPES
from netts.compiler.scope import as_number
from netts.devices.memory import BufferView, Lifetime
from netts.errors import AliasError, KernelTypeError

ARRAYS = np.ndarray, BufferView
"""What a kernel takes for an array."""

HOST = "host"
"""The space of arrays that have their memory."""


class ArrayInfo(NamedTuple):
    """An array argument.

    Attributes
    ----------
    strides
        In elements.
    space
        What `start` counts from: the host's address space, or a buffer without memory yet.
    start, stop
        The bytes that the elements lie in, gaps included; equal for an empty array.
    """

    shape: tuple[int, ...]
    dtype: str
    strides: tuple[int, ...]
    space: Hashable
    start: int
    stop: int

    @property
    def is_placed(self) -> bool:
        """Whether it has its memory."""
        return self.space == HOST

    @property
    def unit_axis(self) -> int | None:
        """The last axis along which neighbours are neighbours in memory, None if there is none."""
        for axis in reversed(range(len(self.shape))):
            if self.strides[axis] == 1 or self.shape[axis] <= 1:
                return axis
        return None

    def overlaps(self, other: ArrayInfo) -> bool:
        """Whether the byte ranges meet; an empty one meets nothing."""
        return (
            self.start < other.stop
            and other.start < self.stop
            and self.space == other.space
            and self.start < self.stop
            and other.start < other.stop
        )

    def is_same(self, other: ArrayInfo) -> bool:
        """Whether it is the same elements in the same order."""
        return (self.space, self.start, self.shape, self.strides, self.dtype) == (
            other.space, other.start, other.shape, other.strides, other.dtype,
        )  # fmt: skip


class Checked(NamedTuple):
    """Arguments that fit a kernel: its arrays, its numbers, and which arrays are the same."""

    arrays: dict[str, ArrayInfo]
    numbers: dict[str, bool | int | float]
    aliases: dict[str, str]


def describe(array: np.ndarray | BufferView) -> ArrayInfo:
    """Describe an array by what the compiler needs to know."""
    space: Hashable = HOST
    if isinstance(array, np.ndarray):
        start = array.__array_interface__["data"][0]
    elif array.buffer.is_attached:
        start = array.address
    else:
        space, start = id(array.buffer), array.offset
    dtype, strides, low, high = _layout(array.shape, array.strides, array.dtype)
    return ArrayInfo(array.shape, dtype, strides, space, start + low, start + high)


@lru_cache(maxsize=4096)
def _layout(
    shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype
) -> tuple[str, tuple[int, ...], int, int]:
    """Return dtype name, strides in elements, and the bytes before and behind the first element."""
    size = dtype.itemsize
    in_elements = tuple(stride // size for stride in strides)
    if 0 in shape:
        return dtype.name, in_elements, 0, 0
    reach = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    low, high = sum(r for r in reach if r < 0), sum(r for r in reach if r > 0) + size
    return dtype.name, in_elements, low, high


def check_arguments(
    routine: Routine, writes: frozenset[str], arguments: tuple[Any, ...]
) -> tuple[dict[str, ArrayInfo], dict[str, bool | int | float]]:
    """Return the arrays and the numbers that a kernel is called with.

    Raises
    ------
    KernelTypeError
        Where an argument is of the wrong kind, dtype or rank, or read-only and written.
    """
    arrays: dict[str, ArrayInfo] = {}
    numbers: dict[str, bool | int | float] = {}
    for name, argument in zip(routine.parameters, arguments, strict=True):
        if name in routine.ranks:
            _check_array(routine, name, argument, name in writes)
            arrays[name] = describe(argument)
        if name not in routine.scalars:
            continue
        number = as_number(argument)
        if number is None:
            raise KernelTypeError(
                f"{_named(routine, name)} is used as a number, got {_kind(argument)}"
            )
        numbers[name] = number
    return arrays, numbers


def _check_array(routine: Routine, name: str, argument: Any, is_written: bool) -> None:
    fault = _fault(routine, name, argument, is_written)
    if fault is not None:
        raise KernelTypeError(f"{_named(routine, name)} {fault}")


def _fault(routine: Routine, name: str, argument: Any, is_written: bool) -> str | None:
    """Return why something cannot be an array of a kernel; None where it can."""
    if not isinstance(argument, ARRAYS):
        return f"is used as an array, got {_kind(argument)}; pass a NumPy array"
    rank = routine.ranks[name]
    if rank is not None and argument.ndim != rank:
        return f"is used with {rank} subscripts, got an array of shape {argument.shape}"
    if argument.ndim < routine.axes.get(name, 0):
        return (
            f"is asked for the extent of axis {routine.axes[name] - 1}, got an array of shape "
            f"{argument.shape}"
        )
    fault = _fault_of_elements(name, argument.shape, argument.strides, argument.dtype, is_written)
    return fault or _fault_of_memory(argument, is_written)


def _fault_of_memory(argument: np.ndarray | BufferView, is_written: bool) -> str | None:
    if isinstance(argument, np.ndarray):
        if not argument.flags.aligned:
            return "is not aligned to its dtype; pass a copy"
        if is_written and not argument.flags.writeable:
            return "is read-only, and the kernel writes it; pass a copy"
    elif is_written and argument.buffer.lifetime is Lifetime.CONSTANT:
        return "is a constant, and the kernel writes it; pass the array itself"
    return None


@lru_cache(maxsize=4096)
def _fault_of_elements(
    name: str,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: np.dtype,
    is_written: bool,
) -> str | None:
    """Return what kernels do not take of an array's elements and where they lie."""
    if dtype not in ELEMENT_TYPES:
        names, near = ", ".join(one.name for one in ELEMENT_TYPES), _nearest(dtype)
        way_out = (
            f"pass an array of {near}, and convert that afterwards"
            if is_written
            else f"convert it with {name}.astype({near})"
        )
        return f"has dtype {dtype}, and kernels take {names}; {way_out}"
    if any(stride % dtype.itemsize for stride in strides):
        return "has elements at unaligned places; pass a copy"
    if is_written and _overlaps_itself(shape, strides):
        return (
            f"is written, and several of its elements may be the same memory: shape {shape}, "
            f"strides {strides} bytes; pass a copy"
        )
    return None


def _nearest(dtype: np.dtype) -> str:
    """Return the dtype that kernels take instead of one that they do not."""
    family = {"f": "float", "i": "int", "u": "int"}.get(dtype.kind)
    return f"'{family}{32 if dtype.itemsize < 4 else 64}'" if family else "..."


def _overlaps_itself(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether two elements may be one: an axis steps no further than the shorter ones reach."""
    steps = sorted((abs(s), n) for s, n in zip(strides, shape, strict=True) if n != 1)
    reach = 0
    for stride, extent in steps:
        if stride <= reach and 0 not in shape:
            return True
        reach += stride * (extent - 1)
    return False


def find_aliases(
    routine: Routine,
    writes: frozenset[str],
    arrays: dict[str, ArrayInfo],
    arguments: tuple[Any, ...],
) -> dict[str, str]:
    """Return the arrays that are the same memory as another: name to the name to use for it.

    Raises
    ------
    AliasError
        Where two arrays overlap in part and one of them is written.
    """
    same: dict[str, str] = {}
    names = list(arrays)
    for position, second in enumerate(names):
        for first in names[:position]:
            one, other = arrays[first], arrays[second]
            if not one.overlaps(other):
                continue
            if one.is_same(other):
                same.setdefault(second, same.get(first, first))
                continue
            if first not in writes and second not in writes:
                continue
            values = dict(zip(routine.parameters, arguments, strict=True))
            if _share_memory(values[first], values[second], max(one.stop, other.stop)):
                raise AliasError(
                    f"{first} and {second} of kernel {routine.name!r} overlap in memory, and "
                    f"{first if first in writes else second} is written; pass a copy of one, or "
                    "the same array for both"
                )
    if not same:
        return same
    written = {same.get(name, name) for name in writes}
    return {name: first for name, first in same.items() if first in written}


def _share_memory(one: Any, other: Any, end: int) -> bool:
    """Whether two arrays whose byte ranges meet share an element; yes where it is hard to tell."""
    memory: np.ndarray | None = None  # of a buffer that has none yet; only its addresses count
    arrays = []
    for view in (one, other):
        if isinstance(view, np.ndarray):
            arrays.append(view)
        elif view.buffer.is_attached:
            arrays.append(view.array)
        else:
            memory = np.empty(end, np.uint8) if memory is None else memory
            arrays.append(
                np.ndarray(view.shape, view.dtype, memory.data, view.offset, view.strides)
            )
    try:
        return bool(np.shares_memory(arrays[0], arrays[1], max_work=10_000))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def _named(routine: Routine, name: str) -> str:
    return f"argument {name!r} of kernel {routine.name!r}"


def _kind(value: Any) -> str:
    if isinstance(value, ARRAYS):
        return f"an array of shape {value.shape}"
    if isinstance(value, int | np.integer):
        return f"{value}, which does not fit 64 bits"
    return f"a {type(value).__name__}"
