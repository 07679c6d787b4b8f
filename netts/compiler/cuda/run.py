"""One kernel call on NumPy arrays: upload what it touches, launch, download what it wrote.

Every call pays for its copies; a task graph keeps arrays on the device.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netts.compiler.arguments import ArrayInfo, describe
from netts.compiler.cuda.launches import prepared
from netts.compiler.cuda.specialise import CudaOperation, CudaSpecialisation, Product
from netts.devices.cuda import opened
from netts.devices.memory import ALIGNMENT_BYTES, BufferView, align


class Memory(Protocol):
    """Memory of a device."""

    address: int


class Device(Protocol):
    """What a call needs of a device: `devices.cuda.CudaDevice`, or a simulation of one."""

    def allocate(self, nbytes: int) -> AbstractContextManager[Memory]:
        """Return memory that is given back at the end of the `with` block."""
        ...

    def upload(self, address: int, source: np.ndarray) -> None:
        """Copy a contiguous array to the device."""
        ...

    def download(self, target: np.ndarray, address: int) -> None:
        """Fill a contiguous array from the device."""
        ...

    def clear(self, address: int, nbytes: int) -> None:
        """Set bytes to zero."""
        ...

    def synchronize(self) -> None:
        """Wait for all that was asked for."""
        ...


Launch = Callable[
    [CudaOperation | Product, Mapping[str, int], int, int, Mapping[str, bool | int | float]], None
]
"""Runs an operation on arrays, scratch, marks and numbers; see `CudaOperation.parameters`."""


def run_on_gpu(special: CudaSpecialisation, arguments: tuple[Any, ...], ordinal: int = 0) -> None:
    """Run a kernel on arrays like those it was lowered for, on a GPU; see `run`.

    Raises
    ------
    DeviceError
        Where there is none of that number that can be used, or it has too little memory.
    """
    gpu = opened(ordinal)
    with gpu.enter():
        run(
            special,
            arguments,
            gpu,
            lambda operation, *places: gpu.launch(prepared(operation, gpu, *places)),
        )


@dataclass(frozen=True)
class _Piece:
    """An array on the device: the bytes from its first to its last element, gaps included."""

    array: np.ndarray
    info: ArrayInfo
    offset: int

    @property
    def first(self) -> int:
        """The bytes before the element that subscripts count from; strides may be negative."""
        return int(self.array.__array_interface__["data"][0]) - self.info.start

    @property
    def nbytes(self) -> int:
        """The bytes from the first element in memory to the end of the last."""
        return self.info.stop - self.info.start

    def host_bytes(self) -> np.ndarray:
        """Return the caller's memory itself."""
        memory = (ctypes.c_uint8 * self.nbytes).from_address(self.info.start)
        return np.ctypeslib.as_array(memory)

    def take(self, memory: np.ndarray) -> None:
        """Write elements that were downloaded into the caller's array, and no gap between them."""
        strides, shape = self.array.strides, self.array.shape
        self.array[...] = np.ndarray(shape, self.array.dtype, memory.data, self.first, strides)


def run(
    special: CudaSpecialisation, arguments: tuple[Any, ...], machine: Device, launch: Launch
) -> None:
    """Run a kernel on arrays like those it was lowered for.

    Raises
    ------
    BoundsError, KernelDivisionError
        Where a test failed. The arrays are as they were then. Of several tests that failed the
        first in the kernel is reported, with a value that one of the threads met.
    """
    kernel = special.kernel
    named = dict(zip(kernel.parameters, arguments, strict=True))
    touched = [name for name in kernel.parameters if name in kernel.reads | kernel.writes]
    pieces, nbytes = _pieces(named, touched)
    scratch = align(nbytes, ALIGNMENT_BYTES)
    fault = align(scratch + special.scratch_bytes, ALIGNMENT_BYTES)
    marks = np.zeros(special.fault_words, np.int64)
    with machine.allocate(fault + marks.nbytes) as memory:
        base = memory.address
        sources = [(one, one.host_bytes()) for one in pieces.values() if one.nbytes]
        for piece, source in sources:
            machine.upload(base + piece.offset, source)
        machine.clear(base + fault, marks.nbytes)
        addresses = {name: base + one.offset + one.first for name, one in pieces.items()}
        numbers, mark = special.numbers(arguments), base + fault
        for one in special.operations:
            launch(one, addresses, base + scratch, mark, numbers)
            mark += 8 * one.fault_words
        machine.download(marks, base + fault)
        machine.synchronize()
        error = special.error(marks)
        if error is not None:
            raise error
        _download(machine, base, [pieces[name] for name in touched if name in kernel.writes])


def _pieces(named: Mapping[str, Any], touched: Sequence[str]) -> tuple[dict[str, _Piece], int]:
    """Return where arrays lie in one allocation; the same memory lies there once."""
    pieces: dict[str, _Piece] = {}
    places: dict[tuple[int, int], int] = {}
    nbytes = 0
    for name in touched:
        value = named[name]
        array, info = value.array if isinstance(value, BufferView) else value, describe(value)
        span = info.start, info.stop
        if span not in places:
            places[span] = align(nbytes, ALIGNMENT_BYTES)
            nbytes = places[span] + info.stop - info.start
        pieces[name] = _Piece(array, info, places[span])
    return pieces, nbytes


def _download(machine: Device, base: int, written: Sequence[_Piece]) -> None:
    copies = [(one, np.empty(one.nbytes, np.uint8)) for one in written if one.nbytes]
    for piece, copy in copies:
        machine.download(copy, base + piece.offset)
    machine.synchronize()
    for piece, copy in copies:
        piece.take(copy)
