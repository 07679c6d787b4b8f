"""Locks that a forked child finds free: the threads that may have held them are not in it."""

from __future__ import annotations

import os
import threading
import weakref


class ForkableLock:
    """A lock for `with` blocks; not reentrant.

    What it guards is in a child as it was at the fork, in the midst of another thread's work
    maybe: guard what the next one to come begins anew.
    """

    def __init__(self) -> None:
        self._renew()
        _locks.add(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        lock = self._lock
        lock.acquire()
        self._held = lock  # what is to be released, should a fork happen in the block

    def __exit__(self, *_error: object) -> None:
        self._held.release()


_locks: weakref.WeakSet[ForkableLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in _locks:
        lock._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
