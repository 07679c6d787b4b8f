"""Losses: what training makes small. Every one takes raw outputs and a weight for each row."""

from __future__ import annotations

from netts.choices import choose
from netts.errors import ParameterError
from netts.losses.base import Loss
from netts.losses.cross_entropy import BinaryCrossEntropy, CrossEntropy
from netts.losses.poisson import Poisson
from netts.losses.squared_error import SquaredError

__all__ = [
    "LOSSES",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Loss",
    "Poisson",
    "SquaredError",
    "loss_from",
]

LOSSES: dict[str, Loss] = {
    "cross_entropy": CrossEntropy(),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "squared_error": SquaredError(),
    "poisson": Poisson(),
}


def loss_from(loss: str | Loss) -> Loss:
    """Return a loss by name, or the one that is passed.

    Raises
    ------
    ParameterError
        Where no loss has that name.
    """
    if isinstance(loss, str):
        return choose("loss", loss, LOSSES)
    if not hasattr(loss, "backward"):
        raise ParameterError(f"a loss is a name or a Loss, got {loss!r}")
    return loss
