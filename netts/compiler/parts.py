"""The parts of one operation, handed out to worker threads: everything here is compiled by numba.

There is one job at a time. Its ticket, one word, holds the job's number, how many parts it has and
which is next; a thread takes a part by adding 1 to it. The thread that gave out the job takes parts
too, so nobody waits for a worker that the system has not woken yet, and the job is over when all
parts are done. A worker that finds nothing to do looks again for some microseconds, then sleeps
until the job's number changes (a futex).

Memory order: entry and block are written before the ticket, and read after a part was taken, which
keeps the job in place until that part is done.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from netts.compiler.compiling import inlined, intrinsic
from netts.compiler.pool import (
    BLOCK,
    DONE,
    ENTRY,
    FIELD,
    FUTEX_WAIT_PRIVATE,
    FUTEX_WAKE_PRIVATE,
    IS_CLOSING,
    JOB_SHIFT,
    PARTS_SHIFT,
    PATIENCE,
    SLEEPING,
    SPINS,
    STATUS,
)
from netts.compiler.runtime import call_entry, pointer_int64

_WORD = ir.IntType(64)

_PAUSES = {"x86_64": ("llvm.x86.sse2.pause",), "aarch64": ("llvm.aarch64.hint", 1)}
"""LLVM's name of the instruction, and its operand: YIELD is hint 1."""


def _atomic(operation: str) -> Any:
    """Return an intrinsic that changes a word at an address and returns what was there."""

    @intrinsic
    def change(_typing: Any, _address: Any, _value: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            place = builder.inttoptr(arguments[0], _WORD.as_pointer())
            return builder.atomic_rmw(operation, place, arguments[1], "seq_cst")

        return types.int64(types.int64, types.int64), generate

    return change


atomic_add, atomic_exchange = _atomic("add"), _atomic("xchg")


@intrinsic
def atomic_load(_typing: Any, _address: Any) -> Any:
    """Read a word at an address that other threads write."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], _WORD.as_pointer())
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def pause(_typing: Any) -> Any:
    """Tell the processor that this thread waits in a loop."""

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        if platform.machine() in _PAUSES:
            name, *operands = _PAUSES[platform.machine()]
            words = [ir.IntType(32)(one) for one in operands]
            function = ir.FunctionType(ir.VoidType(), [one.type for one in words])
            builder.call(cgutils.get_or_insert_function(builder.module, function, name), words)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def call_system(_typing: Any, _function: Any, _number: Any, _a: Any, _b: Any, _c: Any) -> Any:
    """Call the C library's `syscall`, at an address, with three arguments and three zeros."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        function = ir.FunctionType(_WORD, [_WORD] * 7).as_pointer()
        address = builder.inttoptr(arguments[0], function)
        return builder.call(address, [*arguments[1:], _WORD(0), _WORD(0), _WORD(0)])

    return types.int64(*[types.int64] * 5), generate


@intrinsic
def call_nothing(_typing: Any, _function: Any) -> Any:
    """Call a C function without arguments, at an address; `sched_yield` is one."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        function = ir.FunctionType(ir.IntType(32), []).as_pointer()
        result = builder.call(builder.inttoptr(arguments[0], function), [])
        return builder.zext(result, _WORD)

    return types.int64(types.int64), generate


@inlined()
def has_part(ticket):
    """Tell whether a ticket has a part that nobody took."""
    return ticket & FIELD < (ticket >> PARTS_SHIFT) & FIELD


@inlined()
def do_parts(state):
    """Take parts of the job until there are none; return how many were done."""
    words, done = pointer_int64(state), 0
    while has_part(atomic_load(state)):
        ticket = atomic_add(state, 1)
        if not has_part(ticket):
            break
        parts = (ticket >> PARTS_SHIFT) & FIELD
        status = call_entry(words[ENTRY], words[BLOCK], ticket & FIELD, parts)
        if status != 0:
            words[STATUS] = status
        atomic_add(state + 8 * DONE, 1)
        done += 1
    return done


def serve(state, syscall, futex):
    """Take part in every job until the pool closes: what a worker thread does.

    Parameters
    ----------
    state
        The address of the pool's state.
    syscall, futex
        The address of the C library's `syscall`, and the number of the call.
    """
    idle = 0
    while atomic_load(state + 8 * IS_CLOSING) == 0:
        if do_parts(state) > 0:
            idle = 0
            continue
        idle += 1
        pause()
        if idle < SPINS:
            continue
        ticket = atomic_load(state)
        atomic_add(state + 8 * SLEEPING, 1)
        if not has_part(ticket) and atomic_load(state + 8 * IS_CLOSING) == 0:
            # The upper half of the ticket is the job's number. The system compares it once more
            # before the thread sleeps, so a job that was given out meanwhile is not missed.
            call_system(syscall, futex, state + 4, FUTEX_WAIT_PRIVATE, ticket >> JOB_SHIFT)
        atomic_add(state + 8 * SLEEPING, -1)
        idle = 0
    return 0


@inlined()
def run_in_parts(state, entry, block, parts, syscall, futex, sched_yield):
    """Run an operation in parts, on this thread and on workers; return its status."""
    words = pointer_int64(state)
    words[ENTRY] = entry
    words[BLOCK] = block
    words[STATUS] = 0
    words[DONE] = 0
    job = ((atomic_load(state) >> JOB_SHIFT) + 1) & 0x7FFFFFFF
    atomic_exchange(state, (job << JOB_SHIFT) | (parts << PARTS_SHIFT))
    if atomic_load(state + 8 * SLEEPING) > 0:
        call_system(syscall, futex, state + 4, FUTEX_WAKE_PRIVATE, parts - 1)
    do_parts(state)
    looks = 0
    while atomic_load(state + 8 * DONE) < parts:
        looks += 1
        pause()
        if looks > PATIENCE:
            call_nothing(sched_yield)
    return words[STATUS]
