"""Optimisers: how a gradient changes the parameters."""

from __future__ import annotations

from netts.choices import choose_or_take
from netts.optimizers.adadelta import AdaDelta
from netts.optimizers.adagrad import AdaGrad
from netts.optimizers.adam import Adam, AdamW
from netts.optimizers.base import Optimizer, OptimizerBuffers
from netts.optimizers.rmsprop import RMSProp
from netts.optimizers.sgd import SGD

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "OptimizerBuffers",
    "RMSProp",
    "optimizer_from",
]

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(),
    "adam": Adam(),
    "adamw": AdamW(),
    "adagrad": AdaGrad(),
    "rmsprop": RMSProp(),
    "adadelta": AdaDelta(),
}


def optimizer_from(optimizer: str | Optimizer) -> Optimizer:
    """Return an optimiser with its defaults by name, or the one that is passed.

    Raises
    ------
    ParameterError
        Where no optimiser has that name, or it is no optimiser.
    """
    needs = ("learning_rate", "state_names", "weight_decay", "update")
    return choose_or_take("optimizer", optimizer, OPTIMIZERS, needs)
