"""Schedules that lower the rate from epoch to epoch by a formula."""

from __future__ import annotations

from dataclasses import dataclass

from netts.hyperparameters import check_real, check_whole
from netts.schedules.base import Progress, Schedule


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
class StepDecay(Schedule):
    """Multiply the rate by `factor` after every `epochs` epochs: PyTorch's `StepLR`."""

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
    """Multiply the rate by `factor` after every epoch: PyTorch's `ExponentialLR`."""

    factor: float = 0.95

    def __post_init__(self) -> None:
        check_real("factor", self.factor, "(0, 1]")

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the next epoch."""
        return progress.rate * self.factor
