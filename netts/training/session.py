"""A session: everything that one fit keeps in memory, and its recorded training step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netts.devices.memory import BufferView
from netts.devices.names import kind_of
from netts.graph import Drawing, TaskGraph, Usage
from netts.graph.profile import Profile
from netts.graph.replay import Cycle
from netts.layers.base import RandomCounters, as_rows
from netts.losses import Loss
from netts.network import Network
from netts.network.propagation import Propagation
from netts.optimizers import AnyOptimizer
from netts.training.batches import Batch, Controls, Feed
from netts.training.history import Measures
from netts.training.kernels import count_not_finite
from netts.training.pacing import UNPACED, Pace
from netts.training.rates import Rates
from netts.training.regularization import Regularization
from netts.training.snapshots import Snapshots
from netts.training.supply import Ahead, Room, Samples
from netts.training.update import update_of
from netts.training.validation import Validation


class Session:
    """The buffers and the plan of one fit.

    The recordings are `step` and `step_last`, a training step on full batches and on the last ones,
    which may be fewer or shorter and end the epoch; `validation` and `validation_last` where there
    is validation data; those of `Snapshots`, of which `keep_sound` ends an epoch of a run of
    several.

    Parameters
    ----------
    network
        Built; its parameters change in place.
    loss, optimizer, regularization, device, precision
        As `Trainer` takes them.
    training
    validation
        The sets to validate with, by name; none of them where there is nothing to validate with.
    batch_size
        At most the number of training samples.
    has_step_rates
        Whether each step has a learning rate of its own.
    key
        Two 32-bit words that random layers draw from.
    n_snapshots
        How many there are to be.
    epochs
        How many there may be.
    before
        The device on which a fit began that this one goes on with; None where it begins.
    room
        For the samples of training, and for those of validation; what is larger is streamed.
    batches_per_step
        Of how many batches a step adds up the gradients.
    most_epochs
        That may be run without a look in between, where the samples are not streamed.
    """

    def __init__(
        self,
        network: Network,
        *,
        loss: Loss,
        optimizer: AnyOptimizer,
        training: Samples,
        validation: Mapping[str, Samples],
        batch_size: int,
        has_step_rates: bool,
        regularization: Regularization,
        key: np.ndarray,
        n_snapshots: int,
        device: str,
        epochs: int,
        before: str | None,
        precision: str | None = None,
        room: Room | None = None,
        batches_per_step: int = 1,
        most_epochs: int = 1,
    ) -> None:
        self.network, self.loss = network, loss
        # What training changes of the network: parameters, and layer state where there is some.
        self._learned = [one for one in (network.parameters, network.state) if one.flat.size]
        self.graph = TaskGraph()
        self.update = update_of(network, optimizer, regularization, self.graph, batches_per_step)
        room = room or Room()
        most_epochs = most_epochs if room.holds(training) else 1
        controls = Controls.open()
        self._key = controls.inputs.reserve((2,), np.int64)
        self._not_finite = controls.results.reserve((most_epochs,), np.int64)
        self._troubles = controls.position.reserve((1,), np.int64)
        self.feed = Feed(
            training, batch_size, self.graph, controls, self.update.state.step,
            room=room, is_reordered=True, batches_per_step=batches_per_step, n_slots=most_epochs,
        )  # fmt: skip
        self._rates = Rates(
            controls, self.graph, self.feed.n_steps, network.dtype, is_per_step=has_step_rates
        )
        self._validations = {
            name: Validation(network, loss, samples, batch_size, self.graph, controls, room, name)
            for name, samples in validation.items()
        }
        self._feeds = [self.feed, *(one.feed for one in self._validations.values())]
        controls.allocate()
        self.feed.fill()
        self._key.array[...] = key
        self._record()
        self.snapshots = self._recorded_snapshots(n_snapshots)
        self.plan = self.graph.compile(
            device=device, precision=precision, usage=self._usage(controls, epochs, before)
        )
        for feed in self._feeds:
            feed.supply.open(self.plan.device)
        # On a GPU an epoch ends with what comes down, which nobody has tried to put off.
        self.most_epochs = most_epochs if kind_of(self.plan.device) != "cuda" else 1
        self._cycle: Cycle | None = None

    def _usage(self, controls: Controls, epochs: int, before: str | None) -> Usage:
        """Return how the plan is used: an epoch sends its inputs and brings down its results."""
        steps = self.feed.steps("step") | {"keep_0": 1}
        for one in self._validations.values():
            steps |= one.feed.steps(one.recording)
        sent = controls.inputs.nbytes + sum(feed.supply.streamed_bytes for feed in self._feeds)
        return Usage(steps, epochs, sent, controls.results.nbytes, "an epoch", before)

    def _record(self) -> None:
        feed, shapes, dtype = self.feed, self.network.shapes, self.network.dtype
        propagation = Propagation(
            self.network,
            self.graph,
            feed.batch_size,
            gradients=self.update.gradients,
            random=RandomCounters(
                feed.orders, feed.cursor, self.update.state.step, self._key, stream=0
            ),
        )
        losses = self.graph.transient((feed.batch_size,), dtype, "losses")
        gradient = self.graph.transient((feed.batch_size, *shapes[-1]), dtype, "gradient of loss")
        for suffix, rows in feed.row_counts.items():
            is_last = suffix == "_last"
            with self.graph.recording(f"step{suffix}"):
                self._rates.record(is_last=is_last)
                for batch in feed.batches(rows):
                    costs = losses[: batch.x.shape[0]]
                    self._record_batch(propagation, batch, costs, gradient, is_last=is_last)
                    feed.finish(batch, costs)
                if is_last:
                    count_not_finite(self.network.parameters.flat, feed.slot, self._not_finite)
                    feed.finish_epoch()
        for one in self._validations.values():
            one.record()

    def _recorded_snapshots(self, n_slots: int) -> Snapshots:
        found = Snapshots(self._learned, n_slots)
        found.record(self.graph)
        if self.feed.n_slots > 1:
            found.record_sound(self.graph, self.feed.loss_sums, self._not_finite, self._troubles)
        return found

    def _record_batch(
        self,
        propagation: Propagation,
        batch: Batch,
        losses: BufferView,
        gradient: BufferView,
        *,
        is_last: bool,
    ) -> None:
        gradient = gradient[: losses.shape[0]]
        values = propagation.forward(*propagation.split(batch.x))
        output, grad_output = as_rows(values[-1]), as_rows(gradient)
        self.loss.forward(output, batch.targets, losses)
        self.loss.backward(
            output, batch.targets, losses, batch.weights, batch.weight_sum, grad_output
        )
        propagation.backward(values, gradient)
        self.update.record(self._rates.current, batch, self.feed.running_loss, is_last=is_last)

    def run_epoch(
        self,
        rates: float | np.ndarray,
        order: np.ndarray | None,
        epoch: int,
        ahead: Ahead | None = None,
        *,
        start: int = 0,
        pace: Pace = UNPACED,
    ) -> int:
        """Train on every batch once, and measure the validation data if that was not cut short.

        Nothing is read from the device before all of it is under way, so that it comes down once.

        Parameters
        ----------
        rates : float or array of shape (n_steps,)
            The learning rate, or that of each step with `has_step_rates`.
        order : int64 array of shape (n_samples,), optional
            The order of the samples; that of the epoch before by default.
        epoch
            Its number, for sources whose samples differ from epoch to epoch.
        ahead
            What the epoch behind it is expected to be; None where there is to be none.
        start
            How many of its steps were done before.
        pace
            Where to pause, and what ends it.

        Returns
        -------
        int
            How many of its steps are done.
        """
        self._rates.write(rates)
        self.feed.write_orders([order])
        done = self.feed.run(self.plan, "step", epoch, ahead, start=start, pace=pace)
        if done == self.feed.n_steps:
            self.validate(is_last=ahead is None)
        return done

    def run_epochs(self, rate: float, orders: Sequence[np.ndarray | None], pace: Pace) -> int:
        """Train for several epochs, at most `most_epochs`, and look at nothing in between.

        Behind each, what the network has learned goes to snapshot 0, unless loss or parameters are
        no longer finite. Only between two epochs `pace` ends it.

        Parameters
        ----------
        rate
            The learning rate.
        orders
            Of the samples of each epoch, as `run_epoch` takes them.
        pace
            What ends it.

        Returns
        -------
        int
            How many epochs were done.
        """
        if self._cycle is None:
            self._cycle = self.plan.cycle(self.feed.steps("step") | {"keep_sound": 1})
        self._rates.write(rate)
        self.feed.write_orders(orders)
        stop = np.zeros(1, np.int64) if pace.word is None else pace.word
        try:
            return self._cycle.run(len(orders), stop)
        finally:
            self.feed.go_to(0, 0.0)

    @property
    def steps(self) -> int:
        """How many updates the optimiser has made."""
        return int(self.update.state.step.read()[0])

    def validate(self, *, is_last: bool = False) -> None:
        """Measure the validation data, where there is some; ahead of the next time if not last."""
        for one in self._validations.values():
            one.run(self.plan, is_last=is_last)

    def stalled_seconds(self) -> float:
        """Return how long the last epoch had nothing to do but to wait for data."""
        return sum(feed.supply.stalled_seconds() for feed in self._feeds)

    @property
    def has_validation(self) -> bool:
        """Whether there is validation data."""
        return bool(self._validations)

    def renew(self, training: Samples, key: np.ndarray) -> None:
        """Begin anew with other samples of the same form, and an optimiser without memory."""
        self.feed.renew(training)
        self._rates.go_to(0)
        self.update.state.clear()
        self._key.array[...] = key

    def close(self) -> None:
        """End what runs in the background."""
        for feed in self._feeds:
            feed.supply.close()

    def mean_losses(self) -> list[float]:
        """Return the weighted mean loss, penalty included, of each epoch of the last run.

        Those behind it are of earlier ones.
        """
        return self.feed.mean_losses().tolist()

    def are_finite(self) -> list[bool]:
        """Return whether all parameters were, behind each epoch of the last run."""
        return (self._not_finite.read() == 0).tolist()

    def validation_measures(self) -> dict[str, Measures]:
        """Return mean loss and score of each set of validation data."""
        return {name: one.measures() for name, one in self._validations.items()}

    def keep(self, slot: int) -> None:
        """Copy what the network has learned, parameters and layer state, to a snapshot."""
        self.plan.run(recording=f"keep_{slot}")

    def restore(self, slot: int) -> None:
        """Go back to a snapshot; the optimiser's state stays what it is."""
        self.plan.run(recording=f"restore_{slot}")

    def validation_samples(self) -> dict[str, Samples]:
        """Return the sets that are validated with, by name."""
        return {one.recording: one.feed.samples for one in self._validations.values()}

    def profile(self, steps: int, slot: int) -> Profile:
        """Time the operations of a training step, and leave everything as it was.

        Parameters
        ----------
        steps
            How many, at most the full batches of an epoch.
        slot
            A snapshot of what the network has learned up to now, to go back to.
        """
        name, available = self._step, max(self.feed.n_steps - 1, 1)
        state = self.update.state.copied()
        try:
            self.plan.run(recording=name)  # the first step warms caches
            self.go_to(0)
            return self.plan.profile(min(steps, available), recording=name)
        finally:
            self.go_to(0)
            self.restore(slot)
            self.update.state.restore(state)

    @property
    def _step(self) -> str:
        """The recording of a step that stands for all: on a full batch, if there is one."""
        return "step" if self.feed.n_steps > 1 else "step_last"

    def draw(self) -> Drawing:
        """Draw a training step."""
        return self.plan.draw(self._step)

    def rate_of(self, step: int) -> float:
        """Return the learning rate of a step of the epoch that runs, counted from 1."""
        return self._rates.of(step)

    def go_to(self, step: int, running_loss: float = 0.0) -> None:
        """Go to behind a step of an epoch, with what the losses up to there add up to."""
        self.feed.go_to(step, running_loss)
        self._rates.go_to(step)

    def bring_down(self) -> None:
        """Give the host what the network has learned."""
        for one in self._learned:
            one.flat.buffer.fetch()

    def is_on_host(self) -> bool:
        """Whether the host has what the network has learned; a part that it has brings the rest."""
        has_some = any(one.flat.buffer.is_current for one in self._learned)
        if has_some:
            self.bring_down()
        return has_some

    def rescue(self) -> bool:
        """Part from a device that is lost, and return whether the host has all that was learned."""
        rescued = [one.flat.buffer.rescue() for one in self._learned]  # each, whatever one gives
        return all(rescued)
