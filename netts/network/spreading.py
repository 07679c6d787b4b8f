"""Sources that are read in other processes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from netts.network.sources import Rows, SampleSource, is_for_processes, threads_of
from netts.processes.pool import Pool


@dataclass(frozen=True, eq=False)
class Spread:
    """A source as it is, but that processes read it."""

    source: SampleSource
    pool: Pool

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n_samples, *sample_shape)`."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        """That of the source."""
        return np.dtype(self.source.dtype)

    @property
    def n_threads(self) -> int:
        """That of the source; each waits for a process."""
        return threads_of(self.source)

    @property
    def in_processes(self) -> bool:
        """Return False: it is in processes already."""
        return False

    def read(self, indices: np.ndarray, out: np.ndarray, *, epoch: int) -> None:
        """Have the samples read; see `SampleSource.read`."""
        self.pool.read(indices, out, epoch=epoch)


def spread(rows: Rows) -> Rows:
    """Return rows that are read in other processes, where their source allows it."""
    if not is_for_processes(rows.source):
        return rows
    return replace(rows, source=Spread(rows.source, Pool(rows.source, rows.n_threads)))


def end_processes(rows: Rows) -> None:
    """End the processes that read rows, if any; nothing reads them meanwhile."""
    if isinstance(rows.source, Spread):
        rows.source.pool.close()
