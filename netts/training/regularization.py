"""What keeps weights and gradients small: penalties, clipping, limits of norms.

Each is a kernel over the flat vector of parameters or gradients, recorded only where it is asked
for. A kernel of a range and the optimiser's of the same range run as one pass over memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.compiler.functions import sqrt
from netts.devices.memory import BufferView
from netts.hyperparameters import check_real
from netts.network.parameters import ParameterSet


@accelerate
def add_penalty(weights, running_loss, l1, l2):
    """Add l1 * sum of |w| + l2 / 2 * sum of w^2, the penalty of a batch times its weight sum."""
    total = 0.0
    for i in parallel(weights.shape[0]):
        size = abs(weights[i])
        total += size * (l1 + 0.5 * l2 * size)
    running_loss[0] += total


@accelerate
def add_penalty_gradient(weights, gradients, weight_sum, l1, l2):
    """Add (l1 * sign(w) + l2 * w) / weight_sum."""
    scale = 1.0 / weight_sum[0]
    for i in parallel(weights.shape[0]):
        weight = weights[i]
        sign = 1.0 if weight > 0.0 else (-1.0 if weight < 0.0 else 0.0)
        # Not +=, behind which the optimiser's kernel could not follow in the same pass.
        gradients[i] = gradients[i] + (l1 * sign + l2 * weight) * scale


@accelerate
def clip_values(gradients, largest):
    """Bring every gradient between -largest and largest."""
    for i in parallel(gradients.shape[0]):
        gradients[i] = min(max(gradients[i], -largest), largest)


@accelerate
def norm_scale(gradients, scale, largest):
    """Write what to multiply gradients by so that their norm is at most `largest`.

    As PyTorch's `clip_grad_norm_` does it, with 1e-6 beside the norm.
    """
    total = 0.0
    for i in parallel(gradients.shape[0]):
        total += gradients[i] * gradients[i]
    scale[0] = min(1.0, largest / (sqrt(total) + 1e-6))


@accelerate
def scale_gradients(gradients, scale):
    """Multiply by a number in memory."""
    factor = scale[0]
    for i in parallel(gradients.shape[0]):
        gradients[i] *= factor


@accelerate
def decay_weights(weights, learning_rate, weight_decay):
    """Multiply by 1 - learning_rate * weight_decay."""
    kept = 1.0 - learning_rate[0] * weight_decay
    for i in parallel(weights.shape[0]):
        weights[i] *= kept


@accelerate
def limit_column_norms(weights, largest):
    """Shorten each column that is longer than `largest` to that length."""
    for j in parallel(weights.shape[1]):
        total = 0.0
        for i in range(weights.shape[0]):
            total += weights[i, j] * weights[i, j]
        norm = sqrt(total)
        factor = largest / norm if norm > largest else 1.0
        for i in range(weights.shape[0]):
            weights[i, j] *= factor


@accelerate
def limit_row_norms(weights, largest):
    """Shorten each row that is longer than `largest` to that length."""
    for i in parallel(weights.shape[0]):
        total = 0.0
        for j in range(weights.shape[1]):
            total += weights[i, j] * weights[i, j]
        norm = sqrt(total)
        factor = largest / norm if norm > largest else 1.0
        for j in range(weights.shape[1]):
            weights[i, j] *= factor


@dataclass(frozen=True)
class Regularization:
    """What training does to weights and gradients besides the optimiser's rule.

    Parameters
    ----------
    l1, l2 : float >= 0
        Strengths of the penalty (l1 * sum of |w| + l2 / 2 * sum of w^2) / weight sum of the batch,
        part of the loss and its gradient. Biases and scales are excepted.
    clip_value : float > 0, optional
        The largest absolute value of an element of the gradient, penalty included.
    clip_norm : float > 0, optional
        The largest Euclidean norm of the whole gradient, penalty included and clipped by value: R.
        Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks",
        ICML 2013, Algorithm 1.
    max_norm : float > 0, optional
        The largest Euclidean norm of the weights into one unit, to which longer ones are shortened
        behind each step: N. Srebro, A. Shraibman, "Rank, trace-norm and max-norm", COLT 2005;
        Keras' `MaxNorm`. `Parameter.unit_axis` says what a unit is: a column of a dense layer's
        weight, a filter of a convolution.
    """

    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    max_norm: float | None = None

    def __post_init__(self) -> None:
        check_real("l1", self.l1, "[0, inf)")
        check_real("l2", self.l2, "[0, inf)")
        for name in ("clip_value", "clip_norm", "max_norm"):
            if getattr(self, name) is not None:
                check_real(name, getattr(self, name), "(0, inf)")

    @property
    def has_penalty(self) -> bool:
        """Whether the loss has a term of the weights."""
        return bool(self.l1 or self.l2)

    def add_to_loss(self, weights: BufferView, running_loss: BufferView) -> None:
        """Call the kernel that adds the penalty, times the weight sum, to the losses."""
        if self.has_penalty and weights.size:
            add_penalty(weights, running_loss, float(self.l1), float(self.l2))

    def add_to_gradient(
        self, weights: BufferView, gradients: BufferView, weight_sum: BufferView
    ) -> None:
        """Call the kernel that adds the penalty's gradient."""
        if self.has_penalty and weights.size:
            add_penalty_gradient(weights, gradients, weight_sum, float(self.l1), float(self.l2))

    def limit_norms(self, parameters: ParameterSet) -> None:
        """Call the kernels that hold the weights of every unit to `max_norm`."""
        if self.max_norm is None:
            return
        for weight, axis in unit_weights(parameters):
            n_units = weight.shape[axis]
            per_unit = weight.size // n_units
            if axis == 0:
                limit_row_norms(weight.reshape(n_units, per_unit), float(self.max_norm))
            else:
                limit_column_norms(weight.reshape(per_unit, n_units), float(self.max_norm))


def unit_weights(parameters: ParameterSet) -> Iterator[tuple[BufferView, int]]:
    """Yield the weights that decay, each with the axis that counts its units, first or last."""
    for declared, piece in zip(parameters.declared, parameters.pieces, strict=True):
        for name, parameter in declared.items():
            if parameter.decays:
                yield piece[name], parameter.unit_axis
