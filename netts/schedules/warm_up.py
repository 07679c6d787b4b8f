"""A slow start for any schedule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netts.choices import choose_or_take
from netts.hyperparameters import check_real
from netts.schedules.base import SCHEDULE_METHODS, Progress, Schedule


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Raise the rate step by step to what another schedule says: PyTorch's `LinearLR` beside it.

    P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour" (2017), section
    2.2.

    Parameters
    ----------
    epochs : float > 0
        How long it takes; may be a part of one.
    start : float in [0, 1]
        The factor of the first step's rate; it grows to 1 along a line.
    then : Schedule, optional
        What the rate is multiplied to; constant by default.
    """

    epochs: float = 1.0
    start: float = 1 / 3
    then: Schedule = Schedule()

    def __post_init__(self) -> None:
        check_real("epochs", self.epochs, "(0, inf)")
        check_real("start", self.start, "[0, 1]")
        choose_or_take("schedule", self.then, {}, SCHEDULE_METHODS)

    @property
    def needs_plateau(self) -> bool:
        """As the other schedule."""
        return self.then.needs_plateau

    @property
    def is_per_step(self) -> bool:
        """True."""
        return True

    @property
    def monitors(self) -> tuple[str, ...]:
        """As the other schedule."""
        return self.then.monitors

    def remember(self, progress: Progress) -> tuple[float, ...]:
        """Return what the other schedule remembers."""
        return self.then.remember(progress)

    def next_rate(self, progress: Progress) -> float:
        """Return what the other schedule says."""
        return self.then.next_rate(progress)

    def step_rates(self, progress: Progress) -> np.ndarray:
        """Return the rates of the epoch's steps."""
        share = np.minimum(progress.step_times() / self.epochs, 1.0)
        return (self.start + (1 - self.start) * share) * self.then.step_rates(progress)

    def on_plateau(self, rate: float) -> float | None:
        """Return what the other schedule says."""
        return self.then.on_plateau(rate)
