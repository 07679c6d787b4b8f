"""Cross-entropies from logits: of exclusive classes, and of independent yes-or-no outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler import accelerate, parallel
from netts.compiler.functions import exp, log, log1p, sigmoid
from netts.errors import DataError
from netts.layers.base import LayerOperators
from netts.layers.softmax import softmax_forward
from netts.losses.base import Loss, as_columns, as_numbers, class_numbers


@accelerate
def cross_entropy_forward(logits, targets, losses):
    """Write -log softmax(logits)[target] = log(sum of exp(logit)) - logit of the target.

    The row's maximum is taken out, so that logits of any finite size do.
    """
    for i in parallel(logits.shape[0]):
        peak = logits[i, 0]
        for j in range(1, logits.shape[1]):
            peak = max(peak, logits[i, j])
        total = 0.0
        for j in range(logits.shape[1]):
            total += exp(logits[i, j] - peak)
        losses[i] = log(total) + (peak - logits[i, targets[i, 0]])


@accelerate
def cross_entropy_backward(logits, targets, losses, weights, weight_sum, grad_logits):
    """Write weight / weight_sum * (softmax(logits) - 1 at the target).

    softmax(logits)[j] = exp(logits[j] - logits[target] - loss), so no maximum or sum is needed.
    """
    scale = 1.0 / weight_sum[0]
    for i in parallel(logits.shape[0]):
        target = targets[i, 0]
        shift = logits[i, target] + losses[i]
        for j in range(logits.shape[1]):
            hit = 1.0 if j == target else 0.0
            grad_logits[i, j] = (exp(logits[i, j] - shift) - hit) * weights[i] * scale


@accelerate
def binary_cross_entropy_forward(logits, targets, losses):
    """Write the sum over outputs of -t log p - (1 - t) log(1 - p), p = sigmoid(z).

    Each is z (h - t) + log(1 + exp(-|z|)) with h = 1 where z > 0, else 0: no term is negative or
    overflows, so nothing cancels.
    """
    for i in parallel(logits.shape[0]):
        total = 0.0
        for j in range(logits.shape[1]):
            z = logits[i, j]
            hard = 1.0 if z > 0.0 else 0.0
            total += z * (hard - targets[i, j]) + log1p(exp(-abs(z)))
        losses[i] = total


@accelerate
def binary_cross_entropy_backward(logits, targets, weights, weight_sum, grad_logits):
    """Write weight / weight_sum * (sigmoid(logits) - targets)."""
    scale = 1.0 / weight_sum[0]
    for i, j in parallel(logits.shape[0], logits.shape[1]):
        probability = sigmoid(logits[i, j])
        grad_logits[i, j] = (probability - targets[i, j]) * weights[i] * scale


@accelerate
def binary_probabilities(logits, probabilities):
    """Write sigmoid(logits)."""
    for i, j in parallel(logits.shape[0], logits.shape[1]):
        probabilities[i, j] = sigmoid(logits[i, j])


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Softmax cross-entropy: one output for each class, `y` the number of the class."""

    def targets(self, y: np.ndarray, n_outputs: int, dtype: DTypeLike) -> np.ndarray:
        """Return (n_samples, 1) int64."""
        return class_numbers(y, n_outputs, "cross_entropy")

    def forward(self, output, targets, losses):
        """Write -log of the probability of the target."""
        cross_entropy_forward(output, targets, losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the gradient by the logits."""
        cross_entropy_backward(output, targets, losses, weights, weight_sum, grad_output)

    def predict(self, output, prediction):
        """Write the probability of each class."""
        softmax_forward(output, prediction)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Softmax."""
        return at.over_rows("Softmax", axis=-1)

    def score(self, output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """Return the accuracy."""
        return float(np.average(output.argmax(axis=1) == targets[:, 0], weights=weights))


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Sigmoid cross-entropy, summed over outputs: each output answers yes (1) or no (0).

    One output makes a classifier of two classes, several make a multi-label one. Targets between 0
    and 1 are taken as probabilities.
    """

    def targets(self, y: np.ndarray, n_outputs: int, dtype: DTypeLike) -> np.ndarray:
        """Return (n_samples, n_outputs) of the network's dtype."""
        name = "binary_cross_entropy"
        columns = as_numbers(as_columns(y, n_outputs, name), dtype, name)
        outside = ((columns < 0) | (columns > 1)).any(axis=1)
        if outside.any():
            row = int(outside.argmax())
            raise DataError(f"{name} expects y between 0 and 1, got {columns[row]} in row {row}")
        return columns

    def forward(self, output, targets, losses):
        """Write the cross-entropies, summed over outputs."""
        binary_cross_entropy_forward(output, targets, losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the gradient by the logits."""
        binary_cross_entropy_backward(output, targets, weights, weight_sum, grad_output)

    def predict(self, output, prediction):
        """Write the probability of each yes."""
        binary_probabilities(output, prediction)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Sigmoid."""
        return at.add("Sigmoid", at.input)

    def score(self, output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """Return the share of rows with every output right."""
        right = ((output > 0) == (targets > 0.5)).all(axis=1)
        return float(np.average(right, weights=weights))
