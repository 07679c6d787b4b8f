"""Stochastic gradient descent, with and without momentum."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.hyperparameters import check_real
from netts.optimizers.base import OptimizerBuffers


@accelerate
def sgd(parameters, gradients, learning_rate):
    """Subtract learning_rate * gradient."""
    rate = learning_rate[0]
    for i in parallel(parameters.shape[0]):
        parameters[i] -= rate * gradients[i]


@accelerate
def sgd_momentum(parameters, gradients, velocity, learning_rate, momentum):
    """Add the velocity, which decays by momentum and gains -learning_rate * gradient."""
    rate = learning_rate[0]
    for i in parallel(parameters.shape[0]):
        now = momentum * velocity[i] - rate * gradients[i]
        velocity[i] = now
        parameters[i] += now


@accelerate
def sgd_nesterov(parameters, gradients, velocity, learning_rate, momentum):
    """Add the velocity that momentum would lead to next: Sutskever et al., ICML 2013, section 2."""
    rate = learning_rate[0]
    for i in parallel(parameters.shape[0]):
        gradient = gradients[i]
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
    weight_decay : float >= 0
        Decoupled: `Optimizer.weight_decay`. With momentum it is SGDW of its paper, not PyTorch's
        `weight_decay`, which is an L2 penalty (`Trainer(l2=)`).
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_real("learning_rate", self.learning_rate, "(0, inf)")
        check_real("momentum", self.momentum, "[0, 1]")
        check_real("weight_decay", self.weight_decay, "[0, inf)")

    @property
    def state_names(self) -> tuple[str, ...]:
        """`velocity`, or nothing without momentum."""
        return ("velocity",) if self.momentum else ()

    def update(self, at: OptimizerBuffers) -> None:
        """Call the kernel."""
        if not self.momentum:
            sgd(at.parameters, at.gradients, at.learning_rate)
            return
        kernel = sgd_nesterov if self.nesterov else sgd_momentum
        velocity = at.state["velocity"]
        kernel(at.parameters, at.gradients, velocity, at.learning_rate, self.momentum)
