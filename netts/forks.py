"""Locks that a forked child finds free: the threads that may have held them are not in it."""

from __future__ import annotations

import os
import threading
import weakref


class ForkableLock:
    """A lock to use as `with lock.current:`; not reentrant.

    What it guards is in a child as it was at the fork, in the midst of another thread's work
    maybe: guard what the next one to come begins anew.

    Attributes
    ----------
    current : threading.Lock
        That of this process. A block that was entered before a fork leaves the one it entered.
    """

    def __init__(self) -> None:
        self.renew()
        _locks.add(self)

    def renew(self) -> None:
        """Take another lock, which nobody holds."""
        self.current = threading.Lock()


_locks: weakref.WeakSet[ForkableLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in _locks:
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
