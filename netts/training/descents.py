"""How parameters come down: by recorded steps, or by a minimiser that asks for gradients.

A descent runs epochs and calls back behind each; what happens between epochs is not its business.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from netts.errors import ShapeError
from netts.optimizers import Minimizer, Outcome, optimizer_from
from netts.schedules import MONITORS, Progress, schedule_from
from netts.training.history import Epoch
from netts.training.pacing import Pace
from netts.training.session import Session
from netts.training.supply import Coming
from netts.training.update import GradientSum

if TYPE_CHECKING:
    from netts.training.resumable import Resumable
    from netts.training.trainer import Trainer

BeginEpoch = Callable[[], None]
"""Called before each epoch."""

EndEpoch = Callable[[float | None], bool]
"""Called behind each epoch with its learning rate; returns whether to go on."""


class Descent(Protocol):
    """What a fit drives.

    Attributes
    ----------
    epochs, samples
        How many epochs have ended, and how many samples they saw, fits that it goes on from
        included.
    memory
        What the schedule remembers.
    has_begun
        Whether an epoch has its order and has not ended.
    """

    epochs: int
    samples: int
    memory: tuple[float, ...]
    has_begun: bool

    @property
    def rate(self) -> float | None:
        """The learning rate of the next epoch; None where there is none."""
        ...

    def run(self, begin_epoch: BeginEpoch, end_epoch: EndEpoch) -> Outcome | None:
        """Run epochs until all are done or `end_epoch` says so; say how a minimiser ended."""
        ...

    def adapt(self, epoch: Epoch) -> None:
        """Take an epoch into account that has ended."""
        ...

    def goes_on(self) -> bool:
        """Whether to go on, and how, where early stopping has seen no progress."""
        ...


class StepDescent:
    """Epochs of recorded steps, each epoch in an order and at the rates of a schedule.

    Parameters
    ----------
    trainer, session
    generator
        What orders are drawn from.
    initial_rate
        The optimiser's own learning rate.
    resumed
        Where to go on.
    first_epoch
        How many epochs had ended before the trainer's own began to count.
    pace
        Of the steps.
    """

    def __init__(
        self,
        trainer: Trainer,
        session: Session,
        generator: np.random.Generator,
        initial_rate: float,
        resumed: Resumable,
        first_epoch: int,
        pace: Pace,
    ) -> None:
        self.pace = pace
        self.trainer, self.session, self.generator = trainer, session, generator
        self.schedule = schedule_from(trainer.schedule)
        self.initial_rate = float(initial_rate)
        self.rate: float = self.initial_rate if resumed.rate is None else resumed.rate
        self.epochs, self.samples = resumed.epochs, resumed.samples
        self.planned_epochs = first_epoch + trainer.epochs
        self.memory = resumed.schedule
        self._position = resumed.position
        self.has_begun = False

    def run(self, begin_epoch: BeginEpoch, end_epoch: EndEpoch) -> None:
        """Run the epochs."""
        # Callbacks get BLAS as whoever wrote them expects it to be.
        is_alone = not self.trainer.callbacks
        with self.session.plan.many_runs() if is_alone else nullcontext():
            self._run(begin_epoch, end_epoch)

    def _run(self, begin_epoch: BeginEpoch, end_epoch: EndEpoch) -> None:
        while self.epochs < self.planned_epochs:
            begin_epoch()
            rates, is_last = self._rates(), self.epochs == self.planned_epochs - 1
            order, start = self._begin()
            done = self.session.run_epoch(
                rates, order, self.epochs, None if is_last else self._expected,
                start=start, pace=self.pace,
            )  # fmt: skip
            if done < self.session.feed.n_steps:
                return
            self.has_begun = False
            if not end_epoch(float(np.ravel(rates)[-1])):
                return

    def _begin(self) -> tuple[np.ndarray | None, int]:
        """Return the order of the epoch, and how many steps of it were done by another fit."""
        position, self._position = self._position, None
        found = (self._order(), 0) if position is None else (position.order, position.step)
        self.has_begun = True
        return found

    def adapt(self, epoch: Epoch) -> None:
        """Set the next epoch's learning rate."""
        self.epochs += 1
        self.samples += len(self.session.feed.samples)
        progress = self._progress(epoch)
        memory = self.schedule.remember(progress)
        if memory != self.memory:
            self.memory, progress = memory, replace(progress, memory=memory)
        self.rate = self.schedule.next_rate(progress)

    def goes_on(self) -> bool:
        """Whether the schedule goes on at another rate."""
        rate = self.schedule.on_plateau(self.rate)
        if rate is not None:
            self.rate = rate
        return rate is not None

    def _rates(self) -> float | np.ndarray:
        """Return the learning rate of the epoch that begins, or those of its steps."""
        if self.schedule.is_per_step:
            return self.schedule.step_rates(self._progress())
        return self.rate

    def _progress(self, epoch: Epoch | None = None) -> Progress:
        """Return how far training has come, with what an epoch that ended came to."""
        return Progress(
            initial_rate=self.initial_rate,
            rate=self.rate,
            epochs=self.epochs,
            samples=self.samples,
            steps_per_epoch=self.session.feed.n_steps,
            planned_epochs=self.planned_epochs,
            memory=self.memory,
            **({name: getattr(epoch, name) for name in MONITORS} if epoch else {}),
        )

    def _order(self) -> np.ndarray | None:
        n_samples, shuffle = len(self.session.feed.samples), self.trainer.shuffle
        if callable(shuffle):
            order = shuffle(n_samples)
            if np.shape(order) != (n_samples,):
                raise ShapeError(
                    f"shuffle gives an order of shape ({n_samples},), got {np.shape(order)}"
                )
            return order
        return self.generator.permutation(n_samples) if shuffle else None

    def _expected(self) -> Coming | None:
        """Return what the next epoch will be, if nobody draws from the generator meanwhile."""
        n_samples, shuffle = len(self.session.feed.samples), self.trainer.shuffle
        if callable(shuffle):
            return None
        drawn = copy.deepcopy(self.generator).permutation(n_samples) if shuffle else None
        return Coming(np.arange(n_samples) if drawn is None else drawn, self.epochs + 1)


class Minimization:
    """Iterations of a minimiser, each counted as an epoch.

    Parameters
    ----------
    trainer, session
    minimizer
    resumed
        Of which only the counts are of use.
    """

    has_begun = False

    def __init__(
        self, trainer: Trainer, session: Session, minimizer: Minimizer, resumed: Resumable
    ) -> None:
        self.trainer, self.session, self.minimizer = trainer, session, minimizer
        self.epochs, self.samples = resumed.epochs, resumed.samples
        self.rate: float | None = None
        self.memory: tuple[float, ...] = ()
        self._parameters = session.network.parameters.flat
        self._point = np.empty(0)

    def run(self, begin_epoch: BeginEpoch, end_epoch: EndEpoch) -> Outcome:
        """Minimise, and leave the network at the point where that ended."""

        def end_iteration(point: np.ndarray) -> bool:
            self._go_to(point)
            self.session.validate()
            goes_on = end_epoch(None)
            if goes_on:
                begin_epoch()
            return goes_on

        begin_epoch()
        start = self._parameters.read().astype(np.float64)
        point, outcome = self.minimizer.minimize(
            self._objective, start, end_iteration, self.trainer.epochs
        )
        self._go_to(point)
        return outcome

    def adapt(self, epoch: Epoch) -> None:
        """Count."""
        self.epochs += 1
        self.samples += len(self.session.feed.samples)

    def goes_on(self) -> bool:
        """Return False: there is no rate to lower."""
        return False

    def _objective(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        session, self._point = self.session, point.copy()
        self._parameters.array[...] = point
        session.feed.run(session.plan, "step")
        assert isinstance(session.update, GradientSum)
        gradient = session.update.gradient.read().astype(np.float64)
        return session.mean_loss, gradient / session.feed.samples.total_weight

    def _go_to(self, point: np.ndarray) -> None:
        """Have the network's parameters and losses be those of a point, usually the last one."""
        if not np.array_equal(point, self._point):
            self._objective(point)


def descent_of(
    trainer: Trainer,
    session: Session,
    generator: np.random.Generator,
    resumed: Resumable,
    first_epoch: int,
    pace: Pace,
) -> Descent:
    """Return how a trainer's optimiser comes down."""
    optimizer = optimizer_from(trainer.optimizer)
    if isinstance(optimizer, Minimizer):
        return Minimization(trainer, session, optimizer, resumed)
    rate = optimizer.learning_rate
    return StepDescent(trainer, session, generator, rate, resumed, first_epoch, pace)
