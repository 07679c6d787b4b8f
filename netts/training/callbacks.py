"""Callbacks: code of one's own that runs between epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netts.errors import ParameterError
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


def check_callbacks(callbacks: Any) -> None:
    """Raise unless this is a list or tuple of callbacks."""
    if not isinstance(callbacks, Sequence):
        raise ParameterError(f"callbacks is a list, got {callbacks!r}: write [{callbacks!r}]")
    for callback in callbacks:
        events = ("on_fit_begin", "on_epoch_end", "on_fit_end")
        if isinstance(callback, type) or not all(hasattr(callback, event) for event in events):
            raise ParameterError(
                "a callback is an object whose class is derived from netts.training.Callback, got "
                f"{callback!r}"
            )
