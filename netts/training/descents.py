"""How parameters come down: by recorded steps, or by a minimiser that asks for gradients.

A descent runs epochs and calls back behind each; what happens between epochs is not its business.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from netts.optimizers import Minimizer, Outcome, optimizer_from
from netts.optimizers.lbfgs import is_minimizer
from netts.schedules import MONITORS, Progress, Schedule, schedule_from
from netts.training.history import Epoch
from netts.training.orders import Orders
from netts.training.pacing import Pace
from netts.training.session import Session
from netts.training.supply import Coming
from netts.training.update import GradientSum

if TYPE_CHECKING:
    from netts.training.resumable import Resumable
    from netts.training.trainer import Trainer


@dataclass(frozen=True)
class Ran:
    """How an epoch ran.

    Attributes
    ----------
    rate
        Its learning rate, that of its last step; None where there is none.
    loss
        The weighted mean, penalty included.
    is_finite
        Whether all parameters are.
    seconds
        It took; None for the time since it began.
    is_kept
        Whether what it has learned, or an epoch behind it, is in the last snapshot already.
    """

    rate: float | None
    loss: float
    is_finite: bool
    seconds: float | None = None
    is_kept: bool = False


BeginEpoch = Callable[[], int]
"""Called before an epoch; returns how many may run before somebody has to look, at least 1."""

EndEpoch = Callable[[Ran], bool]
"""Called behind each epoch; returns whether to go on."""


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
        self._is_constant = type(self.schedule) is Schedule
        self.initial_rate = float(initial_rate)
        self.rate: float = self.initial_rate if resumed.rate is None else resumed.rate
        self.epochs, self.samples = resumed.epochs, resumed.samples
        self.planned_epochs = first_epoch + trainer.epochs
        self.memory = resumed.schedule
        self._position = resumed.position
        self.has_begun = False
        self.orders = Orders(trainer.shuffle, generator, len(session.feed.samples))

    def run(self, begin_epoch: BeginEpoch, end_epoch: EndEpoch) -> None:
        """Run the epochs."""
        # Callbacks get BLAS as whoever wrote them expects it to be.
        is_alone = not self.trainer.callbacks
        with self.session.plan.many_runs() if is_alone else nullcontext():
            self._run(begin_epoch, end_epoch)

    def _run(self, begin_epoch: BeginEpoch, end_epoch: EndEpoch) -> None:
        while self.epochs < self.planned_epochs:
            at_once = self._at_once(begin_epoch())
            run = self._run_one if at_once == 1 else partial(self._run_several, at_once)
            if not run(end_epoch):
                return

    def _at_once(self, unwatched: int) -> int:
        """Return how many epochs to run without a look in between."""
        if self._position is not None or not self.orders.can_be_taken_back:
            return 1
        return min(unwatched, self.session.most_epochs, self.planned_epochs - self.epochs)

    def _run_one(self, end_epoch: EndEpoch) -> bool:
        """Run an epoch, and return whether to go on."""
        rates, is_last = self._rates(), self.epochs == self.planned_epochs - 1
        order, start = self._begin()
        done = self.session.run_epoch(
            rates, order, self.epochs, None if is_last else self._expected,
            start=start, pace=self.pace,
        )  # fmt: skip
        if done < self.session.feed.n_steps:
            return False
        self.has_begun = False
        return end_epoch(_ran(self.session, float(np.ravel(rates)[-1])))

    def _run_several(self, n_epochs: int, end_epoch: EndEpoch) -> bool:
        """Run epochs in one go, then look at each that was done; return whether to go on."""
        session = self.session
        orders, before = self.orders.draw_ahead(n_epochs), session.steps
        start = time.perf_counter()
        goes_on = True
        ended = 0
        try:
            session.run_epochs(self.rate, orders, self.pace)
        finally:  # what was done counts, also where Ctrl-C has ended it
            done = (session.steps - before) // session.feed.n_steps
            seconds = (time.perf_counter() - start) / max(done, 1)
            found = zip(session.mean_losses(), session.are_finite(), range(done), strict=False)
            try:
                for loss, is_finite, _ in found:
                    ended += 1
                    self.pace.advance(session.feed.n_steps)
                    goes_on = end_epoch(Ran(self.rate, loss, is_finite, seconds, is_kept=True))
            finally:
                if ended < n_epochs:
                    self.orders.take_back(ended)
        return goes_on and done == n_epochs

    def _begin(self) -> tuple[np.ndarray | None, int]:
        """Return the order of the epoch, and how many steps of it were done by another fit."""
        position, self._position = self._position, None
        if position is None:
            found = self.orders.draw(), 0
        else:
            found = position.order, position.step
        self.has_begun = True
        return found

    def adapt(self, epoch: Epoch) -> None:
        """Set the next epoch's learning rate."""
        self.epochs += 1
        self.samples += len(self.session.feed.samples)
        if self._is_constant:
            return
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

    def _expected(self) -> Coming | None:
        """Return what the next epoch will be, if nobody draws from the generator meanwhile."""
        order = self.orders.guess()
        return None if order is None else Coming(order, self.epochs + 1)


def _ran(session: Session, rate: float | None) -> Ran:
    """Return how an epoch ran that was run alone."""
    return Ran(rate, session.mean_losses()[0], session.are_finite()[0])


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
            goes_on = end_epoch(_ran(self.session, None))
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
        return session.mean_losses()[0], gradient / session.feed.samples.total_weight

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
    if is_minimizer(optimizer):
        return Minimization(trainer, session, optimizer, resumed)
    rate = optimizer.learning_rate
    return StepDescent(trainer, session, generator, rate, resumed, first_epoch, pace)
