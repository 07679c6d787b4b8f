"""Schedules that look at how well training goes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netts.choices import choose
from netts.hyperparameters import check_real, check_whole
from netts.schedules.base import MONITORS, Progress, Schedule

THRESHOLDS = {"relative": True, "absolute": False}
"""Whether progress is measured in units of the best value so far."""


@dataclass(frozen=True)
class Adaptive(Schedule):
    """Divide the rate when early stopping would stop, until it is small: scikit-learn's `adaptive`.

    Training stops at a plateau with a rate of at most `smallest`. `EarlyStopping` says
    what a plateau is.
    """

    divisor: float = 5.0
    smallest: float = 1e-6

    def __post_init__(self) -> None:
        check_real("divisor", self.divisor, "(1, inf)")
        check_real("smallest", self.smallest, "[0, inf)")

    @property
    def needs_plateau(self) -> bool:
        """True."""
        return True

    def on_plateau(self, rate: float) -> float | None:
        """Return a smaller rate, or None where it is small enough to stop."""
        return None if rate <= self.smallest else rate / self.divisor


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Multiply the rate when nothing has become better for a while: PyTorch's `ReduceLROnPlateau`.

    It needs no early stopping, and ends no training.

    Parameters
    ----------
    monitor : {"validation_loss", "validation_score", "loss"}
    factor : float in (0, 1)
    patience : int
        How many epochs in a row may bring no progress before the rate is lowered.
    threshold : float >= 0
        An epoch is progress if it is better than the best before by more than this.
    threshold_mode : {"relative", "absolute"}
        Whether `threshold` is a share of the best value.
    cooldown : int
        How many epochs are not counted behind each lowering.
    smallest : float >= 0
        No rate is lower.
    """

    monitor: str = "validation_loss"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "relative"
    cooldown: int = 0
    smallest: float = 0.0

    def __post_init__(self) -> None:
        choose("monitor", self.monitor, MONITORS)
        check_real("factor", self.factor, "(0, 1)")
        check_whole("patience", self.patience, 0)
        check_real("threshold", self.threshold, "[0, inf)")
        choose("threshold_mode", self.threshold_mode, THRESHOLDS)
        check_whole("cooldown", self.cooldown, 0)
        check_real("smallest", self.smallest, "[0, inf)")

    @property
    def monitors(self) -> tuple[str, ...]:
        """What it watches."""
        return (self.monitor,)

    def remember(self, progress: Progress) -> tuple[float, float, float]:
        """Return the best value, the epochs without progress, and those left to cool down."""
        best, waited, cooling = progress.memory or (-math.inf, 0, 0)
        if waited > self.patience:  # the rate was lowered at the last epoch
            waited, cooling = 0, self.cooldown
        value = MONITORS[self.monitor] * getattr(progress, self.monitor)
        if value > best + self._margin(best):
            best, waited = value, 0
        else:
            waited += 1
        if cooling:
            waited, cooling = 0, cooling - 1
        return best, waited, cooling

    def _margin(self, best: float) -> float:
        if math.isinf(best):
            return 0.0
        # Not the size of the best: for a negative loss PyTorch's rule asks for less, and so do we.
        sign = MONITORS[self.monitor]
        return self.threshold * (sign * best if THRESHOLDS[self.threshold_mode] else 1.0)

    def next_rate(self, progress: Progress) -> float:
        """Return a lower rate where patience has run out."""
        waited = progress.memory[1]
        if waited <= self.patience:
            return progress.rate
        return min(progress.rate, max(progress.rate * self.factor, self.smallest))
