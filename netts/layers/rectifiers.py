"""Activations that let positive sums through: relu and what leaks below zero.

Their derivatives are functions of the output, so the input's memory is free after the forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.compiler.functions import expm1
from netts.hyperparameters import check_real
from netts.layers.base import Layer, LayerBuffers, LayerOperators, as_rows


@accelerate
def relu_forward(x, output):
    """Write max(x, 0)."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = max(x[i, j], 0.0)


@accelerate
def relu_backward(output, grad_output, grad_input):
    """Pass the gradient where the unit is active; 0 at 0, as scikit-learn and PyTorch have it."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        grad_input[i, j] = grad_output[i, j] if output[i, j] > 0.0 else 0.0


@accelerate
def leaky_relu_forward(x, output, slope):
    """Write x where x > 0, else slope * x."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = x[i, j] if x[i, j] > 0.0 else slope * x[i, j]


@accelerate
def leaky_relu_backward(output, grad_output, grad_input, slope):
    """Multiply by 1 or slope; the output has the sign of x, as slope >= 0."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        gradient = grad_output[i, j]
        grad_input[i, j] = gradient if output[i, j] > 0.0 else slope * gradient


@accelerate
def elu_forward(x, output, alpha):
    """Write x where x > 0, else alpha * (exp(x) - 1)."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = x[i, j] if x[i, j] > 0.0 else alpha * expm1(x[i, j])


@accelerate
def elu_backward(output, grad_output, grad_input, alpha):
    """Multiply by the derivative, 1 or alpha * exp(x) = output + alpha."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        slope = 1.0 if output[i, j] > 0.0 else output[i, j] + alpha
        grad_input[i, j] = grad_output[i, j] * slope


@dataclass(frozen=True)
class ReLU(Layer):
    """max(x, 0): Nair and Hinton, ICML 2010."""

    def forward(self, at: LayerBuffers) -> None:
        """Write the activations."""
        relu_forward(as_rows(at.input), as_rows(at.output))

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        relu_backward(as_rows(at.output), as_rows(at.grad_output), as_rows(at.grad_input))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Relu."""
        return at.add("Relu", at.input)


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """x, or slope * x below 0: Maas, Hannun and Ng, ICML 2013, whose slope is 0.01."""

    slope: float = 0.01

    def __post_init__(self) -> None:
        check_real("slope", self.slope, "[0, inf)")

    def forward(self, at: LayerBuffers) -> None:
        """Write the activations."""
        leaky_relu_forward(as_rows(at.input), as_rows(at.output), self.slope)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        leaky_relu_backward(
            as_rows(at.output), as_rows(at.grad_output), as_rows(at.grad_input), self.slope
        )

    def to_onnx(self, at: LayerOperators) -> str:
        """Append LeakyRelu."""
        return at.add("LeakyRelu", at.input, alpha=float(self.slope))


@dataclass(frozen=True)
class ELU(Layer):
    """x, or alpha * (exp(x) - 1) below 0: Clevert, Unterthiner and Hochreiter, ICLR 2016."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_real("alpha", self.alpha, "[0, inf)")

    def forward(self, at: LayerBuffers) -> None:
        """Write the activations."""
        elu_forward(as_rows(at.input), as_rows(at.output), self.alpha)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        elu_backward(
            as_rows(at.output), as_rows(at.grad_output), as_rows(at.grad_input), self.alpha
        )

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Elu."""
        return at.add("Elu", at.input, alpha=float(self.alpha))
