"""Replay: walk a list of operations, step after step, without Python. Compiled by numba."""

from __future__ import annotations

from netts.compiler.compiling import inlined
from netts.compiler.parts import run_in_parts
from netts.compiler.runtime import call_entry, pointer_int64, read_clock


@inlined()
def run_operation(operation, threads, pool, syscall, futex, sched_yield):
    """Run one operation, whole or in parts, and return its status.

    `operation` points at three words: entry address, block address, useful parts.
    """
    parts = min(operation[2], threads)
    if parts <= 1:
        return call_entry(operation[0], operation[1], 0, 1)
    return run_in_parts(pool, operation[0], operation[1], parts, syscall, futex, sched_yield)


def walk(operations, count, steps, stop, status_at, threads, pool, syscall, futex, sched_yield):
    """Replay a list of operations `steps` times.

    Parameters
    ----------
    operations
        The address of three words for each operation, see `run_operation`.
    stop
        A word that another thread sets to end the replay after the running step.
    status_at
        The address of a word for the status of an operation that fails.
    threads
        The most parts to run an operation in; 1 keeps the whole replay on the calling thread.
    pool, syscall, futex, sched_yield
        What `run_in_parts` is given.

    Returns
    -------
    int
        The steps done; or -1 - i where operation i failed.
    """
    for step in range(steps):
        if stop[0] != 0:
            return step
        for i in range(count):
            operation = pointer_int64(operations + 24 * i)
            status = run_operation(operation, threads, pool, syscall, futex, sched_yield)
            if status != 0:
                pointer_int64(status_at)[0] = status
                return -1 - i
    return steps


def walk_timed(
    operations, count, steps, stop, status_at, threads, pool, syscall, futex, sched_yield,
    clock, times,
):  # fmt: skip
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
            status = run_operation(operation, threads, pool, syscall, futex, sched_yield)
            if status != 0:
                pointer_int64(status_at)[0] = status
                return -1 - i
            after = read_clock(clock, timespec)
            spent[i] += after - before
            before = after
    return steps
