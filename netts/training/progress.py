"""A progress bar in the terminal, drawn by rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from netts.training.callbacks import Callback
from netts.training.history import Epoch, History

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


class ProgressBar(Callback):
    """Show epochs, losses and remaining time while training runs; quiet where there is no terminal.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to draw; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._progress: Progress | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Show an empty bar."""
        console = self._console or Console(stderr=True)
        if not console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("", total=trainer.epochs)
        self._progress.start()

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """Move the bar."""
        if self._progress is not None:
            text = describe_epoch(history.epochs[-1])
            self._progress.update(self._task, advance=1, description=text)

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        """Leave the bar as it is."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def describe_epoch(epoch: Epoch) -> str:
    """Return losses and score of an epoch in a few words, and whether data came too late."""
    parts = [f"loss {epoch.loss:.4f}"]
    if epoch.validation_loss is not None:
        parts.append(f"validation {epoch.validation_loss:.4f}")
    if epoch.validation_score is not None:
        parts.append(f"score {epoch.validation_score:.4f}")
    if epoch.stalled_seconds > 0.01 * epoch.seconds:
        parts.append(f"{epoch.stalled_seconds / epoch.seconds:.0%} waiting for data")
    return "  ".join(parts)
