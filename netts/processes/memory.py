"""Memory that two processes share, without a name: nothing of it is left when both are gone."""

from __future__ import annotations

import math
import mmap
import os
from typing import NamedTuple

import numpy as np


class Request(NamedTuple):
    """Samples to write to the shared memory; their numbers lie behind them."""

    n_samples: int
    shape: tuple[int, ...]
    dtype: str
    epoch: int


class SharedMemory:
    """Memory as large as was needed so far.

    Parameters
    ----------
    number
        Of an open file; both processes have one of the same file.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._map: mmap.mmap | None = None

    def arrays(self, request: Request) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples and their numbers, both as they were left."""
        dtype = np.dtype(request.dtype)
        n_bytes = math.prod(request.shape) * dtype.itemsize
        behind = -(-n_bytes // 8) * 8
        memory = self._of(behind + 8 * request.n_samples)
        samples = np.ndarray(request.shape, dtype, memory)
        return samples, np.ndarray(request.n_samples, np.int64, memory, behind)

    def put(self, content: bytes) -> None:
        """Write some bytes to the beginning."""
        self._of(len(content))[: len(content)] = content

    def taken(self, n_bytes: int) -> bytes:
        """Return the bytes that the other process has put there."""
        return self._of(n_bytes)[:n_bytes]

    def _of(self, n_bytes: int) -> mmap.mmap:
        n_bytes = max(n_bytes, 1)
        if self._map is None or len(self._map) < n_bytes:
            if os.fstat(self._number).st_size < n_bytes:
                os.ftruncate(self._number, n_bytes)
            self._map = mmap.mmap(self._number, n_bytes)
        return self._map

    def close(self) -> None:
        """Give this process's part back."""
        self._map = None
        os.close(self._number)
