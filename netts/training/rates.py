"""The learning rate in memory: one number for an epoch, or one for each of its steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler import accelerate, parallel
from netts.devices.memory import BufferView
from netts.graph import TaskGraph
from netts.training.batches import Controls


@accelerate
def take_rate(rates, position, rate):
    """Give the rate of a step, and move on to the next."""
    for i in parallel(rate.shape[0]):
        rate[i] = rates[position[i]]
        position[i] += 1


@accelerate
def to_first_rate(position):
    """Go back to the first step."""
    for i in parallel(position.shape[0]):
        position[i] = 0


class Rates:
    """The learning rate that optimisers read, from what the host writes once an epoch.

    Where the rate holds for an epoch, `current` is what the host writes. Where it changes at every
    step, the host writes all rates of an epoch, and each step takes its own, without the host.

    Parameters
    ----------
    controls
        Not allocated yet; what is written and counted is reserved there.
    graph
        For a transient.
    n_steps
        In an epoch.
    dtype
    is_per_step

    Attributes
    ----------
    current : BufferView
        The rate of a step, of shape (1,).
    """

    def __init__(
        self,
        controls: Controls,
        graph: TaskGraph,
        n_steps: int,
        dtype: DTypeLike,
        *,
        is_per_step: bool,
    ) -> None:
        self.is_per_step = is_per_step
        self._written = controls.inputs.reserve((n_steps if is_per_step else 1,), dtype)
        if is_per_step:
            self._position = controls.position.reserve((1,), np.int64)
            self.current: BufferView = graph.transient((1,), dtype, "learning rate")
        else:
            self.current = self._written

    def write(self, rates: float | np.ndarray) -> None:
        """Set the rate of the epoch that begins, or those of its steps."""
        self._written.array[...] = rates

    def of(self, step: int) -> float:
        """Return the rate of a step of the epoch that runs, counted from 1."""
        return float(self._written.read()[step - 1 if self.is_per_step else 0])

    def go_to(self, step: int) -> None:
        """Go to the rate of a step, counted from 0, from anywhere in an epoch."""
        if self.is_per_step:
            self._position.array[...] = step

    def record(self, *, is_last: bool) -> None:
        """Record what gives a step its rate, before anything reads it."""
        if self.is_per_step:
            take_rate(self._written, self._position, self.current)
            if is_last:
                to_first_rate(self._position)
