"""What tests ask of pools and of processes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import netts.processes.pool as pools
from netts.processes.pool import Pool


def read(pool, indices, epoch=0):
    out = np.empty((len(indices), 2), np.float32)
    pool.read(np.asarray(indices), out, epoch=epoch)
    return out


def ready(pool):
    """Return the numbers of the processes, once all are there."""
    read(pool, [0])
    end = time.monotonic() + 30
    while len(pool.numbers) < pool._n_workers and pool._failed is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return pool.numbers


def lives(number):
    """Whether a process runs; one that nobody has asked for its exit code yet does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def read_in_processes(monkeypatch):
    """Have pools start processes behind the first read and wait for them; return where they go."""
    count, started = Pool._count, []

    def count_and_wait(self, seconds):
        count(self, seconds)
        self._starter.join()
        started.extend(self.numbers)

    monkeypatch.setattr(pools, "START_SECONDS", 0.0)
    monkeypatch.setattr(Pool, "_count", count_and_wait)
    return started
