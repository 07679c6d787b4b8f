"""The pace of a fit: how many steps it takes at once, and what ends it between two of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np


class Pace(Protocol):
    """What whoever runs steps asks."""

    @property
    def word(self) -> np.ndarray | None:
        """Of shape (1,), int64: not 0 when no further step is to begin; None for never."""
        ...

    def at_most(self, steps: int) -> int:
        """Return how many steps to take before the next pause, at least 1."""
        ...

    def advance(self, steps: int) -> None:
        """Take steps into account that were run; called before the next ones."""
        ...


class Unpaced:
    """All steps at once, to the end."""

    word = None

    def at_most(self, steps: int) -> int:
        """Return all of them."""
        return steps

    def advance(self, steps: int) -> None:
        """Do nothing."""


UNPACED = Unpaced()


class FitPace:
    """Counts the steps of a training, pauses where somebody wants to look, and ends it.

    `end` may be called from any thread; the first reason holds.

    Parameters
    ----------
    steps
        That were done before, in fits that this one goes on from.
    max_steps
        After which the training ends.
    every
        Pauses are at the multiples of these numbers of steps.

    Attributes
    ----------
    steps
    reason
        Why no further step is to begin, None where there may be.
    on_pause
        Called at a pause; what it raises reaches whoever runs the steps. None where nobody looks:
        set only while steps run, as a fit that is part of a cycle would keep its memory.
    """

    def __init__(
        self,
        steps: int,
        max_steps: int | None,
        every: Sequence[int],
    ) -> None:
        self.steps, self.max_steps, self._every = steps, max_steps, every
        self.on_pause: Callable[[], None] | None = None
        self.reason: str | None = None
        self.word = np.zeros(1, np.int64)
        self.advance(0)

    def end(self, reason: str) -> None:
        """Let no further step begin."""
        if self.reason is None:
            self.reason = reason
        self.word[0] = 1

    def at_most(self, steps: int) -> int:
        """Return how many steps to take before the next pause."""
        distances = [every - self.steps % every for every in self._every]
        if self.max_steps is not None:
            distances.append(max(1, self.max_steps - self.steps))
        return min([steps, *distances])

    def advance(self, steps: int) -> None:
        """Count steps, and pause where it is time to."""
        self.steps += steps
        if self.max_steps is not None and self.steps >= self.max_steps:
            self.end("steps")
        if not (steps and self._every):
            return
        is_time = any(self.steps % every == 0 for every in self._every)
        if is_time and self.on_pause is not None:
            self.on_pause()
