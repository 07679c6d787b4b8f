"""A session: everything that one fit keeps in memory, and its recorded training step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netts.devices.memory import Arena, BufferView
from netts.errors import ParameterError
from netts.graph import TaskGraph
from netts.layers.base import RandomCounters, as_rows
from netts.losses import Loss
from netts.network import Network
from netts.network.propagation import Propagation
from netts.optimizers import Optimizer, OptimizerBuffers
from netts.training.batches import Feed, Samples
from netts.training.kernels import add_penalty
from netts.training.validation import Validation


@dataclass(frozen=True)
class Snapshot:
    """Copies of what a network has learned: its parameters and layer state."""

    arenas: tuple[np.ndarray, ...]


class Session:
    """The buffers and the plan of one fit.

    The recordings are `step` and `step_last`, a training step on a full and on a shorter last
    batch, and `validation` and `validation_last` where there is validation data.

    Parameters
    ----------
    network
        Built; its parameters change in place.
    loss, optimizer, l2, device
        As `Trainer` takes them.
    training, validation
    batch_size
        At most the number of training samples.
    key
        Two 32-bit words that random layers draw from.
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
        device: str,
    ) -> None:
        self.network, self.loss, self.optimizer, self.l2 = network, loss, optimizer, l2
        self.graph = TaskGraph()
        self._gradients = network.parameters.like("gradients")
        self._reserve_optimizer()
        controls = Arena("controls")
        self._key = controls.reserve((2,), np.int64)
        self._rate = controls.reserve((1,), network.dtype)
        self.feed = Feed(training, batch_size, self.graph, controls, self._step)
        self._validation = (
            Validation(network, loss, validation, batch_size, self.graph, controls)
            if validation is not None
            else None
        )
        controls.allocate()
        self.feed.fill()
        self._key.array[...] = key
        self._record()
        if self._validation is not None:
            self._validation.record()
        self.plan = self.graph.compile(device=device)

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
                self._record_step(propagation, losses[:rows], gradient[:rows])

    def _record_step(
        self, propagation: Propagation, losses: BufferView, gradient: BufferView
    ) -> None:
        rows = losses.shape[0]
        batch = self.feed.gather(rows)
        values = propagation.forward(batch.x.reshape(rows, *self.network.shapes[0]))
        output, grad_output = as_rows(values[-1]), as_rows(gradient)
        self.loss.forward(output, batch.targets, losses)
        self.loss.backward(
            output, batch.targets, losses, batch.weights, batch.weight_sum, grad_output
        )
        propagation.backward(values, gradient)
        self._record_update(batch.weight_sum)
        self.feed.finish(batch, losses)

    def _record_update(self, weight_sum: BufferView) -> None:
        flat, n_decaying = self.network.parameters.flat, self.network.parameters.n_decaying
        if self.l2 and n_decaying:
            add_penalty(flat[:n_decaying], self.feed.loss_sum, self.l2)
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

    def run_epoch(self, learning_rate: float, order: np.ndarray | None) -> float:
        """Train on every batch once and return the weighted mean loss, penalty included."""
        self._rate.array[0] = learning_rate
        return self.feed.run(self.plan, "step", order)

    def validate(self) -> tuple[float, float] | None:
        """Return mean loss and score of the validation data, None where there is none."""
        return None if self._validation is None else self._validation.run(self.plan)

    @property
    def is_finite(self) -> bool:
        """Whether all parameters are."""
        return bool(np.isfinite(self.network.parameters.flat.array).all())

    @cached_property
    def _arenas(self) -> tuple[np.ndarray, ...]:
        """The bytes of what the network learns."""
        arenas = (self.network.parameters.arena, self.network.state.arena)
        return tuple(arena.flat(np.uint8).array for arena in arenas)

    def snapshot(self, into: Snapshot | None = None) -> Snapshot:
        """Return a copy of what the network has learned, in the memory of another or in new."""
        if into is None:
            return Snapshot(tuple(arena.copy() for arena in self._arenas))
        for kept, arena in zip(into.arenas, self._arenas, strict=True):
            kept[...] = arena
        return into

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot; the optimiser's state stays what it is."""
        for arena, kept in zip(self._arenas, snapshot.arenas, strict=True):
            arena[...] = kept

    def optimizer_state(self) -> np.ndarray | None:
        """Return the bytes of the optimiser's state and of its step count, the memory itself.

        None where nothing can go on from it: what is not finite stays so.
        """
        views = self._optimizer_state.values()
        is_finite = all(bool(np.isfinite(view.array).all()) for view in views)
        return self._optimizer_arena.flat(np.uint8).array if is_finite else None

    def restore_optimizer(self, kept: np.ndarray) -> None:
        """Go on with the optimiser's state of another session.

        Raises
        ------
        ParameterError
            Where it is that of another optimiser or network.
        """
        state = self._optimizer_arena.flat(np.uint8).array
        if kept.shape != state.shape:
            raise ParameterError(
                f"the fit to resume kept {kept.nbytes} bytes of optimiser state, this one keeps "
                f"{state.nbytes}: resume with the same optimiser and network, or fit anew"
            )
        state[...] = kept
