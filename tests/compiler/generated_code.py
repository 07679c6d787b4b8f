"""Generated code run as plain Python, over memory that tests every address.

The text that netts compiles is Python: it is executed here with stand-ins for numba's types and for
netts's pointers. A pointer reaches the elements of the arguments and nothing else, so reading what
lies beside an array, harmless in most compiled runs, is an error; so is reading scratch memory that
nothing has written, and so are parts of an operation that meet in an element that one of them
writes: compiled, they run at once.
"""

from __future__ import annotations

import builtins
import contextlib
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from netts.compiler import Kernel, accelerate, functions, specialise
from netts.compiler.native import Native
from netts.compiler.operation import fill_numbers
from netts.compiler.specialise import Specialisation
from netts.compiler.tails import ROWS

SCRATCH = 1 << 62
"""An address that no array has."""


class StrayAddressError(Exception):
    """Generated code reached for memory that is no element of an argument."""


class SharedElementError(Exception):
    """Parts that may run at once meet in an element, and one of them writes it."""


@dataclass(frozen=True)
class Uncompiled:
    """A kernel lowered for arguments, its code to be run as Python."""

    kernel: Kernel
    specialisation: Specialisation

    def run(self, arguments: tuple[Any, ...], parts: int) -> None:
        """Run every operation in parts, the last part first.

        Raises what a compiled run raises, StrayAddressError and SharedElementError.
        """
        memory = _Memory(arguments)
        addresses = {
            name: value.__array_interface__["data"][0]
            for name, value in zip(self.kernel.parameters, arguments, strict=True)
            if isinstance(value, np.ndarray)
        }
        numbers = self.specialisation.numbers(arguments)
        for operation in self.specialisation.operations:
            block = operation.block(addresses, SCRATCH)
            fill_numbers(block, operation.program.words, numbers)
            entry = _entry(operation.program.text, memory)
            count = parts if operation.program.is_splittable else 1
            memory.start()
            for part in reversed(range(count)):
                words = block.tolist()
                memory.part = 1 << part
                status = entry(words, part, count)
                if status:
                    raise operation.error(self.kernel, status, words[0])


def specialised_uncompiled(kernel: Kernel, arguments: tuple[Any, ...]) -> Uncompiled:
    """Lower a kernel for arguments without compiling anything."""
    # A kernel of its own, so that nobody else finds what is not compiled.
    twin = accelerate(kernel.function)
    with _nothing_compiled():
        return Uncompiled(twin, twin.specialise(arguments))


def run_generated(kernel: Kernel, arguments: tuple[Any, ...], parts: int) -> None:
    specialised_uncompiled(kernel, arguments).run(arguments, parts)


@contextlib.contextmanager
def _nothing_compiled() -> Iterator[None]:
    with patch.object(specialise, "_compile", lambda _program: Native(0, True, 0.0)):
        yield


def _entry(text: str, memory: _Memory) -> Callable[..., int]:
    """Return the function `entry` of generated code, its imports served by stand-ins."""
    modules = {
        "math": math,
        "numba": _Namespace(_NUMBA),
        "netts.compiler.compiling": _Namespace({"inlined": _inlined}),
        "netts.compiler.runtime": _Namespace(memory.runtime()),
        "netts.compiler.blas": _Namespace(memory.blas()),
        "netts.compiler.vector_math": _Namespace(_VECTOR_MATH),
    }

    def imported(name: str, *_rest: Any) -> Any:
        return modules[name]

    names = {"__builtins__": vars(builtins) | {"__import__": imported}}
    exec(compile(text, "<generated>", "exec"), names)
    return names["entry"]


class _Namespace:
    def __init__(self, names: dict[str, Any]) -> None:
        vars(self).update(names)


def _inlined(**_options: Any) -> Callable[..., Any]:
    return lambda function: function


def _wrapped(bits: int, *, signed: bool) -> Callable[[float], int]:
    """Return a conversion to an integer of so many bits."""

    def convert(value: float) -> int:
        low = int(value) & ((1 << bits) - 1)
        return low - (1 << bits) if signed and low >> (bits - 1) else low

    return convert


_NUMBA = {
    "bool_": bool,
    "uint8": _wrapped(8, signed=False),
    "int32": _wrapped(32, signed=True),
    "int64": _wrapped(64, signed=True),
    "uint64": _wrapped(64, signed=False),
    "float32": lambda value: float(np.float32(value)),
    "float64": float,
}

_VECTOR_MATH = {
    f"{name}_{dtype}": getattr(functions, name)
    for name in functions.__all__
    for dtype in ("float32", "float64")
}


class _Memory:
    """The elements of the arguments by their addresses, and the scratch memory."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self._elements: dict[int, tuple[np.ndarray, tuple[int, ...]]] = {}
        self._scratch: dict[int, Any] = {}
        self.part = 1
        for array in arguments:
            if not isinstance(array, np.ndarray):
                continue
            bytes_ = array.view(np.uint8) if array.dtype == np.bool_ else array
            start = array.__array_interface__["data"][0]
            for place in np.ndindex(array.shape):
                offset = sum(p * s for p, s in zip(place, array.strides, strict=True))
                self._elements[start + offset] = bytes_, place

    def start(self) -> None:
        """Forget who touched what: another operation begins when this one has ended."""
        self._touched: dict[int, int] = {}
        self._written: set[int] = set()

    def _touch(self, address: int, is_write: bool) -> None:
        parts = self._touched[address] = self._touched.get(address, 0) | self.part
        if is_write:
            self._written.add(address)
        if parts != self.part and address in self._written:
            raise SharedElementError(f"parts {parts:b} meet at {address}, and write it")

    def load(self, address: int, dtype: np.dtype) -> Any:
        self._touch(address, False)
        if address >= SCRATCH:
            if address not in self._scratch:
                raise StrayAddressError(f"scratch {address - SCRATCH} is read before it is written")
            return self._scratch[address]
        array, place = self._at(address, dtype)
        return array[place].item()

    def store(self, address: int, dtype: np.dtype, value: Any) -> None:
        self._touch(address, True)
        if address >= SCRATCH:
            self._scratch[address] = value
            return
        array, place = self._at(address, dtype)
        array[place] = _wrapped(64, signed=True)(value) if dtype == np.int64 else value

    def _at(self, address: int, dtype: np.dtype) -> tuple[np.ndarray, tuple[int, ...]]:
        array, place = self._elements.get(address, (None, ()))
        if array is None or array.dtype != dtype:
            raise StrayAddressError(f"no {dtype} element lies at {address}")
        return array, place

    def runtime(self) -> dict[str, Any]:
        """Return the stand-ins for `netts.compiler.runtime`."""
        pointers = {
            f"pointer_{name}": self._pointers(np.dtype(dtype))
            for name, dtype in (
                ("bool", np.uint8), ("uint8", np.uint8), ("int32", np.int32),
                ("int64", np.int64), ("float32", np.float32), ("float64", np.float64),
            )
        }  # fmt: skip
        kept = {f"kept_{name}": lambda: [None] * ROWS for name in ("int64", "float32", "float64")}
        marks = dict.fromkeys(("masked_loads", "masked_stores"), lambda: None)
        return {"word_to_float": _word_to_float, **pointers, **kept, **marks}

    def blas(self) -> dict[str, Any]:
        """Return the stand-ins for `netts.compiler.blas`."""
        return {f"gemm_{name}": self._gemm(np.dtype(name)) for name in ("float32", "float64")}

    def _pointers(self, dtype: np.dtype) -> Callable[[int], _Pointer]:
        return lambda address: _Pointer(self, address, dtype)

    def _gemm(self, dtype: np.dtype) -> Callable[..., None]:
        def gemm(_blas, m, n, k, a, a_row, a_column, b, b_row, b_column, beta, c, c_row, c_column):
            left, right, out = (_Pointer(self, address, dtype) for address in (a, b, c))
            for i in range(m):
                for j in range(n):
                    place = i * c_row + j * c_column
                    total = out[place] if beta else 0.0
                    for p in range(k):
                        total += left[i * a_row + p * a_column] * right[p * b_row + j * b_column]
                    out[place] = total

        return gemm


class _Pointer:
    def __init__(self, memory: _Memory, address: int, dtype: np.dtype) -> None:
        self._memory, self._address, self._dtype = memory, address, dtype

    def __getitem__(self, index: int) -> Any:
        return self._memory.load(self._address + index * self._dtype.itemsize, self._dtype)

    def __setitem__(self, index: int, value: Any) -> None:
        self._memory.store(self._address + index * self._dtype.itemsize, self._dtype, value)


def _word_to_float(word: int) -> float:
    return struct.unpack("<d", struct.pack("<q", word))[0]
