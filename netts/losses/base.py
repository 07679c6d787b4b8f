"""What a loss is: what a row of outputs costs, and how that changes with the outputs."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from netts.devices.memory import BufferView
from netts.errors import DataError, ShapeError, UnexportableError
from netts.layers.base import LayerOperators

LOSS_METHODS = ("targets", "forward", "backward", "predict", "score")
"""What makes an object a loss, whether or not it inherits from `Loss`."""


class Loss(Protocol):
    """A loss of a batch: the mean over its rows, weighted, of a cost of each row.

    Networks end with the raw scores (logits) that a loss expects; `predict` makes of them what the
    user asked for. In all kernels `output` is (rows, n_outputs) of the network's dtype, `targets`
    (rows, k) as `targets` of the loss returned them, `losses` and `weights` (rows,), `weight_sum`
    (1,). A loss is hashable, as frozen dataclasses are.
    """

    @abstractmethod
    def targets(self, y: np.ndarray, n_outputs: int, dtype: DTypeLike) -> np.ndarray:
        """Return the targets as kernels take them: a contiguous matrix of n_samples rows.

        Raises
        ------
        ShapeError, DataError
            Where `y` does not fit the outputs or has values without a meaning.
        """
        ...

    @abstractmethod
    def forward(self, output: BufferView, targets: BufferView, losses: BufferView) -> None:
        """Write the cost of each row, not weighted, to `losses`."""
        ...

    @abstractmethod
    def backward(
        self,
        output: BufferView,
        targets: BufferView,
        losses: BufferView,
        weights: BufferView,
        weight_sum: BufferView,
        grad_output: BufferView,
    ) -> None:
        """Write the gradient of sum(weights * losses) / weight_sum; reads what `forward` wrote."""
        ...

    @abstractmethod
    def predict(self, output: BufferView, prediction: BufferView) -> None:
        """Write probabilities or values, of the shape of `output`."""
        ...

    def to_onnx(self, at: LayerOperators) -> str:
        """Append the operators that do what `predict` does; return the value that they give.

        Raises
        ------
        UnexportableError
            Where there are none.
        """
        name = type(self).__name__
        raise UnexportableError(
            f"has no ONNX operator for what it predicts: give {name} a method "
            "to_onnx(self, at), such as `return at.add('Sigmoid', at.input)`, or export the raw "
            "outputs, with loss=None"
        )

    @abstractmethod
    def score(self, output: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """Return how good outputs are for a person to read, higher is better: accuracy or R^2."""
        ...


def as_columns(y: np.ndarray, n_outputs: int, name: str) -> np.ndarray:
    """Return targets of shape (n_samples,) or (n_samples, n_outputs) as a matrix."""
    columns = y.reshape(-1, 1) if y.ndim == 1 else y
    if columns.ndim != 2 or columns.shape[1] != n_outputs:
        raise ShapeError(
            f"{name} expects y of shape (n_samples, {n_outputs})"
            f"{' or (n_samples,)' if n_outputs == 1 else ''}, one column for each output of the "
            f"network, got {y.shape}"
        )
    return columns


def as_numbers(y: np.ndarray, dtype: DTypeLike, name: str) -> np.ndarray:
    """Return targets in a floating dtype, or raise where one is no finite number."""
    try:
        numbers = np.ascontiguousarray(y, dtype)
    except (TypeError, ValueError):
        raise DataError(
            f"{name} expects y of numbers, got dtype {y.dtype}: labels are learned by a classifier"
        ) from None
    finite = np.isfinite(numbers)
    if not finite.all():
        row = int(np.argwhere(~finite)[0, 0])
        raise DataError(f"y has values that are not finite, the first at row {row}")
    return numbers


def class_numbers(y: np.ndarray, n_classes: int, name: str) -> np.ndarray:
    """Return the numbers of exclusive classes as (n_samples, 1) int64.

    Raises
    ------
    ShapeError, DataError
        Where `y` is no vector of whole numbers from 0 to n_classes - 1.
    """
    if y.ndim != 1:
        raise ShapeError(
            f"{name} expects y of shape (n_samples,), got {y.shape}: y.ravel() makes it "
            "of a column, y.argmax(axis=1) of one column for each class"
        )
    if y.dtype.kind not in "iub":
        raise DataError(
            f"{name} expects y of whole numbers, 0 to n_classes - 1, got dtype "
            f"{y.dtype}; numpy.unique(y, return_inverse=True) makes them of labels"
        )
    outside = (y < 0) | (y >= n_classes)
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            f"{name} expects classes 0 to {n_classes - 1}, one for each output of the "
            f"network, got class {y[row]} in row {row}: give its last layer more units, or "
            "number the classes from 0"
        )
    return np.ascontiguousarray(y, np.int64).reshape(-1, 1)
