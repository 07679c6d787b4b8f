"""The threads that help to run operations: started when first needed, asleep in between.

They are Python threads that stay in compiled code without the GIL. A forked child has none of them
and runs operations on the calling thread; one Python thread uses them at a time, and another that
comes meanwhile runs its operations by itself rather than wait.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import threading
from collections.abc import Callable
from functools import cache

import numpy as np

from netts.compiler import pool
from netts.devices.memory import allocate


class Workers:
    """The worker threads of this process.

    Attributes
    ----------
    is_forked
        Whether this is a forked child, which has no workers and starts none.
    """

    def __init__(self) -> None:
        self.is_forked = False
        self._begin()

    def _begin(self) -> None:
        self.lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._state = allocate(8 * pool.STATE_WORDS).view(np.int64)

    @property
    def address(self) -> int:
        """The address of the state that parts are handed out by."""
        return int(self._state.ctypes.data)

    def start(self, n_threads: int, serve: Callable[..., int]) -> None:
        """Start workers until there are as many as threads, the caller counted, if the system may.

        `serve` is the compiled `netts.compiler.pool.serve`, which releases the GIL.
        """
        while len(self._threads) < n_threads - 1:
            arguments = (self.address, *system_calls()[:2])
            one = threading.Thread(target=serve, args=arguments, daemon=True, name="netts")
            try:
                one.start()
            except RuntimeError:  # a limit of threads, or the end of the interpreter
                return  # who gives out a job does what nobody else takes
            self._threads.append(one)

    def after_fork(self) -> None:
        """Forget the threads, which a child does not have, and the lock that one may have held."""
        self.is_forked = True
        self._begin()

    def close(self) -> None:
        """End the workers, before the interpreter takes down what they stand on."""
        self._state[pool.IS_CLOSING] = 1
        with self.lock:
            if self._threads:
                self._state[pool.TICKET] += 1 << 32  # another job's number: nobody goes on sleeping
                libc = ctypes.CDLL(None)
                number = system_calls()[1]
                libc.syscall(
                    ctypes.c_long(number), ctypes.c_void_p(self.address + 4),
                    pool.FUTEX_WAKE_PRIVATE, 2**30, None, None, 0,
                )  # fmt: skip
            for one in self._threads:
                one.join(timeout=1)
            # One that the system has not woken yet is to end when it comes, so it is not forgotten.
            self._threads = [one for one in self._threads if one.is_alive()]
            self._state[pool.IS_CLOSING] = len(self._threads) > 0


def is_supported() -> bool:
    """Whether this system has what workers sleep by."""
    return platform.system() == "Linux" and platform.machine() in pool.FUTEX_CALLS


@cache
def system_calls() -> tuple[int, int, int]:
    """Return the address of `syscall`, the futex call's number, the address of `sched_yield`."""
    libc = ctypes.CDLL(None)
    syscall, sched_yield = (
        ctypes.cast(function, ctypes.c_void_p).value or 0
        for function in (libc.syscall, libc.sched_yield)
    )
    return syscall, pool.FUTEX_CALLS[platform.machine()], sched_yield


def register(workers: Workers) -> None:
    """Care for forks and for the end of the interpreter."""
    atexit.register(workers.close)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=workers.after_fork)
