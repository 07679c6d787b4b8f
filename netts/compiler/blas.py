"""BLAS as generated code calls it: xGEMM at an address, with leading dimensions and beta."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from netts.compiler.compiling import intrinsic

_WORD = ir.IntType(64)
_BYTE = ir.IntType(8)
_ADDRESS = _BYTE.as_pointer()

_FORTRAN_INTEGER = ir.IntType(64 if sys.byteorder == "little" else 32)
"""Written so that a BLAS of either width reads it: where the low half of a word comes first, one
that counts in 32 bits finds its integer at the same address. Elsewhere only such a one is called
(`blas_library`)."""


@dataclass(frozen=True)
class _Matrix:
    """A matrix in memory: LLVM's values of its address and its strides, in elements."""

    address: Any
    row: Any
    column: Any

    def transposed(self) -> _Matrix:
        return _Matrix(self.address, self.column, self.row)


def _gemm_intrinsic(name: str, element: ir.Type) -> Any:
    """Return an intrinsic for C[m, n] = A[m, k] B[k, n] + beta C over addresses and strides.

    Strides count elements; each matrix has one that is 1.
    """

    def gemm(
        _typing: Any, _function: Any, _m: Any, _n: Any, _k: Any, _a: Any, _a_row: Any,
        _a_column: Any, _b: Any, _b_row: Any, _b_column: Any, _beta: Any, _c: Any, _c_row: Any,
        _c_column: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            function, m, n, k, *operands = arguments
            a, b, c = _Matrix(*operands[:3]), _Matrix(*operands[3:6]), _Matrix(*operands[7:])
            _Gemm(builder, element, function, operands[6]).multiply(m, n, k, a, b, c)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 14), generate

    gemm.__name__ = name
    return intrinsic(gemm)


@dataclass(frozen=True)
class _Gemm:
    """Writes one call of xGEMM, with alpha = 1."""

    builder: Any
    element: ir.Type
    function: Any
    beta: Any

    def multiply(self, m: Any, n: Any, k: Any, a: _Matrix, b: _Matrix, c: _Matrix) -> None:
        """Write C = A B + beta C; BLAS goes by columns, so a C by rows is C' = B' A'."""
        builder = self.builder
        is_by_columns = builder.and_(self._is(c.row, 1), builder.not_(self._is(c.column, 1)))

        def pick(by_columns: Any, by_rows: Any) -> Any:
            return builder.select(is_by_columns, by_columns, by_rows)

        def pick_matrix(one: _Matrix, other: _Matrix) -> _Matrix:
            other = other.transposed()
            return _Matrix(
                pick(one.address, other.address),
                pick(one.row, other.row),
                pick(one.column, other.column),
            )

        rows, columns = pick(m, n), pick(n, m)
        left, right = pick_matrix(a, b), pick_matrix(b, a)
        is_empty = builder.or_(
            builder.icmp_signed("<=", m, _WORD(0)), builder.icmp_signed("<=", n, _WORD(0))
        )
        with builder.if_then(builder.not_(is_empty)):
            self._call(rows, columns, k, left, right, c.address, pick(c.column, c.row))

    def _call(self, m: Any, n: Any, k: Any, a: _Matrix, b: _Matrix, c: Any, c_leading: Any) -> None:
        is_a_plain, is_b_plain = self._is(a.row, 1), self._is(b.row, 1)
        operands = [
            self._letter(is_a_plain), self._letter(is_b_plain), *map(self._integer, (m, n, k)),
            self._stored(self.element(1.0)),
            self._pointer(a.address), self._integer(self._leading(a, is_a_plain, m, k)),
            self._pointer(b.address), self._integer(self._leading(b, is_b_plain, k, n)),
            self._stored(self.builder.sitofp(self.beta, self.element)),
            self._pointer(c), self._integer(self._greatest(c_leading, m)),
        ]  # fmt: skip
        kind = ir.FunctionType(ir.VoidType(), [_ADDRESS] * len(operands)).as_pointer()
        self.builder.call(self.builder.inttoptr(self.function, kind), operands)

    def _leading(self, matrix: _Matrix, is_plain: Any, rows: Any, columns: Any) -> Any:
        """Return the leading dimension of a matrix, plain or transposed."""
        return self.builder.select(
            is_plain, self._greatest(matrix.column, rows), self._greatest(matrix.row, columns)
        )

    def _is(self, value: Any, number: int) -> Any:
        return self.builder.icmp_signed("==", value, _WORD(number))

    def _greatest(self, one: Any, other: Any) -> Any:
        """Return the greater of two words, 1 at least: what BLAS asks of a leading dimension."""
        builder = self.builder
        greater = builder.select(builder.icmp_signed(">", other, one), other, one)
        return builder.select(builder.icmp_signed(">", greater, _WORD(1)), greater, _WORD(1))

    def _stored(self, value: Any) -> Any:
        """Keep a value on the stack, as Fortran takes addresses, and return where."""
        slot = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, slot)
        return self.builder.bitcast(slot, _ADDRESS)

    def _integer(self, value: Any) -> Any:
        return self._stored(self.builder.trunc(value, _FORTRAN_INTEGER))

    def _letter(self, is_plain: Any) -> Any:
        return self._stored(self.builder.select(is_plain, _BYTE(ord("N")), _BYTE(ord("T"))))

    def _pointer(self, address: Any) -> Any:
        return self.builder.inttoptr(address, _ADDRESS)


gemm_float32 = _gemm_intrinsic("gemm_float32", ir.FloatType())
gemm_float64 = _gemm_intrinsic("gemm_float64", ir.DoubleType())
