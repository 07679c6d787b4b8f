"""Batches: rows of a data set, gathered inside the plan.

Per epoch the host writes the order of the samples. Each step gathers the rows that come next,
adds up its losses and moves a cursor; the last one gives the sum and sets the cursor back. No step
needs the host, but for a streamed data set to have its next chunk loaded. Where nobody looks in
between, several epochs are a run: their orders lie one behind the other, and each gives its sum to
a slot of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from netts.devices.memory import Arena, BufferView, Lifetime
from netts.graph import Plan, TaskGraph
from netts.training.kernels import finish_batch, finish_epoch, gather_batch, gather_weights
from netts.training.pacing import UNPACED, Pace
from netts.training.supply import Ahead, Coming, Room, Samples, supply_of


@dataclass(frozen=True)
class Batch:
    """The arrays of a batch, as the loss takes them, and where it stands in its step.

    `weight_sum` is that of the whole step: gradients of its batches are parts of one sum.
    """

    x: BufferView
    targets: BufferView
    weights: BufferView
    weight_sum: BufferView
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class Controls:
    """The small arrays around the steps, apart by who writes them.

    So a device with memory of its own is sent one arena an epoch, and one is read from it.

    Attributes
    ----------
    fixed
        Written once.
    inputs
        Written by the host, before an epoch.
    results
        Written by kernels; the host reads it behind an epoch.
    position
        Written by kernels; the host reads it where training is to be left within an epoch.
    """

    fixed: Arena
    inputs: Arena
    results: Arena
    position: Arena

    @classmethod
    def open(cls) -> Controls:
        """Return arenas to reserve in."""
        fixed = Arena("fixed", Lifetime.CONSTANT)
        return cls(fixed, Arena("inputs"), Arena("results"), Arena("position"))

    def allocate(self) -> None:
        """Give all arrays their memory."""
        for arena in (self.fixed, self.inputs, self.results, self.position):
            arena.allocate()


class Feed:
    """Gives a task graph the batches of one data set, one after the other, some to a step.

    Parameters
    ----------
    samples
    batch_size
        Of all batches but the last.
    graph
    controls
        Not allocated yet; order, cursor and sums are reserved in them.
    step
        Counts the steps given, int64 of shape (1,).
    room
        For the samples.
    is_reordered
        Whether epochs may have orders of their own.
    batches_per_step
        Of all steps but the last.
    n_slots
        The most epochs of a run.

    Attributes
    ----------
    supply
    n_steps
        In an epoch.
    orders, order
        Of the samples, in all epochs of a run, and in the first.
    cursor, running_loss
        How many samples of a run were gathered so far, and what the losses of those of its epoch
        add up to, both of shape (1,); zero between runs.
    slot
        How many epochs of a run have ended, of shape (1,); zero between runs.
    loss_sums
        What the losses of each epoch of a run add up to, of shape (n_slots,).
    """

    def __init__(
        self,
        samples: Samples,
        batch_size: int,
        graph: TaskGraph,
        controls: Controls,
        step: BufferView,
        *,
        room: Room,
        is_reordered: bool,
        batches_per_step: int = 1,
        n_slots: int = 1,
    ) -> None:
        self.samples = samples
        self._total_weight = samples.total_weight
        self.batch_size = batch_size
        self.step_rows = min(batch_size * batches_per_step, len(samples))
        self.supply = supply_of(samples, self.step_rows, room, controls.fixed)
        self.n_steps = -(-len(samples) // self.step_rows)
        self.n_last = len(samples) - (self.n_steps - 1) * self.step_rows
        self.step = step
        dtype = samples.X.dtype
        orders = controls.inputs if is_reordered else controls.fixed
        self.n_slots = n_slots
        self.orders = orders.reserve((n_slots * len(samples),), np.int64)
        self.order = self.orders[: len(samples)]
        counts = controls.inputs if n_slots > 1 else controls.fixed
        self._run_epochs = counts.reserve((1,), np.int64)
        self.cursor = controls.position.reserve((1,), np.int64)
        self.slot = controls.position.reserve((1,), np.int64)
        self.running_loss = controls.position.reserve((1,), dtype)
        self.loss_sums = controls.results.reserve((n_slots,), dtype)
        self._x = graph.transient((batch_size, samples.X.shape[1]), dtype, "x")
        self._targets = graph.transient((batch_size, samples.y.shape[1]), samples.y.dtype, "y")
        if samples.weights is not None:
            self._weights = graph.transient((self.step_rows,), dtype, "weights")
            self._weight_sums = graph.transient((2,), dtype, "weight sum")
        else:
            self._weights = controls.fixed.reserve((batch_size,), dtype)
            self._weight_sums = controls.fixed.reserve((2,), dtype)

    def fill(self) -> None:
        """Write what no step changes, once the controls are allocated."""
        self._order_as_given()
        self._run_epochs.array[...] = 1
        self.supply.fill()
        if self.samples.weights is None:
            self._weights.array[...] = 1
            self._weight_sums.array[...] = self.step_rows, self.n_last

    def renew(self, samples: Samples) -> None:
        """Begin anew with other samples of the same form, copied over those that there are."""
        for name in ("X", "y", "weights"):
            if (kept := getattr(self.samples, name)) is not None:
                kept[...] = getattr(samples, name)
        self._total_weight = samples.total_weight
        self._order_as_given()
        self.go_to(0, 0.0)

    def _order_as_given(self) -> None:
        self.orders.array.reshape(self.n_slots, -1)[...] = np.arange(len(self.samples))

    @property
    def row_counts(self) -> dict[str, int]:
        """The rows of a step by the end of its recording's name.

        The last one is apart: it may be shorter, and ends the epoch.
        """
        return ({"": self.step_rows} if self.n_steps > 1 else {}) | {"_last": self.n_last}

    def steps(self, name: str) -> dict[str, int]:
        """Return how often an epoch replays each of the recordings that `run` takes."""
        return {f"{name}{end}": 1 if end else self.n_steps - 1 for end in self.row_counts}

    def batches(self, rows: int) -> Iterator[Batch]:
        """Record the gathering of the next `rows` samples, a batch whenever one is asked for."""
        supply = self.supply
        weight_sum = self._weight_sums[:1] if rows == self.step_rows else self._weight_sums[1:]
        places = self.orders if supply.places is None else supply.places
        if supply.weights is not None:
            gather_weights(supply.weights, places, self.cursor, self._weights[:rows], weight_sum)
        for first in range(0, rows, self.batch_size):
            n_rows = min(self.batch_size, rows - first)
            x, targets = self._x[:n_rows], self._targets[:n_rows]
            gather_batch(supply.X, supply.y, places, self.cursor, x, targets)
            start = first if supply.weights is not None else 0
            weights = self._weights[start : start + n_rows]
            yield Batch(x, targets, weights, weight_sum, first == 0, first + n_rows == rows)

    def finish(self, batch: Batch, losses: BufferView) -> None:
        """Record the end of a batch."""
        updates = int(batch.is_last)
        finish_batch(losses, batch.weights, self.running_loss, self.cursor, self.step, updates)

    def finish_epoch(self) -> None:
        """Record the end of an epoch."""
        finish_epoch(self.running_loss, self.cursor, self.slot, self._run_epochs, self.loss_sums)

    def write_orders(self, orders: Sequence[np.ndarray | None]) -> None:
        """Set the orders of the epochs of the next run, up to `n_slots`; None leaves them."""
        if orders[0] is not None:
            written = self.orders[: len(orders) * len(self.samples)].array
            written.reshape(len(orders), -1)[...] = orders
        if self.n_slots > 1:
            self._run_epochs.array[...] = len(orders)

    def go_to(self, step: int, running_loss: float) -> None:
        """Go to behind a step of an epoch, with what the losses up to there add up to."""
        self.cursor.array[...] = step * self.step_rows
        self.slot.array[...] = 0
        self.running_loss.array[...] = running_loss

    def weight_before(self, step: int) -> float:
        """Return the weights of the samples of the first steps of the epoch's order."""
        n_samples, weights = min(step * self.step_rows, len(self.samples)), self.samples.weights
        if weights is None:
            return float(n_samples)
        return float(weights[self.order.read()[:n_samples]].sum(dtype=np.float64))

    def run(
        self,
        plan: Plan,
        name: str,
        epoch: int = 0,
        ahead: Ahead | None = None,
        *,
        start: int = 0,
        pace: Pace = UNPACED,
    ) -> int:
        """Replay an epoch, in the order that was written, or the rest of one.

        Parameters
        ----------
        plan
        name
            Of the recordings: `name`, and `name` + "_last" for the last step.
        epoch
            Its number.
        ahead
            What it is expected to be followed by.
        start
            How many of its steps were done before.
        pace
            Where to pause, and what ends it.

        Returns
        -------
        int
            How many of its steps are done; fewer than `n_steps` where `pace` ended it.
        """
        done = start
        try:
            self.supply.begin(Coming(self.order.read(), epoch, start * self.step_rows), ahead)
            for n_samples in self.supply.chunks():
                end = done + -(-n_samples // self.step_rows)
                done = self._run_steps(plan, name, done, end, pace)
                if done < end:
                    break
            if self.supply.is_streamed:
                plan.wait()
        finally:
            self.supply.end()
        return done

    def _run_steps(self, plan: Plan, name: str, done: int, end: int, pace: Pace) -> int:
        """Replay steps up to `end` of the epoch, and return how many of it are done."""
        # A device that has the next chunk already need not wait until the host knows of the last.
        replay = plan.launch if self.supply.is_streamed else plan.run
        while done < end:
            full = min(end, self.n_steps - 1) - done
            asked = pace.at_most(full) if full else 1
            taken = replay(asked, name if full else f"{name}_last", pace.word)
            done += taken
            pace.advance(taken)
            if taken < asked:
                break
        return done

    def mean_losses(self) -> np.ndarray:
        """Return the weighted mean losses of the epochs of the last run, of shape (n_slots,)."""
        return self.loss_sums.read().astype(np.float64) / self._total_weight
