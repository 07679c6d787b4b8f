"""True labels beside predicted ones, checked once, as the codes that every measure is of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from netts.errors import DataError

# float32 probabilities of thousands of classes add up to 1 within this.
SUM_TOLERANCE = 1e-3

FLOATS = (np.float32, np.float64)
"""What probabilities may be: log loss takes 0 for the smallest step from 1 of their dtype."""

TEXT = "US"
"""NumPy's kinds of text."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a classifier said of samples, and what is true.

    Attributes
    ----------
    labels : tuple of str
        The names of the classes, or of the labels of which a sample may have several.
    true, predicted : ndarray of int, shape (n_samples,), or of bool, shape (n_samples, n_labels)
        The position in `labels` of each sample's class; or which labels it has.
    probabilities : ndarray of shape (n_samples, n_labels) or None
    weights : ndarray of shape (n_samples,) or None
    """

    labels: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None
    weights: np.ndarray | None

    @property
    def is_multilabel(self) -> bool:
        """Whether a sample may have several labels, or none."""
        return self.true.ndim == 2

    @property
    def codes(self) -> range:
        """The position of each label."""
        return range(len(self.labels))

    def has_label(self, code: int) -> np.ndarray:
        """Return whether each sample has a label, bool of shape (n_samples,)."""
        return self.true[:, code] if self.is_multilabel else self.true == code


def compare(
    y_true: Any,
    y_pred: Any,
    classes: Iterable[object],
    *,
    probabilities: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Comparison:
    """Check labels, probabilities and weights, and put them side by side.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,), or of 0 and 1, (n_samples, n_labels)
    classes : iterable
        Every label that may occur, each once.
    probabilities : array-like of shape (n_samples, n_labels), optional
        Of each class, in their order; they add up to 1, but where a sample may have several labels.
    sample_weight : array-like of shape (n_samples,), optional

    Raises
    ------
    DataError
        If there are no samples, shapes differ, a label is not one of the classes, or a probability
        or weight is not one.
    """
    labels = np.asarray(list(classes))
    true, predicted = _labels("y_true", y_true), _labels("y_pred", y_pred)
    check_shapes(true, predicted, " or (n_samples, n_labels)")
    if true.ndim == 2:
        true, predicted = (_indicators(*one, len(labels)) for one in _named(true, predicted))
    else:
        true, predicted = (_codes(*one, labels) for one in _named(true, predicted))
    if probabilities is not None:
        probabilities = _check_probabilities(probabilities, (len(true), len(labels)), true.ndim)
    return Comparison(
        tuple(map(str, labels.tolist())),
        true,
        predicted,
        probabilities,
        check_weights(sample_weight, len(true)),
    )


def check_shapes(true: np.ndarray, predicted: np.ndarray, or_shape: str) -> None:
    """Raise unless both have one row or more, as many columns, and one or two axes."""
    if true.ndim not in (1, 2) or true.shape != predicted.shape:
        raise DataError(
            f"y_true and y_pred must both have shape (n_samples,){or_shape}, "
            f"got {true.shape} and {predicted.shape}"
        )
    if true.size == 0:
        raise DataError("y_true and y_pred are empty: there is nothing to score")


def check_weights(sample_weight: ArrayLike | None, n_samples: int) -> np.ndarray | None:
    """Return weights as float64, None for none.

    Raises
    ------
    DataError
        Unless there is one for each sample, none negative or NaN, and not all zero.
    """
    if sample_weight is None:
        return None
    weights = _floats("sample_weight", sample_weight)
    if weights.shape != (n_samples,):
        raise DataError(f"sample_weight has shape ({n_samples},), got {weights.shape}")
    if not (np.all(np.isfinite(weights)) and np.all(weights >= 0) and weights.any()):
        raise DataError("sample_weight is finite, nowhere negative, and somewhere above 0")
    return weights


def _labels(name: str, values: Any) -> np.ndarray:
    try:
        return values.toarray() if issparse(values) else np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"{name} is no array: {error}") from error


def _named(true: np.ndarray, predicted: np.ndarray) -> Sequence[tuple[str, np.ndarray]]:
    return ("y_true", true), ("y_pred", predicted)


def _indicators(name: str, values: np.ndarray, n_labels: int) -> np.ndarray:
    if values.shape[1] != n_labels:
        raise DataError(f"{name} has {values.shape[1]} columns for {n_labels} labels")
    if values.dtype.kind not in "biuf" or not np.all((values == 0) | (values == 1)):
        raise DataError(
            f"{name} has two axes and holds other values than 0 and 1: a sample has one class, "
            "shape (n_samples,), or says of each label whether it has it"
        )
    return values.astype(bool)


def _codes(name: str, values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the position of each value among the labels."""
    if (values.dtype.kind in TEXT) != (labels.dtype.kind in TEXT) and values.dtype != object:
        raise DataError(
            f"{name} holds {_kind(values)}, such as {values[0].item()!r}, and the classes are "
            f"{_kind(labels)}, such as {labels.tolist()[:1]}: pass labels as the classes are"
        )
    codes = {label: code for code, label in enumerate(labels.tolist())}
    if len(codes) < len(labels):
        raise DataError(f"classes names a label twice: {', '.join(map(str, labels))}")
    found, inverse = np.unique(values, return_inverse=True)
    unknown = [one for one in found.tolist() if one not in codes]
    if unknown:
        listed = ", ".join(map(str, labels))
        raise DataError(
            f"{name} contains {str(unknown[0])!r}, which is none of the classes {listed}"
        )
    return np.array([codes[one] for one in found.tolist()], np.intp)[inverse]


def _kind(values: np.ndarray) -> str:
    return "text" if values.dtype.kind in TEXT else "numbers"


def _check_probabilities(values: Any, shape: tuple[int, int], axes: int) -> np.ndarray:
    found = _floats("probabilities", values, FLOATS)
    if found.shape != shape:
        raise DataError(
            f"probabilities has shape {shape}, a column for each class, got {found.shape}"
        )
    wrong = ~np.all((found >= 0) & (found <= 1), axis=1)  # NaN is neither
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"probabilities has {found[row].tolist()} in row {row}, and {int(wrong.sum())} such "
            "rows: a probability is at least 0 and at most 1"
        )
    wrong = np.abs(found.sum(axis=1) - 1) > SUM_TOLERANCE
    if axes == 1 and wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"probabilities adds up to {found[row].sum():g} in row {row}: the probabilities of the "
            "classes of a sample add up to 1"
        )
    return found / found.sum(axis=1, keepdims=True) if axes == 1 else found


def _floats(name: str, values: Any, dtypes: tuple[type, ...] = (np.float64,)) -> np.ndarray:
    try:
        found = np.asarray(values)
        return found if found.dtype in dtypes else found.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} holds what is no number: {error}") from error
