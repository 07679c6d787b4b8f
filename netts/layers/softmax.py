"""Softmax: a row of scores as probabilities."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.compiler.functions import exp
from netts.layers.base import Layer, LayerBuffers, LayerOperators, as_rows


@accelerate
def softmax_forward(x, output):
    """output[i, j] = exp(x[i, j]) / sum over j of exp(x[i, j]); the row's maximum cancels."""
    for i in parallel(x.shape[0]):
        peak = x[i, 0]
        for j in range(1, x.shape[1]):
            peak = max(peak, x[i, j])
        total = 0.0
        for j in range(x.shape[1]):
            output[i, j] = exp(x[i, j] - peak)
            total += output[i, j]
        for j in range(x.shape[1]):
            output[i, j] /= total


@accelerate
def softmax_backward(output, grad_output, grad_input):
    """grad_input = output * (grad_output - sum over the row of output * grad_output)."""
    for i in parallel(output.shape[0]):
        mean = 0.0
        for j in range(output.shape[1]):
            mean += output[i, j] * grad_output[i, j]
        for j in range(output.shape[1]):
            grad_input[i, j] = output[i, j] * (grad_output[i, j] - mean)


@dataclass(frozen=True)
class Softmax(Layer):
    """Probabilities over all features of a sample.

    The losses of `netts.losses` that need probabilities take scores and apply their own, so a
    network that is trained with one of them ends without it.
    """

    def forward(self, at: LayerBuffers) -> None:
        """Write the activations."""
        softmax_forward(as_rows(at.input), as_rows(at.output))

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        softmax_backward(as_rows(at.output), as_rows(at.grad_output), as_rows(at.grad_input))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Softmax."""
        return at.over_rows("Softmax", axis=-1)
