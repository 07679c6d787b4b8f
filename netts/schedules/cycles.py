"""Schedules of cosines: down once, down again and again, and up and down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netts.choices import choose
from netts.hyperparameters import check_real, check_whole
from netts.schedules.base import Progress, Schedule


def cosine(start: float, end: float, share: np.ndarray | float) -> np.ndarray:
    """Return half a cosine from `start`, where the share is 0, to `end`, where it is 1."""
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * np.asarray(share)))


def line(start: float, end: float, share: np.ndarray | float) -> np.ndarray:
    """Return a straight line from `start`, where the share is 0, to `end`, where it is 1."""
    return start + (end - start) * np.asarray(share)


ANNEALINGS = {"cosine": cosine, "linear": line}
"""How a rate goes from one value to another."""


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine down from the initial rate: Loshchilov and Hutter, ICLR 2017, equation 5.

    Parameters
    ----------
    epochs : int, optional
        How long it takes; all that the fit is to run, by default. The rate stays low behind.
    smallest : float >= 0
        The rate at its end.
    each_step : bool
        Whether the rate changes at every step, not at every epoch.
    """

    epochs: int | None = None
    smallest: float = 0.0
    each_step: bool = False

    def __post_init__(self) -> None:
        if self.epochs is not None:
            check_whole("epochs", self.epochs, 1)
        check_real("smallest", self.smallest, "[0, inf)")

    @property
    def is_per_step(self) -> bool:
        """As set."""
        return self.each_step

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the next epoch."""
        return float(self._at(progress, np.array(float(progress.epochs))))

    def step_rates(self, progress: Progress) -> np.ndarray:
        """Return the rates of the epoch's steps."""
        return self._at(progress, progress.step_times())

    def _at(self, progress: Progress, times: np.ndarray) -> np.ndarray:
        share = np.minimum(times / (self.epochs or progress.planned_epochs), 1.0)
        return cosine(progress.initial_rate, self.smallest, share)


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Half a cosine down, then the initial rate again, and so on: SGDR.

    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    equation 5; PyTorch's `CosineAnnealingWarmRestarts`.

    Parameters
    ----------
    epochs : int
        From the start to the first restart.
    epochs_factor : int
        How much longer each period is than the one before.
    smallest : float >= 0
        The rate towards which each period goes.
    each_step : bool
        Whether the rate changes at every step, as in the paper, not at every epoch.
    """

    epochs: int = 10
    epochs_factor: int = 1
    smallest: float = 0.0
    each_step: bool = False

    def __post_init__(self) -> None:
        check_whole("epochs", self.epochs, 1)
        check_whole("epochs_factor", self.epochs_factor, 1)
        check_real("smallest", self.smallest, "[0, inf)")

    @property
    def is_per_step(self) -> bool:
        """As set."""
        return self.each_step

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the next epoch."""
        start, length = self._period(progress.epochs)
        share = (progress.epochs - start) / length
        return float(cosine(progress.initial_rate, self.smallest, share))

    def step_rates(self, progress: Progress) -> np.ndarray:
        """Return the rates of the epoch's steps."""
        start, length = self._period(progress.epochs)
        share = (progress.step_times() - start) / length
        return cosine(progress.initial_rate, self.smallest, share)

    def _period(self, epochs: int) -> tuple[int, int]:
        """Return in which epoch the period began that epoch `epochs` belongs to, and its length."""
        if self.epochs_factor == 1:
            return epochs - epochs % self.epochs, self.epochs
        start, length = 0, self.epochs
        while start + length <= epochs:
            start, length = start + length, length * self.epochs_factor
        return start, length


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to the largest rate and down to almost nothing, step by step: PyTorch's `OneCycleLR`.

    L. N. Smith, N. Topin, "Super-convergence: very fast training of neural networks using large
    learning rates" (2017). The momentum stays what it is (`cycle_momentum=False` there).

    Parameters
    ----------
    epochs : int, optional
        Of the cycle; all that the fit is to run, by default. The rate stays low behind.
    max_rate : float > 0, optional
        The rate at the top; that of the optimiser by default.
    warm_up : float in (0, 1)
        The share of the steps that go up.
    start_divisor, end_divisor : float >= 1
        The first rate is max_rate / start_divisor, the last one the first one / end_divisor.
    anneal : {"cosine", "linear"}
    """

    epochs: int | None = None
    max_rate: float | None = None
    warm_up: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4
    anneal: str = "cosine"

    def __post_init__(self) -> None:
        if self.epochs is not None:
            check_whole("epochs", self.epochs, 1)
        if self.max_rate is not None:
            check_real("max_rate", self.max_rate, "(0, inf)")
        check_real("warm_up", self.warm_up, "(0, 1)")
        check_real("start_divisor", self.start_divisor, "[1, inf)")
        check_real("end_divisor", self.end_divisor, "[1, inf)")
        choose("anneal", self.anneal, ANNEALINGS)

    @property
    def is_per_step(self) -> bool:
        """True."""
        return True

    def step_rates(self, progress: Progress) -> np.ndarray:
        """Return the rates of the epoch's steps."""
        between, per_epoch = ANNEALINGS[self.anneal], progress.steps_per_epoch
        last = (self.epochs or progress.planned_epochs) * per_epoch - 1
        top = self.warm_up * (last + 1) - 1
        steps = np.minimum(progress.epochs * per_epoch + np.arange(per_epoch), last)
        highest = progress.initial_rate if self.max_rate is None else self.max_rate
        first = highest / self.start_divisor
        up = between(first, highest, steps / top if top > 0 else 1.0)
        down = between(highest, first / self.end_divisor, (steps - top) / (last - top))
        return np.where(steps <= top, up, down)
