"""What generated code stands on: raw pointers, calls through addresses, BLAS, numba's thread pool.

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
def parallel_for(
    _typing: Any, share: Any, items: Any, counts: Any, strides: Any, data: Any, threads: Any
) -> Any:
    """Hand a range of work items to the threads of numba's pool and wait for them.

    `numba_parallel_for` is what numba's own parallel code calls. It splits `counts[0]` items among
    the threads and calls `share(items, counts, strides, data)` on each, `items[0]` advanced to the
    thread's first item and `counts[0]` its number of items.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        function = ir.FunctionType(ir.VoidType(), [_BYTE_POINTER] * 5 + [_WORD] * 3)
        target = cgutils.get_or_insert_function(builder.module, function, "numba_parallel_for")
        pointers = [builder.inttoptr(one, _BYTE_POINTER) for one in arguments[:5]]
        # No inner dimensions, one array.
        builder.call(target, [*pointers, _WORD(0), _WORD(1), arguments[5]])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


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


# ---------------------------------------------------------------- replay

WORK_WORDS = 4
"""The words of a workspace that describe the operation at work: entry, block, parts, status."""
ITEMS, COUNTS, STRIDES, POOL, NUMBERS = 4, 5, 6, 7, 8
"""Where a workspace keeps what `parallel_for` is given: `POOL` is how many threads there are, more
than which numba's `workqueue` layer cannot be asked for, `NUMBERS` starts the list 0, 1, 2, ..."""


def share(items, counts, _strides, work):
    """Run one thread's share of the parts of an operation.

    `items[0]` is the address of the thread's first part number, `counts[0]` how many it has; `work`
    is (entry, block, parts, status).
    """
    numbers = pointer_int64(items[0])
    for i in range(counts[0]):
        status = call_entry(work[0], work[1], numbers[i], work[2])
        if status != 0:
            work[3] = status


@njit(error_model="numpy")
def run_operation(operation, share_address, workspace, threads):
    """Run one operation, whole or in parts, and return its status.

    `operation` points at three words: entry address, block address, useful parts.
    """
    parts = min(operation[2], threads)
    if parts <= 1:
        return call_entry(operation[0], operation[1], 0, 1)
    work = pointer_int64(workspace)
    work[0] = operation[0]
    work[1] = operation[1]
    work[2] = parts
    work[3] = 0
    work[COUNTS] = parts
    parallel_for(
        share_address,
        workspace + 8 * ITEMS,
        workspace + 8 * COUNTS,
        workspace + 8 * STRIDES,
        workspace,
        min(parts, work[POOL]),
    )
    return work[3]


def walk(operations, count, steps, stop, share_address, workspace, threads):
    """Replay a list of operations `steps` times.

    Parameters
    ----------
    operations
        The address of three words for each operation, see `run_operation`.
    stop
        A word that another thread sets to end the replay after the running step.
    workspace
        The address of a workspace, see above.
    threads
        The most parts to run an operation in; 1 keeps the whole replay on the calling thread.

    Returns
    -------
    int
        The steps done; or -1 - i where operation i failed, whose status is then word 3 of the
        workspace.
    """
    for step in range(steps):
        if stop[0] != 0:
            return step
        for i in range(count):
            operation = pointer_int64(operations + 24 * i)
            status = run_operation(operation, share_address, workspace, threads)
            if status != 0:
                pointer_int64(workspace)[3] = status
                return -1 - i
    return steps


def walk_timed(operations, count, steps, stop, share_address, workspace, threads, clock, times):
    """Replay like `walk`, adding the nanoseconds of operation i to `times[i]`.

    `clock` is the address of `clock_gettime`; it fills the two words behind the times.
    """
    spent = pointer_int64(times)
    timespec = times + 8 * count
    for step in range(steps):
        if stop[0] != 0:
            return step
        before = read_clock(clock, timespec)
        for i in range(count):
            operation = pointer_int64(operations + 24 * i)
            status = run_operation(operation, share_address, workspace, threads)
            if status != 0:
                pointer_int64(workspace)[3] = status
                return -1 - i
            after = read_clock(clock, timespec)
            spent[i] += after - before
            before = after
    return steps
