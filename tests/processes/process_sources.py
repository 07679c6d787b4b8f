"""Sources that other processes can import, with ways to fail."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from netts.errors import ImageFileError


class Numbers:
    """Each sample is its own number, twice."""

    dtype = np.dtype(np.float32)
    in_processes = True

    def __init__(self, n_samples: int = 1000, n_threads: int = 2, pause: float = 0.0) -> None:
        self.shape, self.n_threads, self.pause = (n_samples, 2), n_threads, pause

    def read(self, indices, out, *, epoch):
        time.sleep(self.pause)
        out[:, 0] = indices
        out[:, 1] = indices + epoch


class Telling(Numbers):
    """The first number is that of the process which has read it."""

    def read(self, indices, out, *, epoch):
        super().read(indices, out, epoch=epoch)
        out[:, 0] = os.getpid()


class OddError(Exception):
    """An exception that pickle writes and cannot make again."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


class Failing(Numbers):
    """Raises for one sample what was asked for, or forgets it, or ends the process."""

    def __init__(self, at: int, how: str, **options) -> None:
        super().__init__(**options)
        self.at, self.how = at, how

    def read(self, indices, out, *, epoch):
        super().read(indices, out, epoch=epoch)
        if self.at not in indices:
            return
        if self.how == "netts":
            raise ImageFileError("7.jpg is damaged: no end")
        if self.how == "python":
            raise ZeroDivisionError("no zeros")
        if self.how == "odd":
            raise OddError(1, 2)
        if self.how == "forget":
            out[list(indices).index(self.at)] = np.nan
        if self.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)


class Unsendable(Numbers):
    """Cannot be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.file = Path(__file__).open()  # noqa: SIM115 - which is why it cannot
