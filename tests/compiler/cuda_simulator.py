"""A GPU simulated by numba: generated kernels as interpreted Python, a thread of Python for each.

Needs NUMBA_ENABLE_CUDASIM=1 in the environment before numba is imported. Memory of the device is
memory of the host filled with NaN; pointers reach what is allocated and no more.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
from chosen_plans import in_parts
from emulated_cublas import EmulatedCublas
from generated_code import StrayAddressError, _wrapped
from numba import cuda

from netts.compiler import Kernel, functions
from netts.compiler.cuda import run as running
from netts.compiler.cuda.cost import ProductRule
from netts.compiler.cuda.program import Geometry
from netts.compiler.cuda.specialise import CudaOperation, CudaSpecialisation, Product, specialise
from netts.devices.cublas import Cublas
from netts.devices.cuda import python_function
from netts.devices.memory import allocate

SMALL = Geometry(
    threads=4, row_threads=4, long_row=3, many_rows=1000, row_blocks=9, part_terms=4,
    busy_threads=6, neighbours=2, reduction_blocks=3, grid_blocks=2,
)  # fmt: skip
"""So few threads that small arrays need several turns; a simulated thread takes 0.2 ms to start."""


ONE_THREAD_A_ROW = dataclasses.replace(SMALL, long_row=10**9)
"""The same without blocks that share an iteration, however long its loops."""


LOOPS = ProductRule(missing="these are tests of loops")
PRODUCTS = ProductRule(least_multiply_adds=0, least_side=1)
IN_BLOCKS = ProductRule(least_multiply_adds=0, least_side=1, scratch_bytes=256)
IN_FEW_BLOCKS = dataclasses.replace(IN_BLOCKS, scratch_bytes=1024)
"""Which contractions cuBLAS does: none, all, and all with so little memory that it takes blocks."""
DIVIDED = ProductRule(
    least_multiply_adds=0, least_side=1, most_parts=9, least_part=1, least_divided=2
)
"""All, with sums divided wherever they can be."""


@functools.cache
def maker(geometry: Geometry = SMALL, rule: ProductRule = LOOPS) -> Callable[..., Any]:
    def make(bound: Any) -> CudaSpecialisation:
        with in_parts() if rule is DIVIDED else contextlib.nullcontext():
            return specialise(bound, geometry, rule)

    return make


def run_simulated(
    kernel: Kernel,
    arguments: tuple[Any, ...],
    geometry: Geometry = SMALL,
    rule: ProductRule = LOOPS,
) -> CudaSpecialisation:
    """Run a kernel in the simulator; return what ran."""
    special = kernel.specialised(arguments, maker(geometry, rule))
    run_special(special, arguments)
    return special


def run_special(special: CudaSpecialisation, arguments: tuple[Any, ...]) -> None:
    device = SimulatedDevice()
    running.run(special, arguments, device, device.launch)


class SimulatedDevice:
    """What `running.run` needs of a device."""

    def __init__(self) -> None:
        self._memory = np.zeros(0, np.uint8)

    @contextmanager
    def allocate(self, nbytes: int) -> Iterator[Any]:
        self._memory = allocate(nbytes)
        self._memory[...] = 255  # NaN
        yield SimpleNamespace(address=self._memory.ctypes.data)

    def upload(self, address: int, source: np.ndarray) -> None:
        ctypes.memmove(address, source.ctypes.data, source.nbytes)

    def download(self, target: np.ndarray, address: int) -> None:
        ctypes.memmove(target.ctypes.data, address, target.nbytes)

    def clear(self, address: int, nbytes: int) -> None:
        ctypes.memset(address, 0, nbytes)

    def synchronize(self) -> None:
        pass

    def launch(self, operation: CudaOperation | Product, *where: Any) -> None:
        if isinstance(operation, Product):
            addresses, scratch, *_ = where
            blas = Cublas(EmulatedCublas(self._memory), workspace=0)
            blas.launch(blas.prepare(operation.gemm, operation.places(addresses, scratch)), 0)
        else:
            self._run(operation, operation.parameters(*where))

    def _run(self, operation: CudaOperation, parameters: Sequence[Any]) -> None:
        kernel = cuda.jit(python_function(operation.code.text, NAMES))
        values = [
            Pointer(self._memory, value, name[1:]) if name.startswith("*") else _number(name, value)
            for name, value in zip(operation.code.types, parameters, strict=True)
        ]
        kernel[operation.blocks, operation.threads](*values)


def _number(name: str, value: Any) -> Any:
    return NAMES["bool_" if name == "bool" else name](value)


class Pointer:
    """Elements of the device's memory from an address on, and before it."""

    def __init__(self, memory: np.ndarray, address: int, dtype: str) -> None:
        whole = len(memory) // 8 * 8
        self._elements = memory[:whole].view(dtype)
        self._first, rest = divmod(address - memory.ctypes.data, self._elements.itemsize)
        assert rest == 0

    def __getitem__(self, index: int) -> Any:
        value = self._elements[self._place(index)]
        return value if isinstance(value, np.floating) else int(value)

    def __setitem__(self, index: int, value: Any) -> None:
        self._elements[self._place(index)] = value

    def _place(self, index: int) -> int:
        place = self._first + index
        if not 0 <= place < len(self._elements):
            raise StrayAddressError(f"element {index} lies beyond the memory of the device")
        return place


class _Math:
    """`math`, with netts's own functions where they differ, in the dtype of the argument."""

    inf, nan = math.inf, math.nan

    def __getattr__(self, name: str) -> Any:
        function = getattr(functions, name, None) or getattr(math, name)

        def typed(first: Any, *rest: Any) -> Any:
            value = function(float(first), *map(float, rest))
            return type(first)(value) if isinstance(first, np.floating) else value

        return typed


NAMES = {
    "cuda": cuda,
    "math": _Math(),
    "device": lambda function: function,
    "bool_": bool,
    "uint8": _wrapped(8, signed=False),
    "int32": _wrapped(32, signed=True),
    "int64": _wrapped(64, signed=True),
    "uint32": _wrapped(32, signed=False),
    "uint64": _wrapped(64, signed=False),
    "float32": np.float32,
    "float64": np.float64,
}
"""What generated text calls by these names, in Python."""
