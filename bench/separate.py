"""A process for each library: threads of one that spin, or memory of one, do not slow another."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any
from unittest.mock import patch

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def started(cores: int | None) -> ProcessPoolExecutor:
    """Return a process that may use so many cores, all if None; it has imported no library yet.

    Those that do not read the variables, JAX for one, count the cores they may be scheduled on.
    """
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    variables = {} if cores is None else dict.fromkeys(THREADS, str(cores))
    with patch.dict(os.environ, variables):
        pool.submit(keep_to, cores).result()  # started, with these variables
    return pool


def keep_to(cores: int | None) -> None:
    """Keep this process to the first of its cores."""
    if cores is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, which ends with it."""
    with started(None) as pool:
        return pool.submit(function, *arguments).result()


class Workers:
    """Processes by library and number of cores, each started when it is first asked.

    Functions are given to a process by their names, so they stand in modules that can be imported.

    Parameters
    ----------
    shared : bool
        Take one process for all libraries: where times mean nothing, starting them takes longest.
    """

    def __init__(self, shared: bool = False) -> None:
        self._shared = shared
        self._pools: dict[tuple[str, int | None], ProcessPoolExecutor] = {}

    def run(
        self,
        library: str,
        function: Callable[..., Any],
        *arguments: Any,
        cores: int | None = None,
    ) -> Any:
        """Call a function in the process of a library and return what it returns."""
        key = "" if self._shared else library, cores
        if key not in self._pools:
            self._pools[key] = started(cores)
        return self._pools[key].submit(function, *arguments).result()

    def close(self) -> None:
        """End all processes."""
        for pool in self._pools.values():
            pool.shutdown()
        self._pools.clear()
