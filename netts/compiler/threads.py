"""How many threads netts may use: as many as numba may, whether numba is there or not.

NUMBA_NUM_THREADS and `numba.set_num_threads` are what users and joblib's workers set; importing
numba to ask would cost more than a small fit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_MOST: ContextVar[int | None] = ContextVar("netts_threads", default=None)


@contextmanager
def at_most(n_threads: int | None) -> Iterator[None]:
    """Let what runs inside use no more threads than that; None changes nothing."""
    token = _MOST.set(_MOST.get() if n_threads is None else n_threads)
    try:
        yield
    finally:
        _MOST.reset(token)


def most_threads() -> int:
    """Return the number that numba starts with: NUMBA_NUM_THREADS, or the cores of this process."""
    numba = sys.modules.get("numba")
    known = getattr(getattr(numba, "config", None), "NUMBA_NUM_THREADS", None)
    return int(known) if known else _from_environment()


def threads_of_numba() -> int:
    """Return the number that may be used here: numba's, or that of `at_most` if it is less."""
    found, most = _threads_set(), _MOST.get()
    return found if most is None else min(found, most)


def _threads_set() -> int:
    """Return the number that `numba.set_num_threads` has set here, else `most_threads`."""
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    # What sets a number starts numba's threads first; asking for it would start them too.
    if parallel is None or not getattr(parallel, "_is_initialized", True):
        return most_threads()
    return int(parallel.get_num_threads())


def _from_environment() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        return max(int(os.environ.get("NUMBA_NUM_THREADS", "")), 1)
    except ValueError:
        return max(cores or 1, 1)
