"""How long a kernel takes once it is compiled: replayed many times, as a plan does."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from netts.compiler import engine
from netts.compiler.operation import fill_numbers, operation_table
from netts.compiler.specialise import Specialisation


class Replayed:
    """A kernel compiled for arguments, to be run as often as asked without Python in between.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The arguments that are arrays.
    """

    def __init__(self, chosen: Specialisation, arguments: tuple[Any, ...]) -> None:
        kernel = chosen.kernel
        self.arrays = {
            name: value
            for name, value in zip(kernel.parameters, arguments, strict=True)
            if isinstance(value, np.ndarray)
        }
        addresses = {name: array.ctypes.data for name, array in self.arrays.items()}
        self.keep = arguments, np.zeros(chosen.scratch_bytes + engine.ALIGNMENT_BYTES, np.uint8)
        scratch = self.keep[1].ctypes.data
        scratch += -scratch % engine.ALIGNMENT_BYTES
        self.blocks = [one.block(addresses, scratch) for one in chosen.operations]
        for block, one in zip(self.blocks, chosen.operations, strict=True):
            fill_numbers(block, one.program.words, chosen.numbers(arguments))
        parts = [one.parts for one in chosen.operations]
        self.table = operation_table(chosen.operations, self.blocks, parts)
        self.chosen = chosen

    def seconds(self, times: int, threads: int | None = None) -> float:
        """Run so many times; return the seconds of one."""
        start = time.perf_counter()
        stop = np.zeros(1, np.int64)
        _, failure = engine.replay(
            self.table, times, stop, threads, calls_blas=self.chosen.calls_blas
        )
        assert failure is None
        return (time.perf_counter() - start) / times

    def repetitions(self, seconds: float, threads: int | None = None) -> int:
        """Return how many runs take about so long, the way there and back from Python included."""
        times = 1
        while True:
            # The least of some: an interruption would pass for a slow kernel.
            total = times * min(self.seconds(times, threads) for _ in range(3))
            if 2 * total >= seconds:
                return max(1, int(times * seconds / total))
            times = max(2 * times, int(times * min(seconds / total, 16)))
