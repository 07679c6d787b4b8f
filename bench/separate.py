"""A process for each library: threads of one that spin, or memory of one, do not slow another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from unittest.mock import patch

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@contextlib.contextmanager
def processes(
    libraries: Iterable[str], *, one_thread: bool = False
) -> Iterator[dict[str, ProcessPoolExecutor]]:
    """Give each library a started process, with one thread each if asked for."""
    context = multiprocessing.get_context("spawn")
    pools = {one: ProcessPoolExecutor(1, context) for one in libraries}
    with patch.dict(os.environ, dict.fromkeys(THREADS, "1") if one_thread else {}):
        for one in pools.values():
            one.submit(int).result()  # started, with these variables
    try:
        yield pools
    finally:
        for one in pools.values():
            one.shutdown()
