"""Hinge losses: the decision should be right by a margin; what is beyond it costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler import accelerate, parallel
from netts.errors import DataError
from netts.layers.base import LayerOperators
from netts.losses.base import Loss, as_columns, as_numbers, class_numbers
from netts.losses.quantities import copy_values


@accelerate
def hinge_forward(decision, targets, losses):
    """Write max(0, 1 - t z) for decision z and target t, -1 or 1."""
    for i in parallel(decision.shape[0]):
        losses[i] = max(0.0, 1.0 - targets[i, 0] * decision[i, 0])


@accelerate
def hinge_backward(targets, losses, weights, weight_sum, grad_decision):
    """Write weight / weight_sum * -t inside the margin, 0 beyond it."""
    scale = 1.0 / weight_sum[0]
    for i in parallel(grad_decision.shape[0]):
        inside = 1.0 if losses[i] > 0.0 else 0.0
        grad_decision[i, 0] = -targets[i, 0] * inside * weights[i] * scale


@accelerate
def multiclass_hinge_forward(decisions, targets, losses):
    """Write max(0, 1 + largest decision of another class - that of the target)."""
    for i in parallel(decisions.shape[0]):
        target = targets[i, 0]
        rival = 0.0
        found = 0
        for j in range(decisions.shape[1]):
            if j != target:
                rival = decisions[i, j] if found == 0 else max(rival, decisions[i, j])
                found = 1
        losses[i] = max(0.0, 1.0 + rival - decisions[i, target])


@accelerate
def multiclass_hinge_backward(decisions, targets, losses, weights, weight_sum, grad_decisions):
    """Write weight / weight_sum, inside the margin: 1 at the first rival, -1 at the target."""
    scale = 1.0 / weight_sum[0]
    for i in parallel(decisions.shape[0]):
        target = targets[i, 0]
        rival = 0 if target != 0 else 1
        largest = 0.0
        found = 0
        for j in range(decisions.shape[1]):
            if j != target:
                if found == 0 or decisions[i, j] > largest:
                    rival = j
                    largest = decisions[i, j]
                found = 1
        inside = weights[i] * scale if losses[i] > 0.0 else 0.0
        for j in range(decisions.shape[1]):
            sign = 1.0 if j == rival else (-1.0 if j == target else 0.0)
            grad_decisions[i, j] = sign * inside


@dataclass(frozen=True)
class Hinge(Loss):
    """Hinge loss: of one output for two classes, or one output for each of several classes.

    Two classes: max(0, 1 - t z) with targets t of -1 and 1; 0 and 1 are taken for them. Several:
    max(0, 1 + largest other output - output of the target), K. Crammer, Y. Singer, "On the
    algorithmic implementation of multiclass kernel-based vector machines", JMLR 2 (2001),
    equation 4. Both are scikit-learn's `hinge_loss`; PyTorch's `MultiMarginLoss` sums over all
    rivals instead. Predictions are the outputs: decisions, no probabilities.
    """

    def targets(self, y: np.ndarray, n_outputs: int, dtype: DTypeLike) -> np.ndarray:
        """Return (n_samples, 1): -1 and 1 of the network's dtype, or int64 class numbers."""
        if n_outputs > 1:
            return class_numbers(y, n_outputs, "hinge")
        columns = as_numbers(as_columns(y, 1, "hinge"), dtype, "hinge")
        found = set(np.unique(columns).tolist())
        if not (found <= {0.0, 1.0} or found <= {-1.0, 1.0}):
            odd = sorted(found - {-1.0, 0.0, 1.0}) or sorted(found)
            raise DataError(
                f"hinge with one output expects y of -1 and 1, or of 0 and 1, got {odd[:3]}: "
                "number the classes, or give the network an output for each"
            )
        return np.where(columns > 0, columns, -np.ones_like(columns))

    def forward(self, output, targets, losses):
        """Write how far each row is from being right by the margin."""
        kernel = hinge_forward if output.shape[1] == 1 else multiclass_hinge_forward
        kernel(output, targets, losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the gradient by the decisions."""
        if output.shape[1] == 1:
            hinge_backward(targets, losses, weights, weight_sum, grad_output)
        else:
            multiclass_hinge_backward(output, targets, losses, weights, weight_sum, grad_output)

    def predict(self, output, prediction):
        """Write the decisions."""
        copy_values(output, prediction)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append nothing: predictions are the outputs."""
        return at.input

    def score(self, output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """Return the accuracy."""
        if output.shape[1] == 1:
            right = (output > 0) == (targets > 0)
        else:
            right = output.argmax(axis=1) == targets[:, 0]
        return float(np.average(right.reshape(len(output)), weights=weights))
