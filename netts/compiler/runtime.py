"""What generated code stands on: raw pointers, calls through addresses, BLAS.

Everything here is compiled by numba. Arrays are passed as addresses in an argument block of 64-bit
words and read through typed pointers: no array structures to rebuild, no negative-index tests in
the loops, and the object code holds no address, so it can be kept on disk.
"""

from __future__ import annotations

import time
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from netts.compiler.compiling import intrinsic

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


def _gemm_intrinsic(name: str, element: ir.Type) -> Any:
    """Return an intrinsic for C[m, n] = A[m, k] B[k, n] + beta C over addresses and strides.

    It calls Fortran's xGEMM, at an address, with alpha = 1. Strides count elements; each matrix has
    one that is 1. BLAS is column-major, so a row-major C is computed as C' = B' A'.
    """

    def gemm(
        _typing: Any, _function: Any, _m: Any, _n: Any, _k: Any, _a: Any, _a_row: Any,
        _a_column: Any, _b: Any, _b_row: Any, _b_column: Any, _beta: Any, _c: Any, _c_row: Any,
        _c_column: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            function, m, n, k, a, a_row, a_column, b, b_row, b_column, beta, c, c_row, c_column = (
                arguments
            )
            is_column_major = builder.and_(
                _equal(builder, c_row, 1), _differs(builder, c_column, 1)
            )

            def pick(column_major: Any, row_major: Any) -> Any:
                return builder.select(is_column_major, column_major, row_major)

            m, n = pick(m, n), pick(n, m)
            a, b = pick(a, b), pick(b, a)
            a_row, a_column, b_row, b_column = (
                pick(a_row, b_column), pick(a_column, b_row),
                pick(b_row, a_column), pick(b_column, a_row),
            )  # fmt: skip
            ldc = pick(c_column, c_row)
            is_a_plain, is_b_plain = _equal(builder, a_row, 1), _equal(builder, b_row, 1)
            lda = builder.select(
                is_a_plain, _greatest(builder, a_column, m), _greatest(builder, a_row, k)
            )
            ldb = builder.select(
                is_b_plain, _greatest(builder, b_column, k), _greatest(builder, b_row, n)
            )
            is_empty = builder.or_(
                builder.icmp_signed("<=", m, _WORD(0)), builder.icmp_signed("<=", n, _WORD(0))
            )

            def stored(value: Any) -> Any:
                slot = cgutils.alloca_once(builder, value.type)
                builder.store(value, slot)
                return builder.bitcast(slot, _BYTE_POINTER)

            def integer(value: Any) -> Any:
                return stored(builder.trunc(value, ir.IntType(32)))

            def letter(is_plain: Any) -> Any:
                byte = ir.IntType(8)
                return stored(builder.select(is_plain, byte(ord("N")), byte(ord("T"))))

            def matrix(address: Any) -> Any:
                return builder.inttoptr(address, _BYTE_POINTER)

            with builder.if_then(builder.not_(is_empty)):
                operands = [
                    letter(is_a_plain), letter(is_b_plain), *map(integer, (m, n, k)),
                    stored(element(1.0)), matrix(a), integer(lda), matrix(b), integer(ldb),
                    stored(builder.sitofp(beta, element)), matrix(c),
                    integer(_greatest(builder, ldc, m)),
                ]  # fmt: skip
                kind = ir.FunctionType(ir.VoidType(), [_BYTE_POINTER] * 13)
                builder.call(builder.inttoptr(function, kind.as_pointer()), operands)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 14), generate

    gemm.__name__ = name
    return intrinsic(gemm)


def _equal(builder: Any, value: Any, number: int) -> Any:
    return builder.icmp_signed("==", value, _WORD(number))


def _differs(builder: Any, value: Any, number: int) -> Any:
    return builder.icmp_signed("!=", value, _WORD(number))


def _greatest(builder: Any, one: Any, other: Any) -> Any:
    """Return the greater of two words, 1 at least: what BLAS asks of a leading dimension."""
    greater = builder.select(builder.icmp_signed(">", other, one), other, one)
    return builder.select(builder.icmp_signed(">", greater, _WORD(1)), greater, _WORD(1))


gemm_float32 = _gemm_intrinsic("gemm_float32", ir.FloatType())
gemm_float64 = _gemm_intrinsic("gemm_float64", ir.DoubleType())
