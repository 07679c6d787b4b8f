"""What `verbose` prints: scikit-learn's own lines."""

from __future__ import annotations

from netts.schedules import Adaptive, Schedule
from netts.training import Callback, EarlyStopping, History, Plateau, Trainer


class Narration(Callback):
    """Print the loss and score of each epoch, and what a plateau leads to.

    Parameters
    ----------
    plateau
        The watch of the fit; None where there is none.
    schedule
    """

    def __init__(self, plateau: Plateau | None, schedule: Schedule) -> None:
        self._plateau, self._schedule = plateau, schedule

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """Print one to three lines."""
        epoch = history.epochs[-1]
        _say(f"Iteration {epoch.number}, loss = {epoch.loss:.8f}")
        if epoch.validation_score is not None:
            _say(f"Validation score: {epoch.validation_score:f}")
        plateau, rate = self._plateau, epoch.learning_rate
        if plateau is not None and rate is not None and plateau.is_reached:
            _say(f"{self._what_failed(plateau.rule)} {self._consequence(rate)}")

    def _what_failed(self, rule: EarlyStopping) -> str:
        what = (
            "Validation score did not improve more than"
            if rule.monitor == "validation_score"
            else "Training loss did not improve more than"
        )
        return f"{what} tol={rule.min_delta:f} for {rule.patience:d} consecutive epochs."

    def _consequence(self, rate: float) -> str:
        lowered = self._schedule.on_plateau(rate)
        if lowered is not None:
            return f"Setting learning rate to {lowered:f}"
        is_adaptive = isinstance(self._schedule, Adaptive)
        return "Learning rate too small. Stopping." if is_adaptive else "Stopping."


def _say(line: str) -> None:
    print(line)  # noqa: T201 - as scikit-learn does
