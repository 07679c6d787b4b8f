"""What generated code stands on: raw pointers, calls through addresses, a clock.

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
from netts.compiler.tails import ROWS

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


def _kept_intrinsic(element: types.Type) -> Any:
    """Return an intrinsic that gives memory on the stack, an element for each row of a block."""

    @intrinsic
    def kept(_typing: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
            return cgutils.alloca_once(builder, context.get_data_type(element), ROWS)

        return types.CPointer(element)(), generate

    return kept


kept_int64 = _kept_intrinsic(types.int64)
kept_float32 = _kept_intrinsic(types.float32)
kept_float64 = _kept_intrinsic(types.float64)


@intrinsic
def word_to_float(_typing: Any, word: Any) -> Any:
    """Read a 64-bit word as the float64 with the same bits."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


def _masked_intrinsic(*features: str) -> Any:
    """Return an intrinsic that marks a loop, as its first statement, for processors with one."""

    @intrinsic
    def masked(_typing: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
            if context.codegen().has_any(features):
                context.active_code_library.masked.append(builder.block)
            return context.get_dummy_value()

        return types.void(), generate

    return masked


masked_loads = _masked_intrinsic("avx2", "sve")
masked_stores = _masked_intrinsic("avx512f", "sve")
"""AVX2 has masked stores too, but AMD's processors take some 20 cycles for one: a gradient of 200 x
10 in float32 took 5.3 us with them and 3.8 without."""


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
