"""Optimisers: how a gradient changes the parameters."""

from __future__ import annotations

from netts.choices import choose_or_take
from netts.optimizers.adadelta import AdaDelta
from netts.optimizers.adagrad import AdaGrad
from netts.optimizers.adam import Adam, AdamW
from netts.optimizers.base import Optimizer, OptimizerBuffers
from netts.optimizers.lbfgs import LBFGS, Minimizer, Outcome, is_minimizer
from netts.optimizers.rmsprop import RMSProp
from netts.optimizers.sgd import SGD

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Minimizer",
    "Optimizer",
    "OptimizerBuffers",
    "Outcome",
    "RMSProp",
    "optimizer_from",
]

AnyOptimizer = Optimizer | Minimizer

OPTIMIZERS: dict[str, AnyOptimizer] = {
    "sgd": SGD(),
    "adam": Adam(),
    "adamw": AdamW(),
    "adagrad": AdaGrad(),
    "rmsprop": RMSProp(),
    "adadelta": AdaDelta(),
    "lbfgs": LBFGS(),
}


def optimizer_from(optimizer: str | AnyOptimizer) -> AnyOptimizer:
    """Return an optimiser with its defaults by name, or the one that is passed.

    Raises
    ------
    ParameterError
        Where no optimiser has that name, or it is no optimiser.
    """
    if not isinstance(optimizer, str | type) and is_minimizer(optimizer):
        return optimizer
    needs = ("learning_rate", "state_names", "weight_decay", "update")
    return choose_or_take("optimizer", optimizer, OPTIMIZERS, needs)
