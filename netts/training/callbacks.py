"""Callbacks: code of one's own that runs between epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.training.history import History

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


class Callback:
    """Does nothing; a subclass overrides what it needs.

    `trainer.stop()` ends training after the epoch. An exception ends it at once and reaches the
    caller of `fit`.
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Run before the first epoch."""

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """Run after an epoch, which is `history.epochs[-1]`."""

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        """Run when training is over, whatever ended it."""
