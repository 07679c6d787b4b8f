"""Poisson loss: for targets that count things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler import accelerate, parallel
from netts.compiler.functions import exp, log
from netts.errors import DataError
from netts.layers.base import LayerOperators
from netts.losses.base import Loss, as_columns, as_numbers
from netts.losses.squared_error import SquaredError


@accelerate
def poisson_forward(output, targets, losses):
    """Write the sum over outputs of t log(t / m) - t + m with mean m = exp(output)."""
    for i in parallel(output.shape[0]):
        total = 0.0
        for j in range(output.shape[1]):
            target = targets[i, j]
            z = output[i, j]
            surprise = target * (log(target) - z - 1.0) if target > 0.0 else 0.0
            total += exp(z) + surprise
        losses[i] = total


@accelerate
def poisson_backward(output, targets, weights, weight_sum, grad_output):
    """Write weight / weight_sum * (exp(output) - target)."""
    scale = 1.0 / weight_sum[0]
    for i, j in parallel(output.shape[0], output.shape[1]):
        grad_output[i, j] = (exp(output[i, j]) - targets[i, j]) * weights[i] * scale


@accelerate
def poisson_means(output, means):
    """Write exp(output)."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        means[i, j] = exp(output[i, j])


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the Poisson deviance, summed over outputs; a network's outputs are logarithms of means.

    Targets are counts or other quantities of at least 0.
    """

    def targets(self, y: np.ndarray, n_outputs: int, dtype: DTypeLike) -> np.ndarray:
        """Return (n_samples, n_outputs) of the network's dtype."""
        columns = as_numbers(as_columns(y, n_outputs, "poisson"), dtype, "poisson")
        below = (columns < 0).any(axis=1)
        if below.any():
            row = int(below.argmax())
            raise DataError(f"poisson expects y of at least 0, got {columns[row]} in row {row}")
        return columns

    def forward(self, output, targets, losses):
        """Write half the deviances."""
        poisson_forward(output, targets, losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the gradient by the logarithms of the means."""
        poisson_backward(output, targets, weights, weight_sum, grad_output)

    def predict(self, output, prediction):
        """Write the means."""
        poisson_means(output, prediction)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Exp."""
        return at.add("Exp", at.input)

    def score(self, output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """Return R^2 of the means."""
        return SquaredError().score(np.exp(output), targets, weights)
