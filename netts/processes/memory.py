"""Memory that two processes share, without a name: nothing of it is left when both are gone."""

from __future__ import annotations

import math
import mmap
import os

import numpy as np


class SharedMemory:
    """An array that both processes see, of any shape that they agree on.

    Parameters
    ----------
    number
        Of an open file; both have one of the same file.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._map: mmap.mmap | None = None

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return the array; what it holds is what either has written, or anything."""
        n_bytes = max(1, math.prod(shape) * dtype.itemsize)
        if self._map is None or len(self._map) < n_bytes:
            if os.fstat(self._number).st_size < n_bytes:
                os.ftruncate(self._number, n_bytes)
            self._map = mmap.mmap(self._number, n_bytes)
        return np.ndarray(shape, dtype, self._map)

    def close(self) -> None:
        """Give this process's part back."""
        self._map = None
        os.close(self._number)
