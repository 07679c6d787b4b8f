"""A log of a training for other programs: one JSON object a line."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netts.errors import LogFileError
from netts.training.callbacks import BatchProgress, Callback
from netts.training.history import History

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


class JsonLog(Callback):
    """Appends a line to a file for each event of a training: JSON lines.

    Each line is a JSON object with "event" ("start", "batch", "epoch", "best", "checkpoint",
    "end"), "time" in seconds since 1970, and what there is to say of it; numbers that are not
    finite are null. A line is one write to the end of the file: several processes may share one,
    and a process that is killed leaves whole lines only. A training that goes on appends to what
    was there.

    Parameters
    ----------
    path : str or path
    every_steps : int, optional
        How often to write of a batch; never by default.

    Raises
    ------
    LogFileError
        From `fit`, where the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, every_steps: int | None = None) -> None:
        self.path, self.every_steps = Path(path), every_steps

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Write what is trained, and from where it goes on."""
        network = trainer.network
        self._write(
            "start",
            n_parameters=network.parameters.n_elements,
            device=trainer.device_,
            epochs=trainer.epochs,
            batch_size=trainer.batch_size,
            epochs_done=len(trainer.history_),
        )

    def on_batch_end(self, trainer: Trainer, progress: BatchProgress) -> None:
        """Write how far the epoch has come."""
        speed = progress.samples_per_second
        self._write("batch", **asdict(progress), samples_per_second=speed)

    def on_best(self, trainer: Trainer, history: History) -> None:
        """Write which epoch is the best so far, and by what."""
        epoch, monitor = history.epochs[-1], trainer.monitor
        self._write("best", epoch=epoch.number, **{monitor: getattr(epoch, monitor)})

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """Write what the epoch came to."""
        said = asdict(history.epochs[-1])
        said["epoch"] = said.pop("number")
        speed = history.epochs[-1].samples_per_second
        self._write("epoch", **said, steps=history.steps, samples_per_second=speed)

    def on_checkpoint(self, trainer: Trainer, path: Path) -> None:
        """Write which file was written."""
        self._write("checkpoint", path=str(path))

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        """Write what ended the training."""
        self._write(
            "end",
            stopped_by=history.stopped_by,
            epochs=len(history),
            steps=history.steps,
            best_epoch=history.best_epoch,
        )

    def _write(self, event: str, **said: Any) -> None:
        line = json.dumps(_finite({"event": event, "time": time.time(), **said})) + "\n"
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LogFileError(f"{self.path} cannot be written: {error.strerror}") from error


def _finite(value: Any) -> Any:
    """Return a value as JSON has it: null for what is infinite or no number."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
