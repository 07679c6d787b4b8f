"""RMSProp: gradients divided by the root of the running mean of their squares."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, element, parallel
from netts.compiler.functions import sqrt
from netts.hyperparameters import check_real
from netts.optimizers.base import OptimizerBuffers


@element
def running_mean(mean, value, kept):
    """Return a mean that keeps a share of itself."""
    return kept * mean + (1.0 - kept) * value


@accelerate
def rmsprop(parameters, gradients, mean_square, learning_rate, rho, epsilon):
    """Subtract rate * gradient / (sqrt(mean_square) + epsilon)."""
    rate = learning_rate[0]
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i]
        square = running_mean(mean_square[i], gradient * gradient, rho)
        mean_square[i] = square
        parameters[i] -= rate * gradient / (sqrt(square) + epsilon)


@accelerate
def rmsprop_momentum(
    parameters, gradients, mean_square, velocity, learning_rate, rho, epsilon, momentum,
):  # fmt: skip
    """Subtract rate * velocity, which decays by momentum and gains the divided gradient."""
    rate = learning_rate[0]
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i]
        square = running_mean(mean_square[i], gradient * gradient, rho)
        now = momentum * velocity[i] + gradient / (sqrt(square) + epsilon)
        mean_square[i] = square
        velocity[i] = now
        parameters[i] -= rate * now


@accelerate
def rmsprop_centered(
    parameters, gradients, mean_square, mean, velocity, learning_rate, rho, epsilon, momentum,
):  # fmt: skip
    """Likewise, by the root of the running variance, mean_square - mean^2."""
    rate = learning_rate[0]
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i]
        square = running_mean(mean_square[i], gradient * gradient, rho)
        centre = running_mean(mean[i], gradient, rho)
        # Of gradients that hardly change, rounding may leave less than nothing.
        variance = max(square - centre * centre, 0.0)
        now = momentum * velocity[i] + gradient / (sqrt(variance) + epsilon)
        mean_square[i] = square
        mean[i] = centre
        velocity[i] = now
        parameters[i] -= rate * now


@dataclass(frozen=True)
class RMSProp:
    """RMSProp: T. Tieleman, G. Hinton, "Neural networks for machine learning", lecture 6.5 (2012).

    With momentum and centering as PyTorch's `RMSprop` defines them; centering is of A. Graves,
    "Generating sequences with recurrent neural networks" (2013), equations 38 to 45.

    Parameters
    ----------
    learning_rate : float > 0
    rho : float in [0, 1)
        How much of the mean of squares each step keeps; PyTorch's `alpha`.
    epsilon : float > 0
    momentum : float in [0, 1]
    centered : bool
        Whether to divide by the gradient's standard deviation, not by the root of its mean square.
    weight_decay : float >= 0
        Decoupled: `Optimizer.weight_decay`.
    """

    learning_rate: float = 0.01
    rho: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_real("learning_rate", self.learning_rate, "(0, inf)")
        check_real("rho", self.rho, "[0, 1)")
        check_real("epsilon", self.epsilon, "(0, inf)")
        check_real("momentum", self.momentum, "[0, 1]")
        check_real("weight_decay", self.weight_decay, "[0, inf)")

    @property
    def state_names(self) -> tuple[str, ...]:
        """The running mean of squares; of gradients if centered; the velocity where there is one.

        A centered one keeps a velocity in any case.
        """
        if self.centered:
            return ("mean_square", "mean", "velocity")
        return ("mean_square", "velocity") if self.momentum else ("mean_square",)

    def update(self, at: OptimizerBuffers) -> None:
        """Call the kernel."""
        state = [at.state[name] for name in self.state_names]
        common = (at.parameters, at.gradients, *state, at.learning_rate, self.rho, self.epsilon)
        if self.centered:
            rmsprop_centered(*common, float(self.momentum))
        elif self.momentum:
            rmsprop_momentum(*common, float(self.momentum))
        else:
            rmsprop(*common)
