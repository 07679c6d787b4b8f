"""What it costs to share an operation among threads, measured."""

from __future__ import annotations

import math

import numpy as np

from netts.compiler import engine
from netts.compiler.kernel import Kernel
from netts.compiler.probes import exponential
from netts.compiler.replayed import Replayed

ELEMENTS = 1 << 17
"""exp of so many takes about 40 us, twice as long as a worker looks for work before it sleeps."""

STEPS, TRIES = 3, 4
"""A try is three steps long; of all tries the shortest counts."""

LEAST_HELP = 0.75
"""Where the operation takes longer than this part of its time on one thread, nobody helped."""


class Sharing:
    """An operation on one thread, then the same shared among all, whose workers sleep by then."""

    def __init__(self) -> None:
        x = np.ones(ELEMENTS, np.float32)
        out = np.empty_like(x)
        self._run = Replayed(Kernel(exponential).specialise((x, out)), (x, out))
        self._n_threads = engine.available_threads()
        words = np.vstack([self._run.table.words] * 2)
        words[:, 2] = 1, self._n_threads
        self._table = engine.OperationTable(words)
        self._alone = self._shared = math.inf

    def measure(self) -> None:
        """Take the times once more."""
        if self._n_threads > 1:
            for _ in range(TRIES):
                self._alone = min(self._alone, self._seconds(1))
                self._shared = min(self._shared, self._seconds(self._n_threads))

    def _seconds(self, threads: int) -> float:
        """Return how long the second operation takes."""
        times = np.zeros(4, np.int64)
        engine.replay(self._table, STEPS, np.zeros(1, np.int64), threads, times, calls_blas=False)
        return float(times[1]) * 1e-9 / STEPS

    @property
    def join_seconds(self) -> float | None:
        """What sharing costs; None with one thread, or where no other core was free meanwhile."""
        if self._n_threads == 1 or self._shared > LEAST_HELP * self._alone:
            return None
        return max(self._shared - self._alone / self._n_threads, 0.0)
