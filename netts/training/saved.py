"""What a checkpoint holds: a training that stands between two steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netts.errors import BrokenModelError
from netts.network import Network
from netts.network.saved import SavedNetwork
from netts.network.saved import registry as network_registry
from netts.network.saving import network_from
from netts.optimizers import Outcome
from netts.persistence.forms import Registry
from netts.training.generators import SavedGenerator
from netts.training.history import Epoch, History, Measures
from netts.training.resumable import Position, Resumable

KIND = "checkpoint"
"""What the file says that it holds."""

Snapshot = tuple[np.ndarray, ...]
"""Parameters and layer state, each as one vector."""


@dataclass(frozen=True)
class SavedWatch:
    """What early stopping has seen: the attributes of a `Plateau`."""

    best: float
    waited: int
    is_reached: bool


@dataclass(frozen=True)
class SavedTraining:
    """A training as plain values and arrays.

    Attributes
    ----------
    network
        With its weights.
    settings, data
        What the training is of, by names that people know: to be compared.
    resumable
        Without its generator.
    generator
    shuffle
        What the function that gives the order of an epoch remembers; None without one.
    history
    watch
        None without early stopping.
    last
        The snapshot of the last epoch that ended, where the weights are later ones; None where
        they are not.
    best
        That of the best epoch; None where there is none, or it is the last one.
    is_best_last
        Whether that is so.
    """

    network: SavedNetwork
    settings: dict[str, str]
    data: dict[str, str]
    resumable: Resumable
    generator: SavedGenerator
    history: History
    shuffle: dict[str, Any] | None = None
    watch: SavedWatch | None = None
    last: Snapshot | None = None
    best: Snapshot | None = None
    is_best_last: bool = False

    def __post_init__(self) -> None:
        resumable, position = self.resumable, self.resumable.position
        words, optimizer, n_epochs = resumable.words, resumable.optimizer, len(self.history.epochs)
        _require(self.network.weights is not None, "the network has no weights")
        _require(
            words is not None and words.shape == (3,) and words.dtype == np.int64,
            "there are not three words of 64 bits",
        )
        _require(
            optimizer is not None and optimizer.ndim == 1 and optimizer.dtype == np.uint8,
            "the optimiser's state is no vector of bytes",
        )
        counts = (n_epochs, self.history.steps, resumable.samples)
        _require(resumable.epochs >= n_epochs and min(counts) >= 0, "counts of epochs")
        best = self.history.best_epoch
        _require(best is None or 0 < best <= n_epochs, "the best epoch is none of the history")
        if position is None:
            return
        order = position.order
        _require(position.step >= 0 and self.history.steps >= position.step, "counts of steps")
        _require(
            order is None
            or (order.ndim == 1 and order.dtype == np.int64 and is_permutation(order)),
            "the order of the samples is none",
        )

    @property
    def steps(self) -> int:
        """How many steps were done."""
        return self.history.steps

    def trained_network(self) -> Network:
        """Return the network as far as it was trained.

        Raises
        ------
        BrokenModelError
            Where its layers do not fit each other or the weights.
        """
        return network_from(self.network)


def is_permutation(order: np.ndarray) -> bool:
    """Tell whether an order has numbers that kernels may read by."""
    return len(order) > 0 and bool(order.min() >= 0) and bool(order.max() < len(order))


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenModelError(f"the checkpoint contradicts itself: {what}")


def registry() -> Registry:
    """Return what a checkpoint may name."""
    own = (
        SavedTraining, SavedWatch, SavedGenerator, Resumable, Position, History, Epoch, Measures,
        Outcome,
    )  # fmt: skip
    return {**network_registry(), **{one.__name__: one for one in own}}
