"""What happened in training, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

from netts.optimizers import Outcome


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
        After the epoch, without the penalty; None without validation data.
    learning_rate
        That the epoch was trained with; that of its last step, where each has its own; None for a
        minimiser, which has none.
    seconds
        It took, validation included.
    stalled_seconds
        Of these, how long the device had nothing to do but to wait for streamed data; 0 where data
        are resident.
    """

    number: int
    loss: float
    validation_loss: float | None
    validation_score: float | None
    learning_rate: float | None
    seconds: float
    stalled_seconds: float = 0.0


@dataclass(repr=False)
class History:
    """The epochs of a fit, and how it ended.

    Attributes
    ----------
    epochs : list of Epoch
    stopped_by : str
        "epochs" when all were run, "early_stopping", "callback", "interrupt" or "lost device"; for
        a minimiser also the reasons of its `Outcome`: "converged", "evaluations" or "line_search".
    best_epoch : int or None
        The number of the best epoch, by early stopping with `restore_best`: the network has its
        weights, unless training was interrupted or failed.
    outcome : Outcome or None
        How a minimiser (`LBFGS`) ended; None for optimisers that go step by step.
    """

    epochs: list[Epoch] = field(default_factory=list)
    stopped_by: str = "epochs"
    best_epoch: int | None = None
    outcome: Outcome | None = None

    def __len__(self) -> int:
        return len(self.epochs)

    def __repr__(self) -> str:
        parts = [f"{len(self)} epochs in {sum(self.seconds):.3g} s"]
        for name, values in (("loss", self.loss), ("validation loss", self.validation_loss)):
            parts += [f"{name} {values[0]:.4g} to {values[-1]:.4g}"] if values else []
        return f"<History: {', '.join(parts)}, stopped by {self.stopped_by}>"

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
