"""What happened in training, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from netts.optimizers import Outcome
from netts.schedules import MONITORS


@dataclass(frozen=True)
class Measures:
    """What an epoch came to on one set of validation data: mean loss without penalty, and score."""

    loss: float
    score: float


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes
    ----------
    number
        Counted from 1.
    loss
        The weighted mean over the epoch's batches, each before its update, penalty included.
    validation_loss, validation_score
        After the epoch, without the penalty; None without validation data; of several sets, those
        of the first.
    learning_rate
        That the epoch was trained with; that of its last step, where each has its own; None for a
        minimiser, which has none.
    seconds
        It took, validation included.
    stalled_seconds
        Of these, how long the device had nothing to do but to wait for streamed data; 0 where data
        are resident.
    samples
        It trained on; 0 in older files.
    validations
        Loss and score of each set of validation data that has a name.
    """

    number: int
    loss: float
    validation_loss: float | None
    validation_score: float | None
    learning_rate: float | None
    seconds: float
    stalled_seconds: float = 0.0
    samples: int = 0
    validations: dict[str, Measures] = field(default_factory=dict)

    def measure(self, monitor: str, validation_set: str | None = None) -> float:
        """Return a loss or score that is watched.

        Parameters
        ----------
        monitor : {"validation_loss", "validation_score", "loss"}
        validation_set
            The name of one of several; None for the first.
        """
        if validation_set is None:
            return float(getattr(self, monitor))
        measures = self.validations[validation_set]
        return measures.loss if monitor == "validation_loss" else measures.score

    @property
    def samples_per_second(self) -> float:
        """How many samples were trained on in a second, validation included."""
        return self.samples / self.seconds if self.seconds else 0.0


@dataclass(repr=False)
class History:
    """The epochs of a fit, and how it ended.

    Attributes
    ----------
    epochs : list of Epoch
    stopped_by : str
        "epochs" when all were run; "steps", "seconds" and "target" for the limits of the trainer;
        "early_stopping"; "callback" for `trainer.stop()`, whoever called it; "interrupt" or "lost
        device"; for a minimiser also the reasons of its `Outcome`: "converged", "evaluations" or
        "line_search".
    best_epoch : int or None
        The number of the best epoch, by early stopping with `restore_best`: the network has its
        weights, unless training was interrupted or failed.
    outcome : Outcome or None
        How a minimiser (`LBFGS`) ended; None for optimisers that go step by step.
    steps : int
        How many steps were done, those of an epoch that was not ended included; 0 for a minimiser,
        and in older files.
    """

    epochs: list[Epoch] = field(default_factory=list)
    stopped_by: str = "epochs"
    best_epoch: int | None = None
    outcome: Outcome | None = None
    steps: int = 0

    def __len__(self) -> int:
        return len(self.epochs)

    def __repr__(self) -> str:
        parts = [f"{len(self)} epochs in {sum(self.seconds):.3g} s"]
        for name, values in (("loss", self.loss), ("validation loss", self.validation_loss)):
            parts += [f"{name} {values[0]:.4g} to {values[-1]:.4g}"] if values else []
        return f"<History: {', '.join(parts)}, stopped by {self.stopped_by}>"

    def validation_set(self, name: str) -> list[Measures]:
        """Return loss and score of each epoch on the validation data of a name."""
        return [epoch.validations[name] for epoch in self.epochs]

    @property
    def loss(self) -> list[float]:
        """The loss of each epoch."""
        return [epoch.loss for epoch in self.epochs]

    @property
    def validation_loss(self) -> list[float]:
        """The validation loss of each epoch; empty without validation data."""
        values = [epoch.validation_loss for epoch in self.epochs]
        return [value for value in values if value is not None]

    @property
    def validation_score(self) -> list[float]:
        """The validation score of each epoch; empty without validation data."""
        values = [epoch.validation_score for epoch in self.epochs]
        return [value for value in values if value is not None]

    @property
    def learning_rate(self) -> list[float]:
        """The learning rate of each epoch; empty where there is none."""
        values = [epoch.learning_rate for epoch in self.epochs]
        return [value for value in values if value is not None]

    @property
    def seconds(self) -> list[float]:
        """How long each epoch took."""
        return [epoch.seconds for epoch in self.epochs]

    @property
    def stalled_share(self) -> float:
        """The part of the time of all epochs in which the device waited for streamed data."""
        seconds = sum(self.seconds)
        return sum(epoch.stalled_seconds for epoch in self.epochs) / seconds if seconds else 0.0


class BestEpoch:
    """Tells which epochs are better than all before them, by a loss or score.

    Parameters
    ----------
    monitor, validation_set
        As `Epoch.measure` takes them.
    epochs
        That were before.
    """

    def __init__(
        self, monitor: str, validation_set: str | None = None, epochs: Iterable[Epoch] = ()
    ) -> None:
        self._monitor, self._validation_set = monitor, validation_set
        self._best = -math.inf
        for epoch in epochs:
            self.see(epoch)

    def see(self, epoch: Epoch) -> bool:
        """Return whether an epoch is better than all that were seen; one without a number is not.

        A score is better the higher, a loss the lower.
        """
        value = MONITORS[self._monitor] * epoch.measure(self._monitor, self._validation_set)
        is_better = value > self._best
        if is_better:
            self._best = value
        return is_better
