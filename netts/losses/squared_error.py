"""Squared error: for targets that are quantities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler import accelerate, parallel
from netts.losses.base import Loss, as_columns, as_numbers


@accelerate
def squared_error_forward(output, targets, losses):
    """Write half the sum over outputs of (output - target)^2."""
    for i in parallel(output.shape[0]):
        total = 0.0
        for j in range(output.shape[1]):
            difference = output[i, j] - targets[i, j]
            total += difference * difference
        losses[i] = 0.5 * total


@accelerate
def squared_error_backward(output, targets, weights, weight_sum, grad_output):
    """Write weight / weight_sum * (output - target)."""
    scale = 1.0 / weight_sum[0]
    for i, j in parallel(output.shape[0], output.shape[1]):
        grad_output[i, j] = (output[i, j] - targets[i, j]) * weights[i] * scale


@accelerate
def copy_values(output, prediction):
    """Write the outputs as they are."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        prediction[i, j] = output[i, j]


@dataclass(frozen=True)
class SquaredError(Loss):
    """Half the squared distance: 0.5 * sum over outputs of (output - target)^2.

    scikit-learn trains with this gradient too but reports the mean over outputs: for several
    outputs its `loss_curve_` shows this loss divided by their number (the L2 term apart).
    """

    def targets(self, y: np.ndarray, n_outputs: int, dtype: DTypeLike) -> np.ndarray:
        """Return (n_samples, n_outputs) of the network's dtype."""
        return as_numbers(as_columns(y, n_outputs, "squared_error"), dtype, "squared_error")

    def forward(self, output, targets, losses):
        """Write half the squared distances."""
        squared_error_forward(output, targets, losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the gradient by the outputs."""
        squared_error_backward(output, targets, weights, weight_sum, grad_output)

    def predict(self, output, prediction):
        """Write the outputs."""
        copy_values(output, prediction)

    def score(self, output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """Return R^2, the mean over outputs of 1 - residual / total sum of squares.

        As in scikit-learn's `r2_score`, a constant column counts 1 where it is met exactly, else 0.
        """
        weights = np.ones(len(targets)) if weights is None else weights
        residual = weights @ np.square(targets - output, dtype=np.float64)
        centred = targets - np.average(targets, axis=0, weights=weights)
        total = weights @ np.square(centred, dtype=np.float64)
        ratio = np.divide(residual, total, out=np.sign(residual), where=total > 0)
        return float(np.mean(1 - ratio))
