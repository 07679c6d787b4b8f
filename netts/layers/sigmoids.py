"""Smooth activations: the two sigmoids, and the two that gate their input with one.

Those of sigmoid and tanh are functions of the output; gelu and swish read their input again.
"""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.compiler.functions import erf, exp, sigmoid, tanh
from netts.layers.base import Layer, LayerBuffers, LayerOperators, as_rows

SQRT_HALF = 0.7071067811865476
NORMAL_PEAK = 0.3989422804014327  # 1 / sqrt(2 pi), the standard normal density at 0


@accelerate
def sigmoid_forward(x, output):
    """Write 1 / (1 + exp(-x))."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = sigmoid(x[i, j])


@accelerate
def sigmoid_backward(output, grad_output, grad_input):
    """Multiply by the derivative, output * (1 - output)."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        grad_input[i, j] = grad_output[i, j] * output[i, j] * (1.0 - output[i, j])


@accelerate
def tanh_forward(x, output):
    """Write tanh(x)."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = tanh(x[i, j])


@accelerate
def tanh_backward(output, grad_output, grad_input):
    """Multiply by the derivative, 1 - output^2."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        grad_input[i, j] = grad_output[i, j] * (1.0 - output[i, j] * output[i, j])


@accelerate
def gelu_forward(x, output):
    """Write x * Phi(x), Phi the distribution function of the standard normal."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = 0.5 * x[i, j] * (1.0 + erf(SQRT_HALF * x[i, j]))


@accelerate
def gelu_backward(x, grad_output, grad_input):
    """Multiply by the derivative, Phi(x) + x * phi(x), phi the density."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        distribution = 0.5 * (1.0 + erf(SQRT_HALF * x[i, j]))
        density = NORMAL_PEAK * exp(-0.5 * x[i, j] * x[i, j])
        grad_input[i, j] = grad_output[i, j] * (distribution + x[i, j] * density)


@accelerate
def swish_forward(x, output):
    """Write x * sigmoid(x)."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = x[i, j] * sigmoid(x[i, j])


@accelerate
def swish_backward(x, grad_output, grad_input):
    """Multiply by the derivative, s + x * s * (1 - s) with s = sigmoid(x)."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        gate = sigmoid(x[i, j])
        grad_input[i, j] = grad_output[i, j] * gate * (1.0 + x[i, j] * (1.0 - gate))


@dataclass(frozen=True)
class Sigmoid(Layer):
    """1 / (1 + exp(-x)), the logistic function."""

    def forward(self, at: LayerBuffers) -> None:
        """Write the activations."""
        sigmoid_forward(as_rows(at.input), as_rows(at.output))

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        sigmoid_backward(as_rows(at.output), as_rows(at.grad_output), as_rows(at.grad_input))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Sigmoid."""
        return at.add("Sigmoid", at.input)


@dataclass(frozen=True)
class Tanh(Layer):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), the hyperbolic tangent."""

    def forward(self, at: LayerBuffers) -> None:
        """Write the activations."""
        tanh_forward(as_rows(at.input), as_rows(at.output))

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        tanh_backward(as_rows(at.output), as_rows(at.grad_output), as_rows(at.grad_input))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Tanh."""
        return at.add("Tanh", at.input)


@dataclass(frozen=True)
class GELU(Layer):
    """x * Phi(x), with the exact error function: Hendrycks and Gimpel, arXiv 1606.08415."""

    def forward(self, at: LayerBuffers) -> None:
        """Write the activations."""
        gelu_forward(as_rows(at.input), as_rows(at.output))

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        gelu_backward(as_rows(at.input), as_rows(at.grad_output), as_rows(at.grad_input))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append 0.5 x (1 + erf(x / sqrt(2))), as Gelu is younger than the opset."""
        half = at.add("Mul", at.input, at.number(0.5))
        distribution = at.add("Erf", at.add("Mul", at.input, at.number(SQRT_HALF)))
        return at.add("Mul", half, at.add("Add", distribution, at.number(1.0)))


@dataclass(frozen=True)
class Swish(Layer):
    """x * sigmoid(x), also called SiLU: Ramachandran, Zoph and Le, arXiv 1710.05941."""

    def forward(self, at: LayerBuffers) -> None:
        """Write the activations."""
        swish_forward(as_rows(at.input), as_rows(at.output))

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        swish_backward(as_rows(at.input), as_rows(at.grad_output), as_rows(at.grad_input))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append x times Sigmoid."""
        return at.add("Mul", at.input, at.add("Sigmoid", at.input))
