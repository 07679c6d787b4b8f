"""Batches: rows of a data set, gathered inside the plan.

Per epoch the host writes the order of the samples. Each step gathers the rows that come next,
adds up its losses and moves a cursor; the last one sets the cursor back and gives the sum. No step
needs the host, but for a streamed data set to have its next chunk loaded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netts.devices.memory import Arena, BufferView, Lifetime
from netts.graph import Plan, TaskGraph
from netts.training.kernels import finish_batch, finish_epoch, gather_batch, gather_weights
from netts.training.supply import Ahead, Coming, Room, Samples, supply_of


@dataclass(frozen=True)
class Batch:
    """The arrays of a batch, as the loss takes them."""

    x: BufferView
    targets: BufferView
    weights: BufferView
    weight_sum: BufferView


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
    """

    fixed: Arena
    inputs: Arena
    results: Arena

    @classmethod
    def open(cls) -> Controls:
        """Return arenas to reserve in."""
        return cls(Arena("fixed", Lifetime.CONSTANT), Arena("inputs"), Arena("results"))

    def allocate(self) -> None:
        """Give all arrays their memory."""
        for arena in (self.fixed, self.inputs, self.results):
            arena.allocate()


class Feed:
    """Gives a task graph the batches of one data set, one after the other.

    Parameters
    ----------
    samples
    batch_size
        Of all batches but the last.
    graph
    controls
        Not allocated yet; order, cursor and sums are reserved in them.
    step
        Counts the batches given, int64 of shape (1,).
    room
        For the samples.
    is_reordered
        Whether epochs may have orders of their own.

    Attributes
    ----------
    supply
    cursor, running_loss
        How many samples of an epoch were gathered so far, and what their losses add up to, both of
        shape (1,); zero between epochs.
    loss_sum
        What the losses of the last epoch add up to, of shape (1,).
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
    ) -> None:
        self.samples = samples
        self.supply = supply_of(samples, batch_size, room, controls.fixed)
        self.batch_size = batch_size
        self.n_steps = -(-len(samples) // batch_size)
        self.n_last = len(samples) - (self.n_steps - 1) * batch_size
        self.step = step
        dtype = samples.X.dtype
        orders = controls.inputs if is_reordered else controls.fixed
        self.order = orders.reserve((len(samples),), np.int64)
        self.cursor = controls.results.reserve((1,), np.int64)
        self.running_loss = controls.results.reserve((1,), dtype)
        self.loss_sum = controls.results.reserve((1,), dtype)
        self._x = graph.transient((batch_size, samples.X.shape[1]), dtype, "x")
        self._targets = graph.transient((batch_size, samples.y.shape[1]), samples.y.dtype, "y")
        if samples.weights is not None:
            self._weights = graph.transient((batch_size,), dtype, "weights")
            self._weight_sums = graph.transient((2,), dtype, "weight sum")
        else:
            self._weights = controls.fixed.reserve((batch_size,), dtype)
            self._weight_sums = controls.fixed.reserve((2,), dtype)

    def fill(self) -> None:
        """Write what no step changes, once the controls are allocated."""
        self.order.array[...] = np.arange(len(self.samples))
        self.supply.fill()
        if self.samples.weights is None:
            self._weights.array[...] = 1
            self._weight_sums.array[...] = self.batch_size, self.n_last

    def renew(self, samples: Samples) -> None:
        """Begin anew with other samples of the same form, copied over those that there are."""
        for name in ("X", "y", "weights"):
            if (kept := getattr(self.samples, name)) is not None:
                kept[...] = getattr(samples, name)
        self.order.array[...] = np.arange(len(samples))
        self.rewind()

    @property
    def row_counts(self) -> dict[str, int]:
        """The rows of a batch by the end of its recording's name.

        The last one is apart: it may be shorter, and ends the epoch.
        """
        return ({"": self.batch_size} if self.n_steps > 1 else {}) | {"_last": self.n_last}

    def steps(self, name: str) -> dict[str, int]:
        """Return how often an epoch replays each of the recordings that `run` takes."""
        return {f"{name}{end}": 1 if end else self.n_steps - 1 for end in self.row_counts}

    def gather(self, rows: int) -> Batch:
        """Record the gathering of the next `rows` samples."""
        x, targets, weights = self._x[:rows], self._targets[:rows], self._weights[:rows]
        weight_sum = self._weight_sums[:1] if rows == self.batch_size else self._weight_sums[1:]
        supply = self.supply
        places = self.order if supply.places is None else supply.places
        gather_batch(supply.X, supply.y, places, self.cursor, x, targets)
        if supply.weights is not None:
            gather_weights(supply.weights, places, self.cursor, weights, weight_sum)
        return Batch(x, targets, weights, weight_sum)

    def finish(self, batch: Batch, losses: BufferView, *, is_last: bool) -> None:
        """Record the end of a batch, and behind the last one that of the epoch."""
        finish_batch(losses, batch.weights, self.running_loss, self.cursor, self.step)
        if is_last:
            finish_epoch(self.running_loss, self.cursor, self.loss_sum)

    def rewind(self) -> None:
        """Go back to the start of an epoch from anywhere in it."""
        self.cursor.array[...] = 0
        self.running_loss.array[...] = 0

    def run(self, plan: Plan, name: str, epoch: int = 0, ahead: Ahead | None = None) -> None:
        """Replay an epoch, in the order that was written.

        Parameters
        ----------
        plan
        name
            Of the recordings: `name`, and `name` + "_last" for the last batch.
        epoch
            Its number.
        ahead
            What it is expected to be followed by.
        """
        # A device that has the next chunk already need not wait until the host knows of the last.
        run, left = plan.launch if self.supply.is_streamed else plan.run, self.n_steps
        try:
            self.supply.begin(Coming(self.order.read(), epoch), ahead)
            for n_samples in self.supply.chunks():
                steps = -(-n_samples // self.batch_size)
                left -= steps
                full = steps if left else steps - 1
                if full:
                    run(full, name)
                if not left:
                    run(1, f"{name}_last")
            if self.supply.is_streamed:
                plan.wait()
        finally:
            self.supply.end()

    @property
    def mean_loss(self) -> float:
        """The weighted mean loss of the epoch that was replayed."""
        return float(self.loss_sum.read()[0]) / self.samples.total_weight
