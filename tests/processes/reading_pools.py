"""What tests ask of pools and of processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netts.processes.pool import Pool


def read(pool, indices, epoch=0):
    out = np.empty((len(indices), 2), np.float32)
    pool.read(np.asarray(indices), out, epoch=epoch)
    return out


def ready(pool):
    """Return the numbers of the processes, once all are there."""
    pool.start()
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
    started = []

    def begin_at_once(self, seconds):
        self.start()
        started.extend(self.numbers)

    monkeypatch.setattr(Pool, "_count", begin_at_once)
    return started
