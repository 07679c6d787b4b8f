"""The dense layer: output = x weight + bias."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from netts.compiler import accelerate, parallel
from netts.errors import ShapeError
from netts.hyperparameters import check_whole
from netts.initializers import Initializer, initializer_from
from netts.layers.activations import activation_from
from netts.layers.base import InTorch, Layer, LayerBuffers, LayerOperators, Parameter, Shape


@accelerate
def dense_forward(x, weight, bias, output):
    """output[i, j] = bias[j] + sum over k of x[i, k] * weight[k, j]."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        total = bias[j]
        for k in range(x.shape[1]):
            total += x[i, k] * weight[k, j]
        output[i, j] = total


@accelerate
def dense_forward_without_bias(x, weight, output):
    """output[i, j] = sum over k of x[i, k] * weight[k, j]."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k] * weight[k, j]
        output[i, j] = total


@accelerate
def dense_grad_weight(x, grad_output, grad_weight):
    """grad_weight[k, j] = sum over samples of x[i, k] * grad_output[i, j]."""
    for k, j in parallel(grad_weight.shape[0], grad_weight.shape[1]):
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i, k] * grad_output[i, j]
        grad_weight[k, j] = total


@accelerate
def dense_grad_bias(grad_output, grad_bias):
    """grad_bias[j] = sum over samples of grad_output[i, j]."""
    for j in parallel(grad_bias.shape[0]):
        total = 0.0
        for i in range(grad_output.shape[0]):
            total += grad_output[i, j]
        grad_bias[j] = total


@accelerate
def dense_grad_input(grad_output, weight, grad_input):
    """grad_input[i, k] = sum over units of grad_output[i, j] * weight[k, j]."""
    for i, k in parallel(grad_input.shape[0], grad_input.shape[1]):
        total = 0.0
        for j in range(weight.shape[1]):
            total += grad_output[i, j] * weight[k, j]
        grad_input[i, k] = total


@dataclass(frozen=True)
class Dense(Layer):
    """Every output is a weighted sum of every input, plus a bias.

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str or Layer, optional
        Follows the layer, as a layer of its own: `Dense(3, "relu")` is `Dense(3), ReLU()`.
    use_bias : bool
    weight_initializer, bias_initializer : str or callable
        Both are given fan_in = features of the input, fan_out = `units`.

    Notes
    -----
    Parameters: `weight` (features, units), which the L2 penalty applies to, and `bias` (units,).
    """

    in_torch: ClassVar[Mapping[str, InTorch]] = {"weight": InTorch("weight", (1, 0))}

    units: int
    activation: str | Layer | None = None
    use_bias: bool = True
    weight_initializer: str | Initializer = "glorot_uniform"
    bias_initializer: str | Initializer = "zeros"

    def __post_init__(self) -> None:
        check_whole("units", self.units, 1)
        initializer_from(self.weight_initializer)
        initializer_from(self.bias_initializer)
        self.expand()

    def expand(self) -> tuple[Layer, ...]:
        """Return the weighted sums and the activation, each as a layer."""
        if self.activation is None:
            return (self,)
        return dataclasses.replace(self, activation=None), activation_from(self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (units,)."""
        if len(input_shape) != 1:
            axes = ", ".join(map(str, input_shape))
            raise ShapeError(
                f"expects input of shape (batch, features), got (batch, {axes}): flatten it first"
            )
        return (self.units,)

    def parameters(self, input_shape: Shape) -> dict[str, Parameter]:
        """Return `weight` and, with `use_bias`, `bias`."""
        fans = (input_shape[0], self.units)
        weight = Parameter(fans, self.weight_initializer, decays=True, fans=fans)
        if not self.use_bias:
            return {"weight": weight}
        bias = Parameter((self.units,), self.bias_initializer, decays=False, fans=fans)
        return {"weight": weight, "bias": bias}

    def forward(self, at: LayerBuffers) -> None:
        """Write the weighted sums."""
        if self.use_bias:
            dense_forward(at.input, at.weight, at.bias, at.output)
        else:
            dense_forward_without_bias(at.input, at.weight, at.output)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradients by weight, bias and input."""
        dense_grad_weight(at.input, at.grad_output, at.grad_weight)
        if self.use_bias:
            dense_grad_bias(at.grad_output, at.grad_bias)
        if at.grad_input is not None:
            dense_grad_input(at.grad_output, at.weight, at.grad_input)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Gemm, or MatMul where there is no bias."""
        if self.use_bias:
            return at.add("Gemm", at.input, at.weight, at.bias)
        return at.add("MatMul", at.input, at.weight)
