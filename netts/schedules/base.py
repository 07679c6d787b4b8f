"""What a schedule is: how the learning rate changes, from epoch to epoch or from step to step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MONITORS = {"validation_loss": -1.0, "validation_score": 1.0, "loss": -1.0}
"""What can be watched in training, and the sign that makes more of it better."""


@dataclass(frozen=True)
class Progress:
    """How far training has come, when an epoch ends or is to begin.

    Attributes
    ----------
    initial_rate, rate
        The learning rate of the first epoch, and of the one that ended or begins.
    epochs
        How many have ended.
    samples
        How many samples have been trained on, counted again in each epoch.
    steps_per_epoch
    planned_epochs
        How many epochs there are to be in all.
    loss, validation_loss, validation_score
        Of the epoch that ended; None without validation data, and before the first epoch.
    memory
        What `Schedule.remember` gave.
    """

    initial_rate: float
    rate: float
    epochs: int
    samples: int
    steps_per_epoch: int = 1
    planned_epochs: int = 1
    loss: float | None = None
    validation_loss: float | None = None
    validation_score: float | None = None
    memory: tuple[float, ...] = ()

    def step_times(self) -> np.ndarray:
        """Return when each step of the epoch that begins is due, in epochs since the first."""
        return self.epochs + np.arange(self.steps_per_epoch) / self.steps_per_epoch


@dataclass(frozen=True)
class Schedule:
    """Constant, and the base of the others, which hold no state: the trainer keeps it for them."""

    @property
    def needs_plateau(self) -> bool:
        """Whether the schedule makes no sense without early stopping to tell it of plateaus."""
        return False

    @property
    def is_per_step(self) -> bool:
        """Whether `step_rates` gives the rates, so that they change within an epoch."""
        return False

    @property
    def monitors(self) -> tuple[str, ...]:
        """What of `MONITORS` the schedule reads of an epoch."""
        return ()

    def remember(self, progress: Progress) -> tuple[float, ...]:
        """Return what to know when the next epoch ends, of what it knew and the one that ended."""
        return ()

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the next epoch; called behind `remember`."""
        return progress.rate

    def step_rates(self, progress: Progress) -> np.ndarray:
        """Return the rates of the steps of the epoch that begins, of shape (steps_per_epoch,)."""
        return np.full(progress.steps_per_epoch, progress.rate)

    def on_plateau(self, rate: float) -> float | None:
        """Return what to go on with when early stopping sees no progress, None to stop."""
        return None


SCHEDULE_METHODS = (
    "needs_plateau", "is_per_step", "monitors", "remember", "next_rate", "step_rates", "on_plateau",
)  # fmt: skip
"""What makes an object a schedule, whether or not it inherits from `Schedule`."""
