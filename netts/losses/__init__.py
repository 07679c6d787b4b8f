"""Losses: what training makes small. Every one takes raw outputs and a weight for each row."""

from __future__ import annotations

from netts.choices import choose_or_take
from netts.errors import ParameterError
from netts.losses.base import LOSS_METHODS, Loss
from netts.losses.cross_entropy import BinaryCrossEntropy, CrossEntropy
from netts.losses.element import ElementLoss
from netts.losses.hinge import Hinge
from netts.losses.huber import Huber
from netts.losses.poisson import Poisson
from netts.losses.quantile import AbsoluteError, Quantile
from netts.losses.squared_error import SquaredError

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "ElementLoss",
    "Hinge",
    "Huber",
    "Loss",
    "Poisson",
    "Quantile",
    "SquaredError",
    "loss_from",
]

LOSSES: dict[str, Loss] = {
    "cross_entropy": CrossEntropy(),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "squared_error": SquaredError(),
    "poisson": Poisson(),
    "absolute_error": AbsoluteError(),
    "huber": Huber(),
    "quantile": Quantile(),
    "hinge": Hinge(),
}


def loss_from(loss: str | Loss) -> Loss:
    """Return a loss by name, or the one that is passed.

    Raises
    ------
    ParameterError
        Where no loss has that name, or it is no loss.
    """
    chosen = choose_or_take("loss", loss, LOSSES, LOSS_METHODS)
    if type(chosen).__hash__ is None:
        name = type(chosen).__name__
        raise ParameterError(
            f"loss {chosen!r} may change, and plans are kept by it: write "
            f"@dataclass(frozen=True) over class {name}"
        )
    return chosen
