"""Losses of absolute distances: of the median, and of any quantiles (pinball)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler import accelerate, parallel
from netts.devices.memory import BufferView, constant
from netts.errors import ParameterError, ShapeError
from netts.hyperparameters import check_real
from netts.losses.base import as_columns, as_numbers
from netts.losses.quantities import QuantityLoss, explained


@accelerate
def absolute_error_forward(output, targets, losses):
    """Write the sum over outputs of |output - target|."""
    for i in parallel(output.shape[0]):
        total = 0.0
        for j in range(output.shape[1]):
            total += abs(output[i, j] - targets[i, j])
        losses[i] = total


@accelerate
def absolute_error_backward(output, targets, weights, weight_sum, grad_output):
    """Write weight / weight_sum * sign(output - target), 0 where they are equal."""
    scale = 1.0 / weight_sum[0]
    for i, j in parallel(output.shape[0], output.shape[1]):
        difference = output[i, j] - targets[i, j]
        sign = 1.0 if difference > 0.0 else (-1.0 if difference < 0.0 else 0.0)
        grad_output[i, j] = sign * weights[i] * scale


@accelerate
def pinball_forward(output, targets, quantiles, losses):
    """Write the sum over outputs of max(q (t - z), (q - 1) (t - z)) for output z and target t."""
    for i in parallel(output.shape[0]):
        total = 0.0
        for j in range(output.shape[1]):
            short = targets[i, j] - output[i, j]
            total += max(quantiles[j] * short, (quantiles[j] - 1.0) * short)
        losses[i] = total


@accelerate
def pinball_backward(output, targets, quantiles, weights, weight_sum, grad_output):
    """Write weight / weight_sum * (-q below the target, 1 - q above it, 0 at it)."""
    scale = 1.0 / weight_sum[0]
    for i, j in parallel(output.shape[0], output.shape[1]):
        short = targets[i, j] - output[i, j]
        above = 1.0 - quantiles[j] if short < 0.0 else 0.0
        slope = -quantiles[j] if short > 0.0 else above
        grad_output[i, j] = slope * weights[i] * scale


@dataclass(frozen=True)
class AbsoluteError(QuantityLoss):
    """The sum over outputs of `|output - target|`, which the median minimises."""

    def forward(self, output, targets, losses):
        """Write the distances."""
        absolute_error_forward(output, targets, losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the gradient by the outputs."""
        absolute_error_backward(output, targets, weights, weight_sum, grad_output)

    def score(self, output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """Return D^2: 1 - absolute error / that of the median of the targets."""
        return _explained_pinball(output, targets, weights, (0.5,) * targets.shape[1])


@dataclass(frozen=True)
class Quantile(QuantityLoss):
    """Pinball loss, of which a quantile of the targets is the minimum: max(q d, (q - 1) d).

    d = target - output, summed over outputs. R. Koenker, G. Bassett, "Regression quantiles",
    Econometrica 46 (1978); scikit-learn's `mean_pinball_loss`.

    Parameters
    ----------
    quantile : float in (0, 1), or a tuple of them
        One number holds for every output. A tuple has one for each output of the network, of
        the same target: `y` is then of shape (n_samples,), and `Quantile((0.05, 0.5, 0.95))` with
        three outputs learns a median and what 90 % of the targets lie between.
    """

    quantile: float | tuple[float, ...] = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.quantile, tuple | list):
            check_real("quantile", self.quantile, "(0, 1)")
            return
        if not self.quantile:
            raise ParameterError("quantile is a number in (0, 1), or several, got none")
        for one in self.quantile:
            check_real("each of quantile", one, "(0, 1)")
        object.__setattr__(self, "quantile", tuple(self.quantile))

    def levels(self, n_outputs: int) -> tuple[float, ...]:
        """Return the quantile of each output.

        Raises
        ------
        ShapeError
            Where there are more or fewer outputs than quantiles.
        """
        if not isinstance(self.quantile, tuple):
            return (float(self.quantile),) * n_outputs
        if len(self.quantile) != n_outputs:
            raise ShapeError(
                f"{self} has {len(self.quantile)} quantiles, but the network {n_outputs} outputs: "
                "give its last layer a unit for each quantile"
            )
        return tuple(map(float, self.quantile))

    def targets(self, y: np.ndarray, n_outputs: int, dtype: DTypeLike) -> np.ndarray:
        """Return (n_samples, n_outputs) of the network's dtype."""
        self.levels(n_outputs)
        if not isinstance(self.quantile, tuple):
            return super().targets(y, n_outputs, dtype)
        name = "Quantile of several quantiles"
        column = as_numbers(as_columns(y, 1, name), dtype, name)
        return np.ascontiguousarray(np.broadcast_to(column, (len(column), n_outputs)))

    def _quantiles(self, output: BufferView) -> BufferView:
        return constant(np.array(self.levels(output.shape[1]), output.dtype))

    def forward(self, output, targets, losses):
        """Write the losses."""
        pinball_forward(output, targets, self._quantiles(output), losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the gradient by the outputs."""
        quantiles = self._quantiles(output)
        pinball_backward(output, targets, quantiles, weights, weight_sum, grad_output)

    def score(self, output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """Return D^2: 1 - pinball loss / that of the quantiles of the targets."""
        return _explained_pinball(output, targets, weights, self.levels(output.shape[1]))


def _explained_pinball(
    output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, levels: Sequence[float]
) -> float:
    """Return scikit-learn's `d2_pinball_score`, the mean over outputs.

    R. Koenker, J. Machado, "Goodness of fit and related inference processes for quantile
    regression", JASA 94 (1999), equation 7.
    """
    weights = np.ones(len(targets)) if weights is None else weights
    constants = [
        np.quantile(column, level, weights=weights, method="inverted_cdf")
        for column, level in zip(targets.T, levels, strict=True)
    ]

    def pinball(predicted: np.ndarray) -> np.ndarray:
        short = targets.astype(np.float64) - predicted
        return weights @ np.maximum(np.array(levels) * short, (np.array(levels) - 1) * short)

    return explained(pinball(output), pinball(np.array(constants)))
