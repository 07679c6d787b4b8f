"""Schedules: how the learning rate changes from epoch to epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from netts.choices import choose_or_take
from netts.hyperparameters import check_real, check_whole


@dataclass(frozen=True)
class Progress:
    """How far training has come, when an epoch ends.

    Attributes
    ----------
    initial_rate, rate
        The learning rate of the first epoch, and of the one that ended.
    epochs
        How many have ended.
    samples
        How many samples have been trained on, counted again in each epoch.
    """

    initial_rate: float
    rate: float
    epochs: int
    samples: int


@dataclass(frozen=True)
class Schedule:
    """Constant, and the base of the others, which hold no state: the trainer keeps the rate."""

    needs_plateau: ClassVar[bool] = False
    """Whether the schedule makes no sense without early stopping to tell it of plateaus."""

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the next epoch."""
        return progress.rate

    def on_plateau(self, rate: float) -> float | None:
        """Return what to go on with when early stopping sees no progress, None to stop."""
        return None


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """initial_rate / (samples + 1)^power, scikit-learn's `invscaling`."""

    power: float = 0.5

    def __post_init__(self) -> None:
        check_real("power", self.power, "[0, inf)")

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the next epoch."""
        return progress.initial_rate / (progress.samples + 1) ** self.power


@dataclass(frozen=True)
class Adaptive(Schedule):
    """Divide the rate when early stopping would stop, until it is small: scikit-learn's `adaptive`.

    Training stops at a plateau with a rate of at most `smallest`. `EarlyStopping` says
    what a plateau is.
    """

    needs_plateau: ClassVar[bool] = True

    divisor: float = 5.0
    smallest: float = 1e-6

    def __post_init__(self) -> None:
        check_real("divisor", self.divisor, "(1, inf)")
        check_real("smallest", self.smallest, "[0, inf)")

    def on_plateau(self, rate: float) -> float | None:
        """Return a smaller rate, or None where it is small enough to stop."""
        return None if rate <= self.smallest else rate / self.divisor


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiply the rate by `factor` after every `epochs` epochs."""

    epochs: int = 10
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_whole("epochs", self.epochs, 1)
        check_real("factor", self.factor, "(0, 1]")

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the next epoch."""
        return progress.rate * (1 if progress.epochs % self.epochs else self.factor)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Multiply the rate by `factor` after every epoch."""

    factor: float = 0.95

    def __post_init__(self) -> None:
        check_real("factor", self.factor, "(0, 1]")

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the next epoch."""
        return progress.rate * self.factor


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from the initial rate to 0 over `epochs`: Loshchilov and Hutter, ICLR 2017."""

    epochs: int

    def __post_init__(self) -> None:
        check_whole("epochs", self.epochs, 1)

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the next epoch."""
        share = min(progress.epochs / self.epochs, 1.0)
        return progress.initial_rate * 0.5 * (1 + math.cos(math.pi * share))


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(),
    "inverse_scaling": InverseScaling(),
    "adaptive": Adaptive(),
    "step": StepDecay(),
    "exponential": Exponential(),
}


def schedule_from(schedule: str | Schedule) -> Schedule:
    """Return a schedule with its defaults by name, or the one that is passed.

    Raises
    ------
    ParameterError
        Where no schedule has that name, or it is no schedule.
    """
    needs = ("needs_plateau", "next_rate", "on_plateau")
    return choose_or_take("schedule", schedule, SCHEDULES, needs)
