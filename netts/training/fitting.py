"""The loop over epochs, and what happens between them."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from netts.errors import (
    DeviceError,
    DeviceLostError,
    DivergenceError,
    InterruptedFitWarning,
    ParameterError,
    warn,
)
from netts.graph.drawing import Drawing
from netts.graph.profile import Profile
from netts.schedules import MONITORS
from netts.training.callbacks import REQUIRED, BatchProgress
from netts.training.checkpointing import Resumption, write_checkpoint
from netts.training.descents import Ran, descent_of
from netts.training.describing import describe_data
from netts.training.early_stopping import EarlyStopping
from netts.training.history import BestEpoch, Epoch, History
from netts.training.pacing import FitPace
from netts.training.resumable import Position, Resumable
from netts.training.saved import SavedTraining
from netts.training.session import Session
from netts.training.settings import is_watched
from netts.training.validation import UNNAMED

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


class Fit:
    """One call of `fit`: the loop over epochs.

    `last` and `best` are the snapshots of the last epoch and of the best one, None where there is
    none yet; they may be the same. `epochs_on_host` is how many epochs had ended when the host last
    had the weights: should a device be lost, they are what is left.
    """

    def __init__(
        self,
        trainer: Trainer,
        session: Session,
        generator: np.random.Generator,
        words: np.ndarray,
        resumption: Resumption,
    ) -> None:
        resumed = resumption.resumable
        self.trainer, self.session = trainer, session
        self.generator, self.words = generator, words
        self.history = trainer.history_ = resumption.history
        self.pace = FitPace(self.history.steps, trainer.max_steps, self._pauses())
        first_epoch = resumed.epochs - len(self.history)
        self.descent = descent_of(trainer, session, generator, resumed, first_epoch, self.pace)
        rule = trainer.early_stopping
        self.plateau = rule.start() if isinstance(rule, EarlyStopping) else rule
        session.bring_down()
        self.epochs_on_host, self.is_device_lost = len(self.history), False
        self._went_back = False
        session.keep(0)
        self.last = 0
        position = resumed.position
        self._epoch_start = 0.0
        self._steps_before = self.pace.steps - (0 if position is None else position.step)
        self._seconds_before = 0.0 if position is None else position.seconds
        # What a watch that goes on has seen as the best so far is what this fit starts from.
        watch = self.plateau
        has_best = watch is not None and watch.rule.restore_best and watch.best > -math.inf
        self.best = self.last if has_best else None
        watched = None if watch is None else watch.rule.validation_set
        self._best_epoch = BestEpoch(trainer.monitor, watched, self.history.epochs)
        self._data: dict[str, str] | None = None
        self._pending: list[str | os.PathLike[str]] = []
        if resumption.saved is not None:
            self._go_on(resumption.saved)

    def _go_on(self, saved: SavedTraining) -> None:
        """Take over what a checkpoint has besides what was learned."""
        if self.plateau is not None and saved.watch is not None:
            self.plateau.best, self.plateau.waited = saved.watch.best, saved.watch.waited
            self.plateau.is_reached = saved.watch.is_reached
        if saved.last is not None:
            self.session.snapshots.write(self.last, saved.last)
        self.best = self.last if saved.is_best_last else None
        if saved.best is not None:
            self.best = 1 - self.last
            self.session.snapshots.write(self.best, saved.best)
        if self.history.epochs and self._is_target_reached(self.history.epochs[-1]):
            self.pace.end("target")

    def run(self) -> History:
        """Run the epochs, and leave the network in a state that can be used, whatever happens."""
        self.trainer.is_stopping = False
        self.trainer.running_, self.pace.on_pause = self, self._pause
        try:
            with self._time_limit():
                self._run()
        except DeviceLostError as error:
            raise self._lost(error) from error
        finally:
            self._notify("on_fit_end", self.history)
            self.trainer.running_ = self.pace.on_pause = None
        return self.history

    @contextmanager
    def _time_limit(self) -> Iterator[None]:
        """End the training when its time is over."""
        seconds = self.trainer.max_seconds
        if seconds is None:
            yield
            return
        timer = threading.Timer(seconds, self.pace.end, ["seconds"])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _run(self) -> None:
        try:
            self._notify("on_fit_begin")
            if self.history.stopped_by != "early_stopping":
                self._descend()
                self._notify("on_stop", self.history)
            self._restore_best()
        except KeyboardInterrupt:
            self._go_back()
            self.history.stopped_by = "interrupt"
            kept = self._weights_kept(len(self.history))
            warn(f"training was interrupted: {kept}", InterruptedFitWarning)
        except Exception as error:
            if not isinstance(error, DeviceError):  # which may have been lost
                self._go_back()
            raise

    def profile(self, steps: int) -> Profile:
        """Time the operations of training steps; the training goes on as if nothing had been."""
        if self.step:
            raise ParameterError(
                "a trainer is profiled between epochs: call profile in on_fit_begin, on_epoch_end "
                "or on_fit_end"
            )
        return self.session.profile(steps, self.last)

    def draw(self) -> Drawing:
        """Draw a training step."""
        return self.session.draw()

    def resumable(self) -> Resumable:
        """Return what a later fit needs to go on from where this one ended.

        The optimiser's state is kept once, so it is that of the last step: where the network went
        back to an earlier epoch, interrupted or for the best one, the state is a little ahead.
        """
        return Resumable(
            optimizer=None if self.is_device_lost else self.session.update.state.kept(),
            rate=self.descent.rate,
            epochs=self.descent.epochs,
            samples=self.descent.samples,
            generator=self.generator,
            words=self.words,
            schedule=self.descent.memory,
            device=self.session.plan.device,
            position=None if self.is_device_lost else self.position,
        )

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Write where training stands, or will when the epoch is over of which all steps are done.

        Raises
        ------
        ParameterError
            Where the network went back to earlier weights, which the rest does not belong to.
        """
        if self._went_back:
            raise ParameterError(
                "the network went back to earlier weights, which there is no going on from: save "
                "a checkpoint in on_epoch_end, on_batch_end or on_stop"
            )
        if self.step == self.session.feed.n_steps:
            self._pending.append(path)
            return
        write_checkpoint(self, path)
        self._notify("on_checkpoint", Path(path))

    def data(self) -> dict[str, str]:
        """Return what the training is of, in words to compare."""
        if self._data is None:
            self._data = describe_data(self.session)
        return self._data

    @property
    def step(self) -> int:
        """How many steps are done of an epoch that has not ended."""
        return self.pace.steps - self._steps_before

    @property
    def position(self) -> Position | None:
        """Where training stands in an epoch; None between epochs, and where the network went back.

        Behind the last step of an epoch, before it is looked at, there is no position to go on
        from.
        """
        feed = self.session.feed
        if not self.descent.has_begun or self.step == feed.n_steps or self._went_back:
            return None
        return Position(
            step=self.step,
            order=feed.order.read().copy() if self.trainer.shuffle else None,
            running_loss=float(feed.running_loss.read()[0]),
            seconds=self._epoch_seconds(),
        )

    def _pauses(self) -> list[int]:
        """Return how often callbacks want to look, in steps."""
        every = (getattr(one, "every_steps", None) for one in self.trainer.callbacks)
        return sorted({n for n in every if n is not None})

    def _pause(self) -> None:
        """Let callbacks look at the training within an epoch."""
        feed, step = self.session.feed, self.step
        is_whole = step == feed.n_steps
        total = feed.loss_sums if is_whole else feed.running_loss
        progress = BatchProgress(
            epoch=len(self.history) + 1,
            step=step,
            steps_per_epoch=feed.n_steps,
            steps=self.pace.steps,
            loss=float(total.read()[0]) / (feed.weight_before(step) or 1.0),
            learning_rate=self.session.rate_of(step),
            seconds=self._epoch_seconds(),
            samples=min(step * feed.step_rows, len(feed.samples)),
        )
        for callback in self.trainer.callbacks:
            every = getattr(callback, "every_steps", None)
            if every is not None and self.pace.steps % every == 0:
                callback.on_batch_end(self.trainer, progress)

    def _epoch_seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._epoch_start

    def _begin_epoch(self) -> int:
        """Begin an epoch, and return how many may run before somebody has to look."""
        self._notify("on_epoch_begin", self.history)
        self._epoch_start = time.perf_counter()
        if is_watched(self.trainer) or self.best is not None:
            return 1
        return self.trainer.epochs if self.plateau is None else self.plateau.least_epochs()

    def _descend(self) -> None:
        outcome = self.descent.run(self._begin_epoch, self._end_epoch)
        self.history.steps = self.pace.steps
        if outcome is None:
            self._leave_epoch()
            return
        if not math.isfinite(outcome.loss):
            self._diverged(outcome.loss, None)
        self.history.outcome = outcome
        if outcome.reason != "stopped":
            self.history.stopped_by = outcome.reason
        self.session.keep(self.last)

    def _leave_epoch(self) -> None:
        """Keep what was learned in an epoch that something has ended before its last step."""
        if self.pace.reason is not None:
            self.history.stopped_by = self.pace.reason
        if not self.step:
            return
        # Parameters are counted behind an epoch, and an update may be what made them overflow.
        loss = float(self.session.feed.running_loss.read()[0])
        if not (math.isfinite(loss) and np.isfinite(self.session.network.parameters.flat).all()):
            self._diverged(loss, self.descent.rate)
        self._keep()

    def _keep(self) -> None:
        """Copy what was learned to the snapshot that is not the best one."""
        slot = 1 - self.last if self.last == self.best else self.last
        self.session.keep(slot)
        self.last = slot

    def _end_epoch(self, ran: Ran) -> bool:
        """Look at an epoch that ran and return whether to go on."""
        session, loss = self.session, ran.loss
        if not (math.isfinite(loss) and ran.is_finite):
            self._diverged(loss, ran.rate)
        measures = session.validation_measures()
        first = next(iter(measures.values()), None)
        if not ran.is_kept:
            self._keep()
        epoch = Epoch(
            number=len(self.history) + 1,
            loss=loss,
            validation_loss=None if first is None else first.loss,
            validation_score=None if first is None else first.score,
            learning_rate=ran.rate,
            seconds=self._epoch_seconds() if ran.seconds is None else ran.seconds,
            stalled_seconds=session.stalled_seconds(),
            samples=len(session.feed.samples),
            validations={name: one for name, one in measures.items() if name != UNNAMED},
        )
        self.history.epochs.append(epoch)
        self.history.steps = self._steps_before = self.pace.steps
        self._seconds_before = 0.0
        self.descent.adapt(epoch)
        goes_on = self._watch(epoch)
        if self._is_target_reached(epoch):
            self.pace.end("target")
        self._tell_of_epoch(epoch)
        if self.session.is_on_host():
            self.epochs_on_host = len(self.history)
        if self.pace.reason is not None:
            self.history.stopped_by = self.pace.reason
            return False
        return goes_on

    def _tell_of_epoch(self, epoch: Epoch) -> None:
        if epoch.validation_loss is not None:
            self._notify("on_validation_end", self.history)
        if self._best_epoch.see(epoch):
            self._notify("on_best", self.history)
        while self._pending:
            self.save_checkpoint(self._pending.pop(0))
        self._notify("on_epoch_end", self.history)

    def _is_target_reached(self, epoch: Epoch) -> bool:
        """Tell whether the epoch is as good as the user wants one to be."""
        target = self.trainer.target
        return target is not None and any(
            MONITORS[name] * getattr(epoch, name) >= MONITORS[name] * value
            for name, value in target.items()
        )

    def _watch(self, epoch: Epoch) -> bool:
        """Let early stopping see an epoch and return whether to go on."""
        if self.plateau is None:
            return True
        if self.plateau.see(epoch) and self.plateau.rule.restore_best:
            self.best, self.history.best_epoch = self.last, len(self.history)
        if not self.plateau.is_reached:
            return True
        if not self.descent.goes_on():
            self.history.stopped_by = "early_stopping"
            return False
        self.plateau.waited = 0
        return True

    def _restore_best(self) -> None:
        if self.best is not None:
            self.session.restore(self.best)
            self.last, self._went_back = self.best, True

    def _go_back(self) -> None:
        """Go back to the weights of the last epoch that ended."""
        self.session.restore(self.last)
        self._went_back = True

    def _diverged(self, loss: float, rate: float | None) -> NoReturn:
        """Go back to the best epoch where there is one to go back to, else to the last good one."""
        self.session.restore(self.last if self.best is None else self.best)
        kept = self.history.best_epoch or (0 if self.best is not None else len(self.history))
        self._went_back = True
        what = "the loss became" if not math.isfinite(loss) else "parameters overflowed at loss"
        at = f" with learning rate {rate:g}" if rate is not None else ""
        smaller = f"a smaller one, such as {rate / 10:g}, and " if rate is not None else "to "
        raise DivergenceError(
            f"{what} {loss} in epoch {len(self.history) + 1}{at}: try {smaller}scale the columns "
            "of X, and y where it is a quantity, to mean 0 and standard deviation 1; "
            f"{self._weights_kept(kept)}"
        )

    def _lost(self, error: DeviceLostError) -> DeviceLostError:
        """Go on with the weights that the host has, and say of which epoch they are."""
        self.history.stopped_by, self.is_device_lost = "lost device", True
        n_epochs = len(self.history) if self.session.rescue() else self.epochs_on_host
        return DeviceLostError(f"{error}; {self._weights_kept(n_epochs)}, the last that came down")

    def _weights_kept(self, n_epochs: int) -> str:
        which = f"of epoch {n_epochs} of {self.trainer.epochs}" if n_epochs else "it began with"
        return f"the network has the weights {which}"

    def _notify(self, event: str, *arguments: Any) -> None:
        for callback in self.trainer.callbacks:
            if event in REQUIRED or hasattr(callback, event):
                getattr(callback, event)(self.trainer, *arguments)
