"""Normalisation: values brought to mean 0 and variance 1, then scaled and shifted as learned.

Variances are taken in two passes: first the mean, of differences from one of the values, so that a
large mean does not use up the digits of a sum; then the squares of the differences from the mean,
corrected for what the rounding of the mean leaves [1]_, equation 1.7. What the forward pass found
is kept for the backward pass.

References
----------
.. [1] T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance: analysis and
   recommendations", The American Statistician 37, 1983.
.. [2] S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing
   internal covariate shift", ICML 2015.
.. [3] J. Ba, J. Kiros, G. Hinton, "Layer normalization", arXiv 1607.06450.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from netts.compiler import accelerate, parallel
from netts.compiler.functions import sqrt
from netts.devices.memory import BufferView
from netts.errors import ShapeError
from netts.hyperparameters import check_real, check_whole
from netts.layers.base import InTorch, Layer, LayerBuffers, LayerOperators, Parameter, Shape

AFFINE = {"gamma": InTorch("weight"), "beta": InTorch("bias")}


@accelerate
def batch_statistics(x, mean, inverse_deviation, running_mean, running_variance, momentum, epsilon):
    """Write mean and 1 / sqrt(variance + epsilon) of each channel; move the running ones."""
    count = x.shape[0] * x.shape[2]
    for c in parallel(x.shape[1]):
        shift = x[0, c, 0]
        total = 0.0
        for i in range(x.shape[0]):
            row_total = 0.0
            for p in range(x.shape[2]):
                row_total += x[i, c, p] - shift
            total += row_total
        center = shift + total / count
        squares = 0.0
        rest = 0.0
        for i in range(x.shape[0]):
            row_squares = 0.0
            row_rest = 0.0
            for p in range(x.shape[2]):
                row_squares += (x[i, c, p] - center) * (x[i, c, p] - center)
                row_rest += x[i, c, p] - center
            squares += row_squares
            rest += row_rest
        squares = max(squares - rest * rest / count, 0.0)
        mean[c] = center
        inverse_deviation[c] = 1.0 / sqrt(squares / count + epsilon)
        running_mean[c] = momentum * running_mean[c] + (1.0 - momentum) * center
        unbiased = squares / (count - 1)
        running_variance[c] = momentum * running_variance[c] + (1.0 - momentum) * unbiased


@accelerate
def batch_norm_forward(x, mean, inverse_deviation, gamma, beta, output):
    """output[i, c, p] = gamma[c] * (x[i, c, p] - mean[c]) * inverse_deviation[c] + beta[c]."""
    for i, c, p in parallel(x.shape[0], x.shape[1], x.shape[2]):
        output[i, c, p] = (x[i, c, p] - mean[c]) * inverse_deviation[c] * gamma[c] + beta[c]


@accelerate
def batch_norm_predict(x, running_mean, running_variance, gamma, beta, output, epsilon):
    """Normalise by the running statistics, which no batch has a part in."""
    for i, c, p in parallel(x.shape[0], x.shape[1], x.shape[2]):
        normalised = (x[i, c, p] - running_mean[c]) / sqrt(running_variance[c] + epsilon)
        output[i, c, p] = gamma[c] * normalised + beta[c]


@accelerate
def batch_norm_grad_parameters(x, mean, inverse_deviation, grad_output, grad_gamma, grad_beta):
    """grad_beta = sum of grad_output, grad_gamma = sum of grad_output * normalised x."""
    for c in parallel(x.shape[1]):
        total = 0.0
        weighted = 0.0
        for i in range(x.shape[0]):
            row_total = 0.0
            row_weighted = 0.0
            for p in range(x.shape[2]):
                row_total += grad_output[i, c, p]
                row_weighted += grad_output[i, c, p] * (x[i, c, p] - mean[c])
            total += row_total
            weighted += row_weighted
        grad_beta[c] = total
        grad_gamma[c] = weighted * inverse_deviation[c]


@accelerate
def batch_norm_grad_input(
    x, mean, inverse_deviation, gamma, grad_output, grad_gamma, grad_beta, grad_input
):
    """[2]_, section 3: less the parts that mean and variance of the batch take back."""
    count = x.shape[0] * x.shape[2]
    for i, c, p in parallel(x.shape[0], x.shape[1], x.shape[2]):
        normalised = (x[i, c, p] - mean[c]) * inverse_deviation[c]
        taken_back = (grad_beta[c] + normalised * grad_gamma[c]) / count
        grad_input[i, c, p] = gamma[c] * inverse_deviation[c] * (grad_output[i, c, p] - taken_back)


@accelerate
def layer_norm_forward(x, mean, inverse_deviation, gamma, beta, output, epsilon):
    """output[i, j] = gamma[j] * (x[i, j] - mean[i]) / sqrt(variance[i] + epsilon) + beta[j]."""
    for i in parallel(x.shape[0]):
        shift = x[i, 0]
        total = 0.0
        for j in range(x.shape[1]):
            total += x[i, j] - shift
        center = shift + total / x.shape[1]
        squares = 0.0
        rest = 0.0
        for j in range(x.shape[1]):
            squares += (x[i, j] - center) * (x[i, j] - center)
            rest += x[i, j] - center
        squares = max(squares - rest * rest / x.shape[1], 0.0)
        inverse = 1.0 / sqrt(squares / x.shape[1] + epsilon)
        mean[i] = center
        inverse_deviation[i] = inverse
        for j in range(x.shape[1]):
            output[i, j] = (x[i, j] - center) * inverse * gamma[j] + beta[j]


@accelerate
def layer_norm_grad_parameters(x, mean, inverse_deviation, grad_output, grad_gamma, grad_beta):
    """grad_beta = sum over rows of grad_output, grad_gamma = of grad_output * normalised x."""
    for j in parallel(x.shape[1]):
        total = 0.0
        weighted = 0.0
        for i in range(x.shape[0]):
            total += grad_output[i, j]
            weighted += grad_output[i, j] * (x[i, j] - mean[i]) * inverse_deviation[i]
        grad_beta[j] = total
        grad_gamma[j] = weighted


@accelerate
def layer_norm_grad_input(x, mean, inverse_deviation, gamma, grad_output, grad_input):
    """Take from each row's gradient the parts that its mean and variance take back."""
    for i in parallel(x.shape[0]):
        center = mean[i]
        inverse = inverse_deviation[i]
        total = 0.0
        weighted = 0.0
        for j in range(x.shape[1]):
            total += gamma[j] * grad_output[i, j]
            weighted += gamma[j] * grad_output[i, j] * (x[i, j] - center) * inverse
        for j in range(x.shape[1]):
            taken_back = (total + (x[i, j] - center) * inverse * weighted) / x.shape[1]
            grad_input[i, j] = inverse * (gamma[j] * grad_output[i, j] - taken_back)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Normalise every channel over the batch, or every feature where samples are flat.

    The channels are the first axis of a sample: the features of (batch, features), the channels of
    images (batch, channels, height, width), which are normalised over height and width too.
    Training takes mean and variance of the batch and moves running ones towards them; prediction
    and validation take the running ones, so what a sample gives does not depend on its batch.

    Parameters
    ----------
    momentum : float in [0, 1]
        The share of the running statistics that stays at a step, as in Keras; PyTorch's `momentum`
        is the share that is new, 0.1 there is 0.9 here.
    epsilon : float above 0
        Added to variances.

    Raises
    ------
    ShapeError
        When a batch is trained on that gives a channel one number only, which has no variance.

    Notes
    -----
    Parameters: `gamma` and `beta` (channels,), which the L2 penalty leaves alone. Layer state:
    `running_mean` and `running_variance` (channels,). Batches are normalised by the biased variance
    (divided by n); the running one is moved towards the unbiased one (by n - 1), as in PyTorch.
    Sample weights do not enter into the statistics.

    References
    ----------
    S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML 2015.
    """

    in_torch: ClassVar[Mapping[str, InTorch]] = {
        **AFFINE,
        "running_variance": InTorch("running_var"),
    }

    momentum: float = 0.9
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check_real("momentum", self.momentum, "[0, 1]")
        check_real("epsilon", self.epsilon, "(0, inf)")

    def parameters(self, input_shape: Shape) -> dict[str, Parameter]:
        """Return `gamma` and `beta`."""
        return {
            "gamma": Parameter(input_shape[:1], "ones", decays=False),
            "beta": Parameter(input_shape[:1], "zeros", decays=False),
        }

    def state(self, input_shape: Shape) -> dict[str, Parameter]:
        """Return `running_mean` and `running_variance`."""
        return {
            "running_mean": Parameter(input_shape[:1], "zeros"),
            "running_variance": Parameter(input_shape[:1], "ones"),
        }

    def transients(self, input_shape: Shape, rows: int) -> dict[str, Shape]:
        """Return the statistics of the batch."""
        return {"mean": input_shape[:1], "inverse_deviation": input_shape[:1]}

    def forward(self, at: LayerBuffers) -> None:
        """Write the normalised values; in training, move the running statistics."""
        x, output, running = _by_channel(at.input), _by_channel(at.output), at.state
        if not at.is_training:
            batch_norm_predict(x, *running.values(), at.gamma, at.beta, output, self.epsilon)
            return
        if x.shape[0] * x.shape[2] == 1:
            raise ShapeError(
                "trains on batches of 2 samples or more, as one number has no variance, got a "
                "batch of 1: choose a batch_size that leaves no single sample for the last batch"
            )
        kept = (at.mean, at.inverse_deviation)
        batch_statistics(x, *kept, *running.values(), self.momentum, self.epsilon)
        batch_norm_forward(x, *kept, at.gamma, at.beta, output)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradients by gamma, beta and input."""
        x, grad_output = _by_channel(at.input), _by_channel(at.grad_output)
        kept, gradients = (at.mean, at.inverse_deviation), (at.grad_gamma, at.grad_beta)
        batch_norm_grad_parameters(x, *kept, grad_output, *gradients)
        if at.grad_input is not None:
            grad_input = _by_channel(at.grad_input)
            batch_norm_grad_input(x, *kept, at.gamma, grad_output, *gradients, grad_input)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append BatchNormalization, by the running statistics."""
        arrays = (at.gamma, at.beta, at.running_mean, at.running_variance)
        return at.add("BatchNormalization", at.input, *arrays, epsilon=float(self.epsilon))


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Normalise every sample by itself, over its last axes.

    Parameters
    ----------
    epsilon : float above 0
        Added to variances.
    n_axes : int
        How many of the last axes of a sample are normalised together. 1 is the last one, as Keras
        has it and transformers use it; for images, 3 is the whole image. PyTorch's
        `normalized_shape` is the shape of these axes.

    Notes
    -----
    Parameters: `gamma` and `beta`, of the shape of the axes, which the L2 penalty leaves alone.
    Training and prediction do the same. The variance is the biased one (divided by n).

    References
    ----------
    J. Ba, J. Kiros, G. Hinton, "Layer normalization", arXiv 1607.06450.
    """

    in_torch: ClassVar[Mapping[str, InTorch]] = AFFINE

    epsilon: float = 1e-5
    n_axes: int = 1

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, "(0, inf)")
        check_whole("n_axes", self.n_axes, 1)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input."""
        if len(input_shape) < self.n_axes:
            axes = ", ".join(map(str, input_shape))
            raise ShapeError(
                f"expects samples of {self.n_axes} axes or more, got input of shape "
                f"(batch, {axes}): n_axes is at most {len(input_shape)} here"
            )
        return input_shape

    def parameters(self, input_shape: Shape) -> dict[str, Parameter]:
        """Return `gamma` and `beta`."""
        shape = input_shape[-self.n_axes :]
        return {
            "gamma": Parameter(shape, "ones", decays=False),
            "beta": Parameter(shape, "zeros", decays=False),
        }

    def transients(self, input_shape: Shape, rows: int) -> dict[str, Shape]:
        """Return the statistics of every row of `_rows`."""
        shape = (rows * math.prod(input_shape[: -self.n_axes]),)
        return {"mean": shape, "inverse_deviation": shape}

    def forward(self, at: LayerBuffers) -> None:
        """Write the normalised values."""
        gamma, beta = (one.reshape(one.size) for one in (at.gamma, at.beta))
        x, output = self._rows(at.input), self._rows(at.output)
        layer_norm_forward(x, at.mean, at.inverse_deviation, gamma, beta, output, self.epsilon)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradients by gamma, beta and input."""
        gamma, *gradients = (
            one.reshape(one.size) for one in (at.gamma, at.grad_gamma, at.grad_beta)
        )
        x, grad_output = self._rows(at.input), self._rows(at.grad_output)
        kept = (at.mean, at.inverse_deviation)
        layer_norm_grad_parameters(x, *kept, grad_output, *gradients)
        if at.grad_input is not None:
            layer_norm_grad_input(x, *kept, gamma, grad_output, self._rows(at.grad_input))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append LayerNormalization."""
        arrays, epsilon = (at.gamma, at.beta), float(self.epsilon)
        return at.add("LayerNormalization", at.input, *arrays, axis=-self.n_axes, epsilon=epsilon)

    def _rows(self, view: BufferView) -> BufferView:
        """Return a batch as a matrix whose rows are what is normalised together."""
        n_features = math.prod(view.shape[-self.n_axes :])
        return view.reshape(math.prod(view.shape[: -self.n_axes]), n_features)


def _by_channel(view: BufferView) -> BufferView:
    """Return a batch as (rows, channels, positions)."""
    return view.reshape(*view.shape[:2], math.prod(view.shape[2:]))
