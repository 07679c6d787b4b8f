"""Adam and AdamW: steps as long as the gradient's mean is beside its spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.compiler.functions import expm1, sqrt
from netts.hyperparameters import check_real
from netts.optimizers.base import OptimizerBuffers


@accelerate
def adam(
    parameters, gradients, first_moment, second_moment, learning_rate, step,
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
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i]
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
    weight_decay : float >= 0
        Decoupled: `Optimizer.weight_decay`.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_real("learning_rate", self.learning_rate, "(0, inf)")
        check_real("beta_1", self.beta_1, "[0, 1)")
        check_real("beta_2", self.beta_2, "[0, 1)")
        check_real("epsilon", self.epsilon, "(0, inf)")
        check_real("weight_decay", self.weight_decay, "[0, inf)")

    @property
    def state_names(self) -> tuple[str, ...]:
        """The running means of the gradients and of their squares."""
        return ("first_moment", "second_moment")

    def update(self, at: OptimizerBuffers) -> None:
        """Call the kernel."""
        adam(
            at.parameters,
            at.gradients,
            at.state["first_moment"],
            at.state["second_moment"],
            at.learning_rate,
            at.step,
            self.beta_1,
            self.beta_2,
            _log(self.beta_1),
            _log(self.beta_2),
            epsilon=0.0 if self.epsilon_hat else self.epsilon,
            epsilon_hat=self.epsilon if self.epsilon_hat else 0.0,
        )


def _log(beta: float) -> float:
    return math.log(beta) if beta else -math.inf


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: Loshchilov and Hutter, ICLR 2019, Algorithm 2.

    Parameters and defaults are Adam's but for `weight_decay`, which is PyTorch's 0.01.
    """

    weight_decay: float = 0.01
