"""Files written while a network is trained: checkpoints to go on from, and snapshots of it."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING

from netts.errors import ParameterError
from netts.hyperparameters import check_whole
from netts.persistence import check_replaceable
from netts.training.callbacks import BatchProgress, Callback
from netts.training.checkpointing import check_possible
from netts.training.history import History

if TYPE_CHECKING:
    from netts.training.trainer import Trainer

PLACES = ("{epoch}", "{step}")
"""What a path may have for numbers."""

WORTH_KEEPING = ("steps", "seconds", "callback")
"""What ends a training that somebody may want to go on with."""


class Snapshot(Callback):
    """Saves the network every so often; `netts.load` reads it.

    Parameters
    ----------
    path : str or path
        `{epoch}` and `{step}` in it stand for how many have ended: "run-{epoch}.netts".
    every_epochs, every_steps : int, optional
        How often; every epoch where nothing else is asked for.
    on_best : bool
        Whether to save each epoch that is the best so far, by `trainer.monitor`.
    keep : int, optional
        How many files to keep of those that this object has written; None for all. More than one
        need `{epoch}` or `{step}` in the path.

    Attributes
    ----------
    paths_ : list of Path
        Of the files that were written and kept, the newest last.

    Examples
    --------
    >>> import numpy as np, tempfile, netts
    >>> from netts import Network, Trainer, layers
    >>> from netts.training import Snapshot
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     every = Snapshot(f"{directory}/{{epoch}}.netts", every_epochs=2, keep=None)
    ...     trainer = Trainer(Network([layers.Dense(2)]), epochs=4, callbacks=[every])
    ...     history = trainer.fit(np.zeros((10, 3)), np.arange(10) % 2)
    ...     [path.name for path in every.paths_]
    ['2.netts', '4.netts']
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every_epochs: int | None = None,
        every_steps: int | None = None,
        on_best: bool = False,
        keep: int | None = 1,
    ) -> None:
        self.path = Path(path)
        for name, value in {"every_epochs": every_epochs, "every_steps": every_steps}.items():
            if value is not None:
                check_whole(name, value, 1)
        if keep is not None:
            check_whole("keep", keep, 1)
        if keep != 1 and not any(place in str(path) for place in PLACES):
            raise ParameterError(
                f"keep={keep} needs a name for each file: put {{epoch}} or {{step}} into {path}"
            )
        is_asked = every_steps is not None or on_best
        self.every_epochs = 1 if every_epochs is None and not is_asked else every_epochs
        self.every_steps, self.on_best_only, self.keep = every_steps, on_best, keep
        self.paths_: list[Path] = []
        self._is_due = False

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Refuse a path that cannot be written before time for training is spent."""
        check_replaceable(self.path)
        self._is_due = False

    def on_batch_end(self, trainer: Trainer, progress: BatchProgress) -> None:
        """Save, or have it saved when the epoch that ends is over."""
        if progress.step == progress.steps_per_epoch:
            self._is_due = True
        else:
            self.save(trainer, progress.epoch - 1, progress.steps)

    def on_best(self, trainer: Trainer, history: History) -> None:
        """Have the epoch saved."""
        self._is_due |= self.on_best_only

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """Save, if it is time to."""
        every = self.every_epochs
        if self._is_due or (every is not None and len(history) % every == 0):
            self.save(trainer, len(history), history.steps)
        self._is_due = False

    def save(self, trainer: Trainer, epoch: int, step: int) -> None:
        """Write a file, and delete the oldest ones."""
        text = str(self.path)
        for place, number in zip(PLACES, (epoch, step), strict=True):
            text = text.replace(place, str(number))
        path = Path(text)
        self.write(trainer, path)
        self.paths_ = [*(one for one in self.paths_ if one != path), path]
        while self.keep is not None and len(self.paths_) > self.keep:
            self.paths_.pop(0).unlink(missing_ok=True)

    def write(self, trainer: Trainer, path: Path) -> None:
        """Write a file."""
        trainer.network.save(path)


class Checkpoint(Snapshot):
    """Writes all of a training every so often, to go on from there to the last bit.

    One file has weights, layer state, optimiser state, schedule, random generators, the position in
    the epoch, what early stopping has seen, the best weights and the history. It is replaced as a
    whole: whenever the process is killed, there is the old one or the new one. A training that a
    limit or `trainer.stop()` ends writes one more.

    Parameters
    ----------
    path, every_epochs, every_steps, on_best, keep
        As `Snapshot` takes them.
    resume : bool
        Whether a fit goes on from the newest file, if there is one, as `fit(resume=path)` does.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from netts import Network, Trainer, layers
    >>> from netts.training import Checkpoint
    >>> X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    >>> def trainer(path, epochs):
    ...     network = Network([layers.Dense(2)])
    ...     return Trainer(network, epochs=epochs, callbacks=[Checkpoint(path)], random_state=0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = f"{directory}/run.ckpt"
    ...     short = trainer(path, 2).fit(X, y)
    ...     resumed = trainer(path, 5).fit(X, y, resume=path)
    ...     whole = trainer(path, 5).fit(X, y)
    >>> resumed.loss == whole.loss
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every_epochs: int | None = None,
        every_steps: int | None = None,
        on_best: bool = False,
        keep: int | None = 1,
        resume: bool = False,
    ) -> None:
        super().__init__(
            path, every_epochs=every_epochs, every_steps=every_steps, on_best=on_best, keep=keep
        )
        self.resume = resume

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Refuse what no training could go on from before time is spent."""
        super().on_fit_begin(trainer)
        check_possible(trainer)

    def on_stop(self, trainer: Trainer, history: History) -> None:
        """Write a file if something has ended the training that may go on another time."""
        if history.stopped_by in WORTH_KEEPING:
            self.save(trainer, len(history), history.steps)

    def write(self, trainer: Trainer, path: Path) -> None:
        """Write a file."""
        trainer.save_checkpoint(path)

    def newest(self) -> Path | None:
        """Return the newest file that this path may stand for, None where there is none."""
        pattern = glob.escape(str(self.path))
        for place in PLACES:
            pattern = pattern.replace(glob.escape(place), "*").replace(place, "*")
        found = [Path(one) for one in glob.glob(pattern)]  # noqa: PTH207 - of any directory
        return max(found, key=lambda one: one.stat().st_mtime_ns, default=None)
