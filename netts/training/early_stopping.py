"""Early stopping: end training when it stops getting better."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

from netts.choices import choose
from netts.errors import ParameterError
from netts.hyperparameters import check_real, check_whole
from netts.schedules import MONITORS
from netts.training.history import Epoch


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when more than `patience` epochs in a row brought no progress.

    An epoch brings progress when it is better than the best one before by at least `min_delta`:
    scikit-learn's rule, with its `n_iter_no_change` and `tol`.

    Parameters
    ----------
    monitor : {"validation_loss", "validation_score", "loss"}
    patience : int or inf
        In epochs.
    min_delta : float
    restore_best : bool
        Whether to go back to the weights of the best epoch in the end.
    validation_set : str, optional
        Which of several sets of validation data to watch, by its name; the first by default.
    """

    monitor: str = "validation_loss"
    patience: int | float = 10
    min_delta: float = 1e-4
    restore_best: bool = True
    validation_set: str | None = None

    def __post_init__(self) -> None:
        choose("monitor", self.monitor, MONITORS)
        if self.patience != math.inf:
            check_whole("patience", self.patience, 0)
        check_real("min_delta", self.min_delta, "[0, inf)")
        if self.validation_set is not None and self.monitor == "loss":
            raise ParameterError(
                f"the loss of training knows no validation_set, got {self.validation_set!r}: watch "
                "'validation_loss' or 'validation_score'"
            )

    def start(self) -> Plateau:
        """Return a watch that has seen no epoch."""
        return Plateau(self)


class Plateau:
    """Watches the epochs of a fit, or of several that follow one another.

    Attributes
    ----------
    best
        The best value so far, its sign such that more is better.
    waited
        How many epochs in a row brought no progress.
    is_reached
        Whether patience had run out at the last epoch seen.
    """

    def __init__(self, rule: EarlyStopping) -> None:
        self.rule = rule
        self.best = -math.inf
        self.waited = 0
        self.is_reached = False

    def least_epochs(self) -> int:
        """Return how many more epochs there are before patience can have run out, at least 1."""
        left = self.rule.patience - self.waited
        return sys.maxsize if math.isinf(left) else max(int(left) + 1, 1)

    def see(self, epoch: Epoch) -> bool:
        """Take an epoch into account and return whether it is the best so far."""
        monitor = self.rule.monitor
        value = MONITORS[monitor] * epoch.measure(monitor, self.rule.validation_set)
        # NaN, as the loss of a validation set may be, is no progress.
        self.waited = 0 if value >= self.best + self.rule.min_delta else self.waited + 1
        self.is_reached = self.waited > self.rule.patience
        is_best = value > self.best
        self.best = max(self.best, value)
        return is_best
