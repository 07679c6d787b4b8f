"""What an optimiser is: how a gradient changes the parameters.

All parameters of a network lie in one flat vector, those that decay first, and so do the gradients
and each part of the optimiser's state: one kernel is one pass over all of them. What comes before
it, penalties, clipping and decay of weights, and behind it, limits of norms, is none of its
business (`netts.training.update`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from netts.devices.memory import BufferView


@dataclass(frozen=True)
class OptimizerBuffers:
    """The arrays of one update.

    Attributes
    ----------
    parameters, gradients
        Vectors of n elements; parameters change in place.
    state
        A vector of n elements for each name of `state_names`, zero before the first update; changes
        in place.
    learning_rate
        One element, of the parameters' dtype.
    step
        The number of updates before this one, int64 of shape (1,).
    """

    parameters: BufferView
    gradients: BufferView
    state: Mapping[str, BufferView]
    learning_rate: BufferView
    step: BufferView


class Optimizer(Protocol):
    """A rule that turns gradients into updates; a frozen dataclass without arrays."""

    @property
    def learning_rate(self) -> float:
        """The learning rate of the first epoch."""
        ...

    @property
    def state_names(self) -> tuple[str, ...]:
        """What the optimiser remembers of each parameter."""
        ...

    @property
    def weight_decay(self) -> float:
        """Of each weight, times the learning rate, what every step takes away; 0 for nothing.

        Decoupled from the gradient: I. Loshchilov, F. Hutter, "Decoupled weight decay
        regularization", ICLR 2019, equation 1. Biases and scales are excepted.
        """
        ...

    def update(self, at: OptimizerBuffers) -> None:
        """Call the kernel that changes `at.parameters`."""
        ...
