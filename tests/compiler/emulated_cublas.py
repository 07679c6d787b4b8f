"""What cuBLAS does, in NumPy: matrices by columns at addresses, and the arguments it refuses."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from generated_code import StrayAddressError

LARGEST = 2**31 - 1


class EmulatedCublas:
    """`nvmath.bindings.cublas`, as far as netts calls it.

    Parameters
    ----------
    memory : uint8 array, optional
        All that a matrix may lie in.
    """

    class cuBLASError(Exception):  # noqa: N801 - the bindings' name
        pass

    Math = SimpleNamespace(DEFAULT_MATH=0, TF32_TENSOR_OP_MATH=3)
    Operation = SimpleNamespace(N=0, T=1)

    def __init__(self, memory: np.ndarray | None = None) -> None:
        self._memory = memory
        self.calls: list[tuple[Any, ...]] = []

    def create(self) -> int:
        return 7

    def set_stream(self, *arguments: int) -> None:
        self.calls.append(("set_stream", *arguments))

    def set_workspace(self, *arguments: int) -> None:
        self.calls.append(("set_workspace", *arguments))

    def set_math_mode(self, *arguments: int) -> None:
        self.calls.append(("set_math_mode", *arguments))

    def __getattr__(self, name: str) -> Callable[..., None]:
        if "gemm" not in name:
            raise AttributeError(name)
        return functools.partial(self._gemm, name)

    def _gemm(self, name: str, handle: int, *arguments: int) -> None:
        assert handle == 7
        if min(arguments) < 0:
            raise self.cuBLASError("INVALID_VALUE (7): ...")
        dtype = {"s": np.float32, "d": np.float64}[name[0]]
        self.calls.append((name, *arguments))
        if name.removesuffix("_64")[1:] == "gemm_strided_batched":
            ta, tb, m, n, k, alpha, a, lda, a_step, b, ldb, b_step, beta, c, ldc, c_step, batch = (
                arguments
            )
        else:
            assert name.removesuffix("_64")[1:] == "gemm"
            ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc = arguments
            a_step, b_step, c_step, batch = 0, 0, 0, 1
        assert name.endswith("_64") or max(m, n, k, lda, ldb, ldc, batch) <= LARGEST
        assert {ta, tb} <= {0, 1}
        assert lda >= max(1, k if ta else m)
        assert ldb >= max(1, n if tb else k)
        assert ldc >= max(1, m)
        size = np.dtype(dtype).itemsize
        scale, keep = (np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(one)).view(dtype)
                       for one in (alpha, beta))  # fmt: skip
        for one in range(batch):
            left = self._matrix(dtype, a + one * a_step * size, *((k, m) if ta else (m, k)), lda)
            right = self._matrix(dtype, b + one * b_step * size, *((n, k) if tb else (k, n)), ldb)
            out = self._matrix(dtype, c + one * c_step * size, m, n, ldc)
            product = scale * ((left.T if ta else left) @ (right.T if tb else right))
            out[...] = product if keep == 0 else product + keep * out

    def _matrix(self, dtype: type, address: int, rows: int, columns: int, ld: int) -> np.ndarray:
        size = np.dtype(dtype).itemsize
        nbytes = ((columns - 1) * ld + rows) * size
        if self._memory is not None:
            first = self._memory.ctypes.data
            if not first <= address <= first + self._memory.nbytes - nbytes:
                raise StrayAddressError(f"a matrix of {nbytes} bytes lies beyond the memory")
        buffer = (ctypes.c_uint8 * nbytes).from_address(address)
        return np.ndarray((rows, columns), dtype, buffer, strides=(size, ld * size))
