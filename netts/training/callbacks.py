"""Callbacks: code of one's own that runs while a network is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netts.errors import ParameterError
from netts.hyperparameters import check_whole
from netts.training.history import History

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


@dataclass(frozen=True)
class BatchProgress:
    """How far a training has come within an epoch.

    Attributes
    ----------
    epoch
        The number of the epoch, counted from 1.
    step, steps_per_epoch
        How many steps of it are done, of how many.
    steps
        How many steps the training has done in all.
    loss
        The weighted mean over the samples of the epoch so far, penalty included.
    learning_rate
        Of the step that was done last.
    seconds
        That the epoch has taken so far.
    samples
        That the epoch has trained on so far.
    """

    epoch: int
    step: int
    steps_per_epoch: int
    steps: int
    loss: float
    learning_rate: float
    seconds: float
    samples: int

    @property
    def samples_per_second(self) -> float:
        """How many samples the epoch trained on in a second."""
        return self.samples / self.seconds if self.seconds else 0.0


class Callback:
    """Does nothing; a subclass overrides what it needs.

    `trainer.stop()` ends training before the next step. An exception ends it at once and reaches
    the caller of `fit`.

    Attributes
    ----------
    every_steps : int or None
        How often `on_batch_end` is called. Steps between two calls run without Python; each call
        brings four numbers down from a device. None, the default, for never.
    """

    every_steps: int | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Run before the first epoch."""

    def on_epoch_begin(self, trainer: Trainer, history: History) -> None:
        """Run before an epoch; before the first iteration and behind each, with a minimiser."""

    def on_batch_end(self, trainer: Trainer, progress: BatchProgress) -> None:
        """Run behind each `every_steps`-th step, counted from the start of the training."""

    def on_validation_end(self, trainer: Trainer, history: History) -> None:
        """Run after validation data were measured: `history.epochs[-1]` has the results."""

    def on_best(self, trainer: Trainer, history: History) -> None:
        """Run after an epoch that is the best so far, by `trainer.monitor`."""

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """Run after an epoch, which is `history.epochs[-1]`."""

    def on_checkpoint(self, trainer: Trainer, path: Path) -> None:
        """Run after a checkpoint was written."""

    def on_stop(self, trainer: Trainer, history: History) -> None:
        """Run when no further step will be, before the weights of the best epoch are restored.

        Not where an error or Ctrl-C ended training.
        """

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        """Run when training is over, whatever ended it."""


REQUIRED = ("on_fit_begin", "on_epoch_end", "on_fit_end")
"""Events that every callback hears of, whether or not its class is derived from `Callback`."""


def check_callbacks(callbacks: Any) -> None:
    """Raise unless this is a list or tuple of callbacks."""
    if not isinstance(callbacks, Sequence):
        raise ParameterError(f"callbacks is a list, got {callbacks!r}: write [{callbacks!r}]")
    for callback in callbacks:
        if isinstance(callback, type) or not all(hasattr(callback, event) for event in REQUIRED):
            raise ParameterError(
                "a callback is an object whose class is derived from netts.training.Callback, got "
                f"{callback!r}"
            )
        every = getattr(callback, "every_steps", None)
        if every is not None:
            check_whole("every_steps of a callback", every, 1)
