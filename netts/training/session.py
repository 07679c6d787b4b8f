"""A session: everything that one fit keeps in memory, and its recorded training step."""

from __future__ import annotations

import numpy as np

from netts.devices.memory import Arena, BufferView
from netts.errors import ParameterError
from netts.graph import TaskGraph
from netts.graph.profile import Profile
from netts.layers.base import RandomCounters, as_rows
from netts.losses import Loss
from netts.network import Network
from netts.network.parameters import ParameterSet
from netts.network.propagation import Propagation
from netts.optimizers import Optimizer, OptimizerBuffers
from netts.training.batches import Batch, Controls, Feed, Samples
from netts.training.kernels import add_penalty, copy_vector, count_not_finite
from netts.training.validation import Validation


class Session:
    """The buffers and the plan of one fit.

    The recordings are `step` and `step_last`, a training step on a full batch and on the last one,
    which may be shorter and ends the epoch; `validation` and `validation_last` where there is
    validation data; `keep_0`, which copies what the network has learned to a snapshot, `restore_0`,
    which copies it back, and so on. On a device with memory of its own, snapshots stay there.

    Parameters
    ----------
    network
        Built; its parameters change in place.
    loss, optimizer, l2, device, precision
        As `Trainer` takes them.
    training, validation
    batch_size
        At most the number of training samples.
    key
        Two 32-bit words that random layers draw from.
    n_snapshots
        How many there are to be.
    """

    def __init__(
        self,
        network: Network,
        *,
        loss: Loss,
        optimizer: Optimizer,
        training: Samples,
        validation: Samples | None,
        batch_size: int,
        l2: float,
        key: np.ndarray,
        n_snapshots: int,
        device: str,
        precision: str | None = None,
    ) -> None:
        self.network, self.loss, self.optimizer, self.l2 = network, loss, optimizer, l2
        self.graph = TaskGraph()
        self._gradients = network.parameters.like("gradients")
        self._reserve_optimizer()
        controls = Controls.open()
        self._key = controls.inputs.reserve((2,), np.int64)
        self._rate = controls.inputs.reserve((1,), network.dtype)
        self._not_finite = controls.results.reserve((1,), np.int64)
        self.feed = Feed(training, batch_size, self.graph, controls, self._step, is_reordered=True)
        self._validation = (
            Validation(network, loss, validation, batch_size, self.graph, controls)
            if validation is not None
            else None
        )
        controls.allocate()
        self.feed.fill()
        self._key.array[...] = key
        self._record()
        self._record_snapshots(n_snapshots)
        self.plan = self.graph.compile(device=device, precision=precision)

    def _reserve_optimizer(self) -> None:
        arena = Arena("optimizer")
        self._step = arena.reserve((1,), np.int64)
        self._optimizer_state = {
            name: arena.reserve(self.network.parameters.flat.shape, self.network.dtype)
            for name in self.optimizer.state_names
        }
        self._optimizer_arena = arena.allocate()

    def _record(self) -> None:
        feed, shapes, dtype = self.feed, self.network.shapes, self.network.dtype
        propagation = Propagation(
            self.network,
            self.graph,
            feed.batch_size,
            gradients=self._gradients,
            random=RandomCounters(feed.order, feed.cursor, self._step, self._key, stream=0),
        )
        losses = self.graph.transient((feed.batch_size,), dtype, "losses")
        gradient = self.graph.transient((feed.batch_size, *shapes[-1]), dtype, "gradient of loss")
        for suffix, rows in feed.row_counts.items():
            with self.graph.recording(f"step{suffix}"):
                batch = self._record_step(propagation, losses[:rows], gradient[:rows])
                self.feed.finish(batch, losses[:rows], is_last=suffix == "_last")
                if suffix == "_last":
                    count_not_finite(self.network.parameters.flat, self._not_finite)
        if self._validation is not None:
            self._validation.record()

    def _record_snapshots(self, n_snapshots: int) -> None:
        for slot in range(n_snapshots):
            kept = [(one.flat, one.like(f"snapshot {slot}").flat) for one in self._learned]
            with self.graph.recording(f"keep_{slot}"):
                for flat, copy in kept:
                    copy_vector(flat, copy)
            with self.graph.recording(f"restore_{slot}"):
                for flat, copy in kept:
                    copy_vector(copy, flat)

    def _record_step(
        self, propagation: Propagation, losses: BufferView, gradient: BufferView
    ) -> Batch:
        rows = losses.shape[0]
        batch = self.feed.gather(rows)
        values = propagation.forward(*propagation.split(batch.x))
        output, grad_output = as_rows(values[-1]), as_rows(gradient)
        self.loss.forward(output, batch.targets, losses)
        self.loss.backward(
            output, batch.targets, losses, batch.weights, batch.weight_sum, grad_output
        )
        propagation.backward(values, gradient)
        self._record_update(batch.weight_sum)
        return batch

    def _record_update(self, weight_sum: BufferView) -> None:
        flat, n_decaying = self.network.parameters.flat, self.network.parameters.n_decaying
        if self.l2 and n_decaying:
            add_penalty(flat[:n_decaying], self.feed.running_loss, self.l2)
            self._update(slice(0, n_decaying), self.l2, weight_sum)
            self._update(slice(n_decaying, None), 0.0, weight_sum)
        else:
            self._update(slice(None), 0.0, weight_sum)

    def _update(self, part: slice, l2: float, weight_sum: BufferView) -> None:
        parameters = self.network.parameters.flat[part]
        if not parameters.size:
            return
        self.optimizer.update(
            OptimizerBuffers(
                parameters,
                self._gradients.flat[part],
                {name: view[part] for name, view in self._optimizer_state.items()},
                self._rate,
                weight_sum,
                self._step,
            ),
            l2,
        )

    def run_epoch(self, learning_rate: float, order: np.ndarray | None) -> None:
        """Train on every batch once, and measure the validation data.

        Nothing is read from the device before all of it is under way, so that it comes down once.

        Parameters
        ----------
        learning_rate
        order : int64 array of shape (n_samples,), optional
            The order of the samples; that of the epoch before by default.
        """
        self._rate.array[0] = learning_rate
        if order is not None:
            self.feed.order.array[...] = order
        self.feed.run(self.plan, "step")
        if self._validation is not None:
            self._validation.run(self.plan)

    @property
    def mean_loss(self) -> float:
        """The weighted mean loss of the last epoch, penalty included."""
        return self.feed.mean_loss

    @property
    def is_finite(self) -> bool:
        """Whether all parameters were, behind the last epoch."""
        return not self._not_finite.read()[0]

    def validation_measures(self) -> tuple[float, float] | None:
        """Return mean loss and score of the validation data, None where there is none."""
        return None if self._validation is None else self._validation.measures()

    def keep(self, slot: int) -> None:
        """Copy what the network has learned, parameters and layer state, to a snapshot."""
        self.plan.run(recording=f"keep_{slot}")

    def restore(self, slot: int) -> None:
        """Go back to a snapshot; the optimiser's state stays what it is."""
        self.plan.run(recording=f"restore_{slot}")

    def profile(self, steps: int, slot: int) -> Profile:
        """Time the operations of a training step, and leave everything as it was.

        Parameters
        ----------
        steps
            How many, at most the full batches of an epoch.
        slot
            A snapshot of what the network has learned up to now, to go back to.
        """
        name, available = (
            ("step", self.feed.n_steps - 1) if self.feed.n_steps > 1 else ("step_last", 1)
        )
        optimizer = self._optimizer_arena.flat(np.uint8).read().copy()
        try:
            self.plan.run(recording=name)  # the first step warms caches
            self.feed.rewind()
            return self.plan.profile(min(steps, available), recording=name)
        finally:
            self.feed.rewind()
            self.restore(slot)
            self.restore_optimizer(optimizer)

    @property
    def _learned(self) -> list[ParameterSet]:
        """What training changes of the network: parameters, and layer state where there is some."""
        return [one for one in (self.network.parameters, self.network.state) if one.flat.size]

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

    def optimizer_state(self) -> np.ndarray | None:
        """Return the bytes of the optimiser's state and of its step count, the memory itself.

        None where nothing can go on from it: what is not finite stays so.
        """
        views = self._optimizer_state.values()
        is_finite = all(bool(np.isfinite(view.read()).all()) for view in views)
        return self._optimizer_arena.flat(np.uint8).read() if is_finite else None

    def restore_optimizer(self, kept: np.ndarray) -> None:
        """Go on with the optimiser's state of another session.

        Raises
        ------
        ParameterError
            Where it is that of another optimiser or network.
        """
        state = self._optimizer_arena.flat(np.uint8)
        if kept.shape != state.shape:
            raise ParameterError(
                f"the fit to resume kept {kept.nbytes} bytes of optimiser state, this one keeps "
                f"{state.nbytes}: resume with the same optimiser and network, or fit anew"
            )
        state.array[...] = kept
