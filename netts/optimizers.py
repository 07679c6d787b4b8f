"""Optimisers: how a gradient changes the parameters.

All parameters of a network lie in one flat vector, those that decay first, and so do the gradients
and each part of the optimiser's state: one kernel is one pass over all of them. The L2 penalty
adds `l2 * parameter / weight_sum` to the gradient (scikit-learn's `alpha`, per sample of the
batch); a network with a penalty runs the kernel twice, over the vector's decaying range and over
the rest with l2 = 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from netts.choices import choose_or_take
from netts.compiler import accelerate, parallel
from netts.compiler.functions import expm1, sqrt
from netts.devices.memory import BufferView
from netts.hyperparameters import check_real


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
    learning_rate, weight_sum
        One element each, of the parameters' dtype.
    step
        The number of updates before this one, int64 of shape (1,).
    """

    parameters: BufferView
    gradients: BufferView
    state: Mapping[str, BufferView]
    learning_rate: BufferView
    weight_sum: BufferView
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

    def update(self, at: OptimizerBuffers, l2: float) -> None:
        """Call the kernel that changes `at.parameters`."""
        ...


@accelerate
def sgd(parameters, gradients, learning_rate, weight_sum, l2):
    """Subtract learning_rate * gradient."""
    rate = learning_rate[0]
    decay = l2 / weight_sum[0]
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i] + decay * parameters[i]
        parameters[i] -= rate * gradient


@accelerate
def sgd_momentum(parameters, gradients, velocity, learning_rate, weight_sum, l2, momentum):
    """Add the velocity, which decays by momentum and gains -learning_rate * gradient."""
    rate = learning_rate[0]
    decay = l2 / weight_sum[0]
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i] + decay * parameters[i]
        now = momentum * velocity[i] - rate * gradient
        velocity[i] = now
        parameters[i] += now


@accelerate
def sgd_nesterov(parameters, gradients, velocity, learning_rate, weight_sum, l2, momentum):
    """Add the velocity that momentum would lead to next: Sutskever et al., ICML 2013, section 2."""
    rate = learning_rate[0]
    decay = l2 / weight_sum[0]
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i] + decay * parameters[i]
        now = momentum * velocity[i] - rate * gradient
        velocity[i] = now
        parameters[i] += momentum * now - rate * gradient


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent; the update is scikit-learn's, term by term.

    Parameters
    ----------
    learning_rate : float > 0
    momentum : float in [0, 1]
    nesterov : bool
        Whether the velocity looks one step ahead; without momentum it makes no difference.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = True

    def __post_init__(self) -> None:
        check_real("learning_rate", self.learning_rate, "(0, inf)")
        check_real("momentum", self.momentum, "[0, 1]")

    @property
    def state_names(self) -> tuple[str, ...]:
        """`velocity`, or nothing without momentum."""
        return ("velocity",) if self.momentum else ()

    def update(self, at: OptimizerBuffers, l2: float) -> None:
        """Call the kernel."""
        if not self.momentum:
            sgd(at.parameters, at.gradients, at.learning_rate, at.weight_sum, l2)
            return
        kernel = sgd_nesterov if self.nesterov else sgd_momentum
        kernel(
            at.parameters,
            at.gradients,
            at.state["velocity"],
            at.learning_rate,
            at.weight_sum,
            l2,
            self.momentum,
        )


@accelerate
def adam(
    parameters, gradients, first_moment, second_moment, learning_rate, step, weight_sum, l2,
    beta_1, beta_2, log_beta_1, log_beta_2, epsilon, epsilon_hat,
):  # fmt: skip
    """Subtract rate * first_moment / (sqrt(second_moment) + floor).

    The bias corrections 1 - beta^t = -expm1(t log(beta)) keep their digits in float32 too.
    """
    t = step[0] + 1
    correction_1 = -expm1(t * log_beta_1)
    correction_2 = sqrt(-expm1(t * log_beta_2))
    rate = learning_rate[0] * correction_2 / correction_1
    floor = epsilon * correction_2 + epsilon_hat
    decay = l2 / weight_sum[0]
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i] + decay * parameters[i]
        mean = beta_1 * first_moment[i] + (1.0 - beta_1) * gradient
        square = beta_2 * second_moment[i] + (1.0 - beta_2) * (gradient * gradient)
        first_moment[i] = mean
        second_moment[i] = square
        parameters[i] -= rate * mean / (sqrt(square) + floor)


@dataclass(frozen=True)
class Adam:
    """Adam: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Parameters
    ----------
    learning_rate : float > 0
    beta_1, beta_2 : float in [0, 1)
        How much of the mean of the gradients, and of their squares, each step keeps.
    epsilon : float > 0
    epsilon_hat : bool
        Where epsilon stands. False: beside the corrected root, Algorithm 1, as in PyTorch. True:
        beside the root before its correction, the end of section 2 there, as in scikit-learn and
        Keras; early steps are then longer.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False

    def __post_init__(self) -> None:
        check_real("learning_rate", self.learning_rate, "(0, inf)")
        check_real("beta_1", self.beta_1, "[0, 1)")
        check_real("beta_2", self.beta_2, "[0, 1)")
        check_real("epsilon", self.epsilon, "(0, inf)")

    @property
    def state_names(self) -> tuple[str, ...]:
        """The running means of the gradients and of their squares."""
        return ("first_moment", "second_moment")

    def update(self, at: OptimizerBuffers, l2: float) -> None:
        """Call the kernel."""
        adam(
            at.parameters,
            at.gradients,
            at.state["first_moment"],
            at.state["second_moment"],
            at.learning_rate,
            at.step,
            at.weight_sum,
            l2,
            self.beta_1,
            self.beta_2,
            _log(self.beta_1),
            _log(self.beta_2),
            epsilon=0.0 if self.epsilon_hat else self.epsilon,
            epsilon_hat=self.epsilon if self.epsilon_hat else 0.0,
        )


def _log(beta: float) -> float:
    return math.log(beta) if beta else -math.inf


OPTIMIZERS: dict[str, Optimizer] = {"sgd": SGD(), "adam": Adam()}


def optimizer_from(optimizer: str | Optimizer) -> Optimizer:
    """Return an optimiser with its defaults by name, or the one that is passed.

    Raises
    ------
    ParameterError
        Where no optimiser has that name, or it is no optimiser.
    """
    needs = ("learning_rate", "state_names", "update")
    return choose_or_take("optimizer", optimizer, OPTIMIZERS, needs)
