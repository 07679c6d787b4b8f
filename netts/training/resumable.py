"""What a later fit needs to go on where one ended, between two epochs or within one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Position:
    """Where in an epoch a training stands that has not ended it.

    Attributes
    ----------
    step
        How many of its steps are done.
    order
        Of its samples, their numbers; None where it is that of the data.
    running_loss
        What the weighted losses of its samples add up to so far.
    seconds
        It has taken so far.
    """

    step: int
    order: np.ndarray | None
    running_loss: float
    seconds: float


@dataclass(frozen=True)
class Resumable:
    """What a later fit needs to go on where one ended.

    Attributes
    ----------
    optimizer
        The bytes of the optimiser's state and of its step count; None to begin with a new one, as
        after a fit that diverged.
    rate
        The learning rate of the next epoch; None for that of the optimiser.
    epochs, samples
        How many epochs have ended, and how many samples they trained on.
    generator
        Where the order of the next epoch is drawn from; None for the trainer's `random_state`.
    words
        What the fit drew once: the key of random layers, two words, and the seed of the samples
        that are held out; None to draw them.
    schedule
        What the schedule remembers.
    device
        Where the fit ran, and one that goes on with it does where "auto" chooses; None for any.
    position
        Where it stands in an epoch that was begun; None between epochs.
    """

    optimizer: np.ndarray | None = None
    rate: float | None = None
    epochs: int = 0
    samples: int = 0
    generator: np.random.Generator | None = None
    words: np.ndarray | None = None
    schedule: tuple[float, ...] = ()
    device: str | None = None
    position: Position | None = None
