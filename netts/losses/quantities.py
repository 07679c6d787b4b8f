"""What losses of quantities share: targets that are numbers, predicted by outputs as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler import accelerate, parallel
from netts.layers.base import LayerOperators
from netts.losses.base import Loss, as_columns, as_numbers


@accelerate
def copy_values(output, prediction):
    """Write the outputs as they are."""
    for i, j in parallel(output.shape[0], output.shape[1]):
        prediction[i, j] = output[i, j]


@dataclass(frozen=True)
class QuantityLoss(Loss):
    """The base of losses whose targets are quantities and whose predictions are the outputs."""

    def targets(self, y: np.ndarray, n_outputs: int, dtype: DTypeLike) -> np.ndarray:
        """Return (n_samples, n_outputs) of the network's dtype."""
        name = type(self).__name__
        return as_numbers(as_columns(y, n_outputs, name), dtype, name)

    def predict(self, output, prediction):
        """Write the outputs."""
        copy_values(output, prediction)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append nothing: predictions are the outputs."""
        return at.input

    def score(self, output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """Return R^2, the mean over outputs of 1 - residual / total sum of squares.

        As in scikit-learn's `r2_score`, a constant column counts 1 where it is met exactly, else 0.
        """
        weights = np.ones(len(targets)) if weights is None else weights
        residual = weights @ np.square(targets - output, dtype=np.float64)
        centred = targets - np.average(targets, axis=0, weights=weights)
        total = weights @ np.square(centred, dtype=np.float64)
        return explained(residual, total)


def explained(residual: np.ndarray, total: np.ndarray) -> float:
    """Return the mean over outputs of 1 - residual / total, 1 or 0 where the total is zero."""
    ratio = np.divide(residual, total, out=np.sign(residual), where=total > 0)
    return float(np.mean(1 - ratio))
