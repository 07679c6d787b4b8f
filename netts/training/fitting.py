"""The loop over epochs, and what happens between them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from netts.errors import DeviceLostError, DivergenceError, InterruptedFitWarning, ShapeError, warn
from netts.graph.profile import Profile
from netts.optimizers import optimizer_from
from netts.schedules import Progress, schedule_from
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
    """

    optimizer: np.ndarray | None = None
    rate: float | None = None
    epochs: int = 0
    samples: int = 0
    generator: np.random.Generator | None = None
    words: np.ndarray | None = None


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
        self.schedule = schedule_from(trainer.schedule)
        self.initial_rate = float(optimizer_from(trainer.optimizer).learning_rate)
        self.rate = self.initial_rate if resumed.rate is None else resumed.rate
        self.epochs, self.samples = resumed.epochs, resumed.samples
        self.history = trainer.history_ = History()
        rule = trainer.early_stopping
        self.plateau = rule.start() if isinstance(rule, EarlyStopping) else rule
        session.bring_down()
        self.epochs_on_host, self.is_device_lost = 0, False
        session.keep(0)
        self.last = 0
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
            while len(self.history) < self.trainer.epochs and self._epoch():
                pass
            self._restore_best()
        except KeyboardInterrupt:
            self.session.restore(self.last)
            self.history.stopped_by = "interrupt"
            kept = self._weights_kept(len(self.history))
            warn(f"training was interrupted: {kept}", InterruptedFitWarning)

    def profile(self, steps: int) -> Profile:
        """Time the operations of training steps; the training goes on as if nothing had been."""
        return self.session.profile(steps, self.last)

    def resumable(self) -> Resumable:
        """Return what a later fit needs to go on from where this one ended.

        The optimiser's state is kept once, so it is that of the last step: where the network went
        back to an earlier epoch, interrupted or for the best one, the state is a little ahead.
        """
        return Resumable(
            optimizer=None if self.is_device_lost else self.session.optimizer_state(),
            rate=self.rate,
            epochs=self.epochs,
            samples=self.samples,
            generator=self.generator,
            words=self.words,
        )

    def _epoch(self) -> bool:
        """Run one epoch and return whether to go on."""
        session, start = self.session, time.perf_counter()
        n_samples = len(session.feed.samples)
        session.run_epoch(self.rate, self._order(n_samples))
        loss = session.mean_loss
        if not (math.isfinite(loss) and session.is_finite):
            self._diverged(loss)
        validation_loss, validation_score = session.validation_measures() or (None, None)
        slot = 1 - self.last if self.last == self.best else self.last
        session.keep(slot)
        self.last = slot
        self.history.epochs.append(
            Epoch(
                number=len(self.history) + 1,
                loss=loss,
                validation_loss=validation_loss,
                validation_score=validation_score,
                learning_rate=self.rate,
                seconds=time.perf_counter() - start,
            )
        )
        self.epochs += 1
        self.samples += n_samples
        goes_on = self._adapt()
        self._notify("on_epoch_end", self.history)
        if self.session.is_on_host():
            self.epochs_on_host = len(self.history)
        if self.trainer.is_stopping:
            self.history.stopped_by = "callback"
            return False
        return goes_on

    def _order(self, n_samples: int) -> np.ndarray | None:
        shuffle = self.trainer.shuffle
        if callable(shuffle):
            order = shuffle(n_samples)
            if np.shape(order) != (n_samples,):
                raise ShapeError(
                    f"shuffle gives an order of shape ({n_samples},), got {np.shape(order)}"
                )
            return order
        return self.generator.permutation(n_samples) if shuffle else None

    def _adapt(self) -> bool:
        """Set the next epoch's learning rate and return whether there is to be one."""
        self.rate = self.schedule.next_rate(
            Progress(self.initial_rate, self.rate, self.epochs, self.samples)
        )
        if self.plateau is None:
            return True
        if self.plateau.see(self.history.epochs[-1]) and self.plateau.rule.restore_best:
            self.best, self.history.best_epoch = self.last, len(self.history)
        if not self.plateau.is_reached:
            return True
        rate = self.schedule.on_plateau(self.rate)
        if rate is None:
            self.history.stopped_by = "early_stopping"
            return False
        self.rate, self.plateau.waited = rate, 0
        return True

    def _restore_best(self) -> None:
        if self.best is not None:
            self.session.restore(self.best)
            self.last = self.best

    def _diverged(self, loss: float) -> NoReturn:
        self.session.restore(self.last)
        what = "the loss became" if not math.isfinite(loss) else "parameters overflowed at loss"
        raise DivergenceError(
            f"{what} {loss} in epoch {len(self.history) + 1} with learning rate {self.rate:g}: try "
            f"a smaller one, such as {self.rate / 10:g}, and scale the columns of X, and y where "
            f"it is a quantity, to mean 0 and standard deviation 1; "
            f"{self._weights_kept(len(self.history))}"
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
