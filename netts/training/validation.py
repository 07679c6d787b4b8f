"""Validation: the loss and score of data that training does not see."""

from __future__ import annotations

import math

import numpy as np

from netts.graph import Plan, TaskGraph
from netts.layers.base import as_rows
from netts.losses import Loss
from netts.network import Network
from netts.network.inference import chunk_rows
from netts.network.propagation import Propagation
from netts.training.batches import Controls, Feed
from netts.training.history import Measures
from netts.training.kernels import keep_outputs
from netts.training.supply import Coming, Room, Samples

UNNAMED = ""
"""The name of the only set of validation data, where users gave it none."""


class Validation:
    """The recordings that measure validation data, in the graph of a training session.

    Parameters
    ----------
    network, loss
    samples
    batch_size
        Of training.
    graph
    controls
        Not allocated yet.
    room
        For the samples. Batches are smaller where two of them would take more, but never smaller
        than those of training.
    name
        Of the set, where there may be several.

    Attributes
    ----------
    recording
        The name of its recordings, the last of which ends with "_last".
    feed
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        samples: Samples,
        batch_size: int,
        graph: TaskGraph,
        controls: Controls,
        room: Room,
        name: str = UNNAMED,
    ) -> None:
        self.recording = f"validation {name}" if name else "validation"
        self.network, self.loss, self.graph = network, loss, graph
        rows = chunk_rows(network)
        if not room.holds(samples):
            rows = min(rows, room.chunk_rows(samples))
        rows = min(max(batch_size, rows), len(samples))
        step = controls.results.reserve((1,), np.int64)
        self.feed = Feed(samples, rows, graph, controls, step, room=room, is_reordered=False)
        n_outputs = math.prod(network.shapes[-1])
        self._outputs = controls.results.reserve((len(samples), n_outputs), network.dtype)

    def record(self) -> None:
        """Record the forward pass, its losses, and the outputs for the score."""
        self.feed.fill()
        propagation = Propagation(self.network, self.graph, self.feed.batch_size)
        losses = self.graph.transient((self.feed.batch_size,), self.network.dtype, "losses")
        for suffix, rows in self.feed.row_counts.items():
            with self.graph.recording(f"{self.recording}{suffix}"):
                (batch,) = self.feed.batches(rows)
                values = propagation.forward(*propagation.split(batch.x))
                output = as_rows(values[-1])
                self.loss.forward(output, batch.targets, losses[:rows])
                keep_outputs(output, self.feed.cursor, self._outputs)
                self.feed.finish(batch, losses[:rows])
                if suffix == "_last":
                    self.feed.finish_epoch()

    def run(self, plan: Plan, *, is_last: bool) -> None:
        """Replay it; data that are streamed are read ahead for the next time, unless it is last."""
        again = Coming(self.feed.order.read(), 0)
        self.feed.run(plan, self.recording, 0, None if is_last else lambda: again)

    def measures(self) -> Measures:
        """Return the weighted mean loss, without penalty, and the score of the last run."""
        samples = self.feed.samples
        score = self.loss.score(self._outputs.read(), samples.y, samples.weights)
        return Measures(float(self.feed.mean_losses()[0]), score)
