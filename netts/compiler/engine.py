"""Runs lists of compiled operations: on the calling thread, or in parts on worker threads too.

An operation in parts runs single-threaded BLAS on each of them, so BLAS's own threads are held to
one while operations run: one pool works at a time. So does one Python thread with the workers;
others that come meanwhile, and forked children, run their operations on the calling thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from netts.compiler import native, pool, workers
from netts.compiler.blas_library import blas_library
from netts.compiler.threads import threads_of_numba
from netts.errors import DeviceError

MAX_PARTS = pool.MAX_PARTS

ALIGNMENT_BYTES = 64
"""A cache line."""

_POINTER = "CPointer(int64)"
ENTRY_SIGNATURE = f"int64({_POINTER}, int64, int64)"
"""`entry(block, part, parts) -> status`."""


@dataclass(frozen=True)
class Failure:
    """An operation that stopped: its position in the list, and the number of the failed check."""

    operation: int
    status: int


class OperationTable:
    """A list of operations as the replay loop walks it.

    Parameters
    ----------
    words : int64 array of shape (n, 3)
        Entry address, block address and useful number of parts of each operation.

    Attributes
    ----------
    address, count
        Of the words, and of the operations.
    most_parts
        That an operation is of use in.
    """

    def __init__(self, words: np.ndarray) -> None:
        self.words = words
        self.address, self.count = int(words.ctypes.data), len(words)
        self.most_parts = int(words[:, 2].max()) if len(words) else 1


def available_threads(asked: int | None = None) -> int:
    """Return how many threads a replay may use, where that many or numba's number is asked for."""
    if _workers.is_forked or not workers.is_supported():
        return 1
    return min(asked or threads_of_numba(), MAX_PARTS)


def replay(
    operations: OperationTable,
    steps: int,
    stop: np.ndarray,
    threads: int | None = None,
    times: np.ndarray | None = None,
    calls_blas: bool = True,
) -> tuple[int, Failure | None]:
    """Run a list of operations `steps` times; releases the GIL.

    Parameters
    ----------
    operations
    steps
    stop : int64 array of shape (1,)
        Set to a value other than 0 by another thread, it ends the replay after the running step.
    threads
        The most parts to split an operation in; by default as many as numba may use here
        (`numba.set_num_threads`, NUMBA_NUM_THREADS).
    times : int64 array of shape (n + 2,), optional
        The nanoseconds of each operation are added to the first n words.
    calls_blas
        Whether one of the operations may call BLAS.

    Returns
    -------
    tuple of int and Failure or None
        The steps done, and what failed.
    """
    useful = operations.most_parts
    n_threads = min(available_threads(threads), useful) if useful > 1 else 1
    status, status_address = _status()
    with _blas if calls_blas else _NOTHING, _helped_by(n_threads) as helped:
        arguments: tuple[int, ...] = (
            operations.address, operations.count, steps, stop.ctypes.data, status_address,
            *helped,
        )  # fmt: skip
        if times is None:
            done = _walk()(*arguments)
        else:
            done = _walk_timed()(*arguments, _clock_address(), times.ctypes.data)
    if done < 0:
        return 0, Failure(-1 - done, int(status[0]))
    return done, None


def blas_held() -> AbstractContextManager[None]:
    """Hold BLAS to one thread from the first of many replays to the last, and not for each."""
    return _blas


_ALONE = contextlib.nullcontext((1, 0, 0, 0, 0))
_NOTHING = contextlib.nullcontext()


def _helped_by(n_threads: int) -> AbstractContextManager[tuple[int, ...]]:
    """Give what `walk` needs to run on so many threads, or on one while another thread has them."""
    return _with_workers(n_threads) if n_threads > 1 else _ALONE


@contextmanager
def _with_workers(n_threads: int) -> Iterator[tuple[int, ...]]:
    lock = _workers.lock  # a child that a signal handler forks from now on gets another
    if not lock.acquire(blocking=False):
        yield (1, 0, 0, 0, 0)
        return
    try:
        _workers.start(n_threads, _serve())
        yield (n_threads, _workers.address, *workers.system_calls())
    finally:
        lock.release()


class _Blas:
    """The BLAS that is called: held to one thread as long as anybody is inside, then as it was."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()  # a signal handler may fork
        self._users = 0
        self._before: list[tuple[Any, int]] = []

    def before_fork(self) -> None:
        # OpenBLAS ends its threads before a fork, and setting their number starts them again: a
        # child forked while another thread does so would wait for it for ever.
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        # Its BLAS stays at one thread where it was forked inside. Setting what was there before, in
        # this process or later on, would start threads in who needs none, or undo a user's limit.
        self._begin()

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = [(one, one.num_threads) for one in blas_library().controllers]
                self._set([(one, 1) for one, threads in self._before if threads != 1])
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._users == 0:
                return  # a child that was forked inside has forgotten who was there
            self._users -= 1
            if self._users == 0:
                self._set([(one, threads) for one, threads in self._before if threads != 1])

    @staticmethod
    def _set(wanted: list[tuple[Any, int]]) -> None:
        for library, threads in wanted:
            # From threadpoolctl 3.8 on, the first thread that sets a number keeps the right to it,
            # and what others set is ignored in silence. Replays of all threads take turns here.
            release = getattr(library, "clear_controlling_thread", lambda force: None)
            release(force=True)
            library.set_num_threads(threads)
            release(force=True)


_blas = _Blas()
_workers = workers.Workers()
_local = threading.local()
workers.register(_workers)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_blas.before_fork,
        after_in_parent=_blas.after_fork,
        after_in_child=_blas.after_fork_in_child,
    )


def _status() -> tuple[np.ndarray, int]:
    """Return this thread's word for the status of an operation that fails, and its address."""
    if not hasattr(_local, "status"):
        word = np.zeros(1, np.int64)
        _local.status = word, int(word.ctypes.data)
    return _local.status


def scratch(n_bytes: int) -> tuple[int, np.ndarray | None]:
    """Return the address of scratch memory of this thread, which the next call may use again.

    And its owner, to be kept: what a signal or the collector runs in the meantime, a kernel that
    needs more say, may put a larger one in its place.
    """
    if not n_bytes:
        return 0, None
    if getattr(_local, "scratch_bytes", 0) < n_bytes:
        _local.scratch = np.empty(n_bytes + ALIGNMENT_BYTES, np.uint8)
        _local.scratch_bytes = n_bytes
    owner = _local.scratch
    return -(-owner.ctypes.data // ALIGNMENT_BYTES) * ALIGNMENT_BYTES, owner


@cache
def _walk() -> Callable[..., int]:
    return _replay_function("walk", 10)


@cache
def _walk_timed() -> Callable[..., int]:
    return _replay_function("walk_timed", 12)


def _replay_function(name: str, arity: int) -> Callable[..., int]:
    """Load a replay loop: words in, a word out, except the pointer to the stop word."""
    words = ["int64"] * arity
    words[3] = _POINTER
    return _runtime_function("walking", name, words)


@cache
def _clock_address() -> int:
    """Return the address of the C library's `clock_gettime`."""
    try:
        function = ctypes.CDLL(None).clock_gettime
    except (AttributeError, OSError, TypeError) as error:
        raise DeviceError("profiles need clock_gettime, which this system lacks") from error
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@cache
def _serve() -> Callable[..., int]:
    """Return what a worker thread runs."""
    return _runtime_function("parts", "serve", ["int64"] * 3)


def _runtime_function(module: str, name: str, words: list[str]) -> Callable[..., int]:
    """Return a function of netts's own; its module is imported where it has to be compiled."""
    loaded = native.load(
        f"{module}.{name}",
        lambda: getattr(importlib.import_module(f"netts.compiler.{module}"), name),
        f"int64({', '.join(words)})",
    )
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(words))(loaded.address)
