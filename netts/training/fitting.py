"""The loop over epochs, and what happens between them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from netts.errors import DeviceError, DeviceLostError, DivergenceError, InterruptedFitWarning, warn
from netts.graph.profile import Profile
from netts.training.descents import descent_of
from netts.training.early_stopping import EarlyStopping
from netts.training.history import Epoch, History
from netts.training.session import Session

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


@dataclass(frozen=True)
class Resumable:
    """What a later fit needs to go on where one ended.

    Attributes
    ----------
    optimizer
        The bytes of the optimiser's state and of its step count; None to begin with a new one, as
        after a fit that diverged.
    rate
        The learning rate of the next epoch; None for that of the optimiser.
    epochs, samples
        How many epochs have ended, and how many samples they trained on.
    generator
        Where the order of the next epoch is drawn from; None for the trainer's `random_state`.
    words
        What the fit drew once: the key of random layers, two words, and the seed of the samples
        that are held out; None to draw them.
    device
        Where the fit ran, and one that goes on with it does where "auto" chooses; None for any.
    """

    optimizer: np.ndarray | None = None
    rate: float | None = None
    epochs: int = 0
    samples: int = 0
    generator: np.random.Generator | None = None
    words: np.ndarray | None = None
    schedule: tuple[float, ...] = ()
    device: str | None = None


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
        resumed: Resumable,
    ) -> None:
        self.trainer, self.session = trainer, session
        self.generator, self.words = generator, words
        self.descent = descent_of(trainer, session, generator, resumed)
        self.history = trainer.history_ = History()
        rule = trainer.early_stopping
        self.plateau = rule.start() if isinstance(rule, EarlyStopping) else rule
        session.bring_down()
        self.epochs_on_host, self.is_device_lost = 0, False
        session.keep(0)
        self.last = 0
        self._epoch_start = 0.0
        # What a watch that goes on has seen as the best so far is what this fit starts from.
        watch = self.plateau
        has_best = watch is not None and watch.rule.restore_best and watch.best > -math.inf
        self.best = self.last if has_best else None

    def run(self) -> History:
        """Run the epochs, and leave the network in a state that can be used, whatever happens."""
        self.trainer.is_stopping = False
        self.trainer.running_ = self
        try:
            self._run()
        except DeviceLostError as error:
            raise self._lost(error) from error
        finally:
            self._notify("on_fit_end", self.history)
            self.trainer.running_ = None
        return self.history

    def _run(self) -> None:
        try:
            self._notify("on_fit_begin")
            self._descend()
            self._restore_best()
        except KeyboardInterrupt:
            self.session.restore(self.last)
            self.history.stopped_by = "interrupt"
            kept = self._weights_kept(len(self.history))
            warn(f"training was interrupted: {kept}", InterruptedFitWarning)
        except Exception as error:
            if not isinstance(error, DeviceError):  # which may have been lost
                self.session.restore(self.last)
            raise

    def profile(self, steps: int) -> Profile:
        """Time the operations of training steps; the training goes on as if nothing had been."""
        return self.session.profile(steps, self.last)

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
        )

    def _descend(self) -> None:
        self._epoch_start = time.perf_counter()
        outcome = self.descent.run(self._end_epoch)
        if outcome is None:
            return
        if not math.isfinite(outcome.loss):
            self._diverged(outcome.loss, None)
        self.history.outcome = outcome
        if outcome.reason != "stopped":
            self.history.stopped_by = outcome.reason
        self.session.keep(self.last)

    def _end_epoch(self, learning_rate: float | None) -> bool:
        """Look at the epoch that ran and return whether to go on."""
        session, loss = self.session, self.session.mean_loss
        if not (math.isfinite(loss) and session.is_finite):
            self._diverged(loss, learning_rate)
        validation_loss, validation_score = session.validation_measures() or (None, None)
        slot = 1 - self.last if self.last == self.best else self.last
        session.keep(slot)
        self.last = slot
        now = time.perf_counter()
        epoch = Epoch(
            number=len(self.history) + 1,
            loss=loss,
            validation_loss=validation_loss,
            validation_score=validation_score,
            learning_rate=learning_rate,
            seconds=now - self._epoch_start,
            stalled_seconds=session.stalled_seconds(),
        )
        self.history.epochs.append(epoch)
        self.descent.adapt(epoch)
        goes_on = self._watch(epoch)
        self._notify("on_epoch_end", self.history)
        if self.session.is_on_host():
            self.epochs_on_host = len(self.history)
        self._epoch_start = time.perf_counter()
        if self.trainer.is_stopping:
            self.history.stopped_by = "callback"
            return False
        return goes_on

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
            self.last = self.best

    def _diverged(self, loss: float, rate: float | None) -> NoReturn:
        """Go back to the best epoch where there is one to go back to, else to the last good one."""
        self.session.restore(self.last if self.best is None else self.best)
        kept = self.history.best_epoch or (0 if self.best is not None else len(self.history))
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
            getattr(callback, event)(self.trainer, *arguments)
