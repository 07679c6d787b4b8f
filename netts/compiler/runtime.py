"""What generated code stands on: raw pointers, calls through addresses, BLAS.

Everything here is compiled by numba. Arrays are passed as addresses in an argument block of 64-bit
words and read through typed pointers: no array structures to rebuild, no negative-index tests in
the loops, and the object code holds no address, so it can be kept on disk.
"""

from __future__ import annotations

import time
from typing import Any

from llvmlite import ir
from numba import float32, float64, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD = ir.IntType(64)
_BYTE_POINTER = ir.IntType(8).as_pointer()

CLOCK_MONOTONIC = getattr(time, "CLOCK_MONOTONIC", 0)
"""The number of the clock that `clock_gettime` is asked for; Windows has none."""


def _pointer_intrinsic(element: types.Type) -> Any:
    """Return an intrinsic from an address to a pointer to `element`."""

    @intrinsic
    def pointer(_typing: Any, _address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            target = context.get_data_type(element).as_pointer()
            return builder.inttoptr(arguments[0], target)

        return types.CPointer(element)(types.int64), generate

    return pointer


pointer_bool = _pointer_intrinsic(types.uint8)
pointer_uint8 = _pointer_intrinsic(types.uint8)
pointer_int32 = _pointer_intrinsic(types.int32)
pointer_int64 = _pointer_intrinsic(types.int64)
pointer_float32 = _pointer_intrinsic(types.float32)
pointer_float64 = _pointer_intrinsic(types.float64)


@intrinsic
def word_to_float(_typing: Any, word: Any) -> Any:
    """Read a 64-bit word as the float64 with the same bits."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def call_entry(_typing: Any, address: Any, block: Any, part: Any, parts: Any) -> Any:
    """Call `entry(block, part, parts)` at an address; returns its status."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        function = ir.FunctionType(_WORD, [_WORD] * 3).as_pointer()
        return builder.call(builder.inttoptr(arguments[0], function), arguments[1:])

    return types.int64(types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def read_clock(_typing: Any, clock_gettime: Any, timespec: Any) -> Any:
    """Return the nanoseconds of the monotonic clock; `timespec` is the address of two words."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        function = ir.FunctionType(ir.IntType(32), [ir.IntType(32), _BYTE_POINTER])
        address = builder.inttoptr(arguments[0], function.as_pointer())
        slot = builder.inttoptr(arguments[1], _BYTE_POINTER)
        builder.call(address, [ir.IntType(32)(CLOCK_MONOTONIC), slot])
        words = builder.bitcast(slot, _WORD.as_pointer())
        seconds = builder.load(words)
        nanoseconds = builder.load(builder.gep(words, [_WORD(1)]))
        return builder.add(builder.mul(seconds, _WORD(10**9)), nanoseconds)

    return types.int64(types.int64, types.int64), generate


# ---------------------------------------------------------------- BLAS


def _blas_intrinsic(element: types.Type, llvm: ir.Type) -> Any:
    """Return an intrinsic that calls Fortran's xGEMM at an address, column-major, alpha = 1."""

    @intrinsic
    def xgemm(
        _typing: Any, function: Any, transpose_a: Any, transpose_b: Any, m: Any, n: Any, k: Any,
        a: Any, lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            function, ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc = arguments

            def stored(value: Any, type_: Any) -> Any:
                slot = cgutils.alloca_once(builder, type_)
                builder.store(value, slot)
                return builder.bitcast(slot, _BYTE_POINTER)

            def integer(value: Any) -> Any:
                return stored(builder.trunc(value, ir.IntType(32)), ir.IntType(32))

            def letter(flag: Any) -> Any:
                code = builder.select(flag, ir.IntType(8)(ord("T")), ir.IntType(8)(ord("N")))
                return stored(code, ir.IntType(8))

            flags = [builder.trunc(flag, ir.IntType(1)) for flag in (ta, tb)]
            operands = [
                *map(letter, flags), *map(integer, (m, n, k)), stored(llvm(1.0), llvm),
                builder.inttoptr(a, _BYTE_POINTER), integer(lda),
                builder.inttoptr(b, _BYTE_POINTER), integer(ldb), stored(beta, llvm),
                builder.inttoptr(c, _BYTE_POINTER), integer(ldc),
            ]  # fmt: skip
            kind = ir.FunctionType(ir.VoidType(), [_BYTE_POINTER] * 13)
            builder.call(builder.inttoptr(function, kind.as_pointer()), operands)
            return context.get_dummy_value()

        word = types.int64
        return types.void(*[word] * 10, element, word, word), generate

    return xgemm


_sgemm = _blas_intrinsic(types.float32, ir.FloatType())
_dgemm = _blas_intrinsic(types.float64, ir.DoubleType())


def _gemm_function(xgemm: Any, element: Any) -> Any:
    """Return C[m, n] = A[m, k] B[k, n] + beta C over addresses and element strides.

    Each matrix has one unit stride. BLAS is column-major, so a row-major C is computed as
    C' = B' A'.
    """

    @njit(error_model="numpy")
    def column_major(function, m, n, k, a, a_row, a_column, b, b_row, b_column, beta, c, ldc):
        transpose_a = 0 if a_row == 1 else 1
        lda = max(a_column, m, 1) if transpose_a == 0 else max(a_row, k, 1)
        transpose_b = 0 if b_row == 1 else 1
        ldb = max(b_column, k, 1) if transpose_b == 0 else max(b_row, n, 1)
        xgemm(
            function, transpose_a, transpose_b, m, n, k, a, lda, b, ldb,
            element(beta), c, max(ldc, m, 1),
        )  # fmt: skip

    @njit(error_model="numpy")
    def gemm(function, m, n, k, a, a_row, a_column, b, b_row, b_column, beta, c, c_row, c_column):
        if m <= 0 or n <= 0:
            return
        if c_row == 1 and c_column != 1:
            column_major(
                function, m, n, k, a, a_row, a_column, b, b_row, b_column, beta, c, c_column
            )
        else:
            column_major(function, n, m, k, b, b_column, b_row, a, a_column, a_row, beta, c, c_row)

    return gemm


gemm_float32 = _gemm_function(_sgemm, float32)
gemm_float64 = _gemm_function(_dgemm, float64)
