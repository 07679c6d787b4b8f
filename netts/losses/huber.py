"""Huber's loss: squared near the target and absolute far from it, so that outliers pull less."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.hyperparameters import check_real
from netts.losses.quantities import QuantityLoss


@accelerate
def huber_forward(output, targets, losses, delta):
    """Write the sum over outputs of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)."""
    for i in parallel(output.shape[0]):
        total = 0.0
        for j in range(output.shape[1]):
            distance = abs(output[i, j] - targets[i, j])
            near = min(distance, delta)
            total += near * (distance - 0.5 * near)
        losses[i] = total


@accelerate
def huber_backward(output, targets, weights, weight_sum, grad_output, delta):
    """Write weight / weight_sum * (output - target), held between -delta and delta."""
    scale = 1.0 / weight_sum[0]
    for i, j in parallel(output.shape[0], output.shape[1]):
        difference = min(max(output[i, j] - targets[i, j], -delta), delta)
        grad_output[i, j] = difference * weights[i] * scale


@dataclass(frozen=True)
class Huber(QuantityLoss):
    """Huber's loss, summed over outputs: P. J. Huber, "Robust estimation of a location parameter".

    d^2 / 2 where the distance `d = |output - target|` is at most `delta`, else
    delta (d - delta / 2): Annals of Mathematical Statistics 35 (1964), section 4; PyTorch's
    `HuberLoss`.

    Parameters
    ----------
    delta : float > 0
        In units of the targets: from what distance on a target counts as an outlier.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        check_real("delta", self.delta, "(0, inf)")

    def forward(self, output, targets, losses):
        """Write the losses."""
        huber_forward(output, targets, losses, float(self.delta))

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the gradient by the outputs."""
        huber_backward(output, targets, weights, weight_sum, grad_output, float(self.delta))
