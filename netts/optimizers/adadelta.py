"""AdaDelta: steps in the units of the parameters, measured by the steps before."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.compiler.functions import sqrt
from netts.hyperparameters import check_real
from netts.optimizers.base import OptimizerBuffers


@accelerate
def adadelta(
    parameters, gradients, mean_square, mean_square_step, learning_rate, rho, epsilon,
):  # fmt: skip
    """Subtract rate * gradient * sqrt(mean_square_step + e) / sqrt(mean_square + e)."""
    rate = learning_rate[0]
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i]
        square = rho * mean_square[i] + (1.0 - rho) * (gradient * gradient)
        move = sqrt(mean_square_step[i] + epsilon) / sqrt(square + epsilon) * gradient
        mean_square[i] = square
        mean_square_step[i] = rho * mean_square_step[i] + (1.0 - rho) * (move * move)
        parameters[i] -= rate * move


@dataclass(frozen=True)
class AdaDelta:
    """AdaDelta: M. D. Zeiler, "ADADELTA: an adaptive learning rate method" (2012), Algorithm 1.

    Parameters
    ----------
    learning_rate : float > 0
        A factor of the steps, which is 1 in the paper.
    rho : float in [0, 1)
        How much of both means of squares each step keeps.
    epsilon : float > 0
    weight_decay : float >= 0
        Decoupled: `Optimizer.weight_decay`.
    """

    learning_rate: float = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_real("learning_rate", self.learning_rate, "(0, inf)")
        check_real("rho", self.rho, "[0, 1)")
        check_real("epsilon", self.epsilon, "(0, inf)")
        check_real("weight_decay", self.weight_decay, "[0, inf)")

    @property
    def state_names(self) -> tuple[str, ...]:
        """The running means of squares, of the gradients and of the steps."""
        return ("mean_square", "mean_square_step")

    def update(self, at: OptimizerBuffers) -> None:
        """Call the kernel."""
        adadelta(
            at.parameters,
            at.gradients,
            at.state["mean_square"],
            at.state["mean_square_step"],
            at.learning_rate,
            self.rho,
            self.epsilon,
        )
