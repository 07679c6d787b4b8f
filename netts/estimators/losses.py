"""The loss that scikit-learn reports, where it is not the one that it trains with."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.losses import SquaredError


@accelerate
def mean_squared_error_forward(output, targets, losses):
    """Write half the mean over outputs of (output - target)^2."""
    for i in parallel(output.shape[0]):
        total = 0.0
        for j in range(output.shape[1]):
            difference = output[i, j] - targets[i, j]
            total += difference * difference
        losses[i] = 0.5 * total / output.shape[1]


@dataclass(frozen=True)
class MeanSquaredError(SquaredError):
    """Report half the mean over outputs, but follow the gradient of half their sum.

    So does scikit-learn's MLPRegressor: `loss_curve_` and what `tol` is compared with are means,
    while `coefs_` move as if there were no division. One output makes no difference.
    """

    def forward(self, output, targets, losses):
        """Write half the mean squared differences."""
        mean_squared_error_forward(output, targets, losses)
