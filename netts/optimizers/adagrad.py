"""AdaGrad: the more a parameter has moved, the shorter its steps."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.compiler.functions import sqrt
from netts.hyperparameters import check_real
from netts.optimizers.base import OptimizerBuffers


@accelerate
def adagrad(
    parameters, gradients, squares, learning_rate, step, rate_decay, epsilon,
):  # fmt: skip
    """Add the gradient's square; subtract rate * gradient / (sqrt(squares) + epsilon)."""
    rate = learning_rate[0] / (1.0 + rate_decay * step[0])
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i]
        total = squares[i] + gradient * gradient
        squares[i] = total
        parameters[i] -= rate * gradient / (sqrt(total) + epsilon)


@dataclass(frozen=True)
class AdaGrad:
    """AdaGrad: J. Duchi, E. Hazan, Y. Singer, JMLR 12 (2011), equation 1; PyTorch's `Adagrad`.

    Parameters
    ----------
    learning_rate : float > 0
    rate_decay : float >= 0
        The learning rate of a step is divided by 1 + rate_decay * steps before it.
    epsilon : float > 0
    weight_decay : float >= 0
        Decoupled: `Optimizer.weight_decay`.
    """

    learning_rate: float = 0.01
    rate_decay: float = 0.0
    epsilon: float = 1e-10
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_real("learning_rate", self.learning_rate, "(0, inf)")
        check_real("rate_decay", self.rate_decay, "[0, inf)")
        check_real("epsilon", self.epsilon, "(0, inf)")
        check_real("weight_decay", self.weight_decay, "[0, inf)")

    @property
    def state_names(self) -> tuple[str, ...]:
        """The sums of the gradients' squares."""
        return ("squares",)

    def update(self, at: OptimizerBuffers) -> None:
        """Call the kernel."""
        adagrad(
            at.parameters,
            at.gradients,
            at.state["squares"],
            at.learning_rate,
            at.step,
            float(self.rate_decay),
            self.epsilon,
        )
