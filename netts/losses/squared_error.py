"""Squared error: for targets that are quantities, of which the mean is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.losses.quantities import QuantityLoss


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


@dataclass(frozen=True)
class SquaredError(QuantityLoss):
    """Half the squared distance: 0.5 * sum over outputs of (output - target)^2.

    scikit-learn trains with this gradient too but reports the mean over outputs: for several
    outputs its `loss_curve_` shows this loss divided by their number (the L2 term apart).
    """

    def forward(self, output, targets, losses):
        """Write half the squared distances."""
        squared_error_forward(output, targets, losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the gradient by the outputs."""
        squared_error_backward(output, targets, weights, weight_sum, grad_output)
