"""Reports on predictions: scores in frozen dataclasses that print as a table.

The scores are scikit-learn's; what is undefined there is 0 here for precision, recall and F1 (a
class that was never predicted, or has no sample), and NaN for R2 (one sample, or constant targets).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import (
    mean_absolute_error,
    precision_recall_fscore_support,
    r2_score,
    root_mean_squared_error,
)

from netts.errors import DataError


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class, or their mean over the classes.

    Attributes
    ----------
    label : str
    precision : float
        Share of the predictions of this class that are right.
    recall : float
        Share of the samples of this class that were found.
    f1 : float
        Harmonic mean of precision and recall.
    support : int
        Number of samples of this class.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ClassificationReport:
    """Scores of a classifier.

    Attributes
    ----------
    accuracy : float
        Share of the predictions that are right.
    classes : tuple of ClassScores
        In the order in which the classes were given.
    macro_average : ClassScores
        Unweighted means over the classes; its support is the number of samples.
    """

    accuracy: float
    classes: tuple[ClassScores, ...]
    macro_average: ClassScores

    def __str__(self) -> str:
        rows = [*self.classes, self.macro_average]
        width = max(len(scores.label) for scores in rows)
        lines = [f"{'':{width}}  precision  recall     F1  support"]
        lines += [_line(scores, width) for scores in self.classes]
        lines += ["", _line(self.macro_average, width)]
        lines += [f"{'accuracy':{width}}{self.accuracy:26.3f}{self.macro_average.support:9d}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class RegressionReport:
    """Scores of a regressor.

    Attributes
    ----------
    rmse : float
        Root of the mean squared error, in the target's unit.
    mae : float
        Mean absolute error, in the target's unit.
    r2 : float
        Coefficient of determination: 1 is perfect, 0 is as good as the mean of the targets.
    n_samples : int
    """

    rmse: float
    mae: float
    r2: float
    n_samples: int

    def __str__(self) -> str:
        meaning = "1 is perfect, 0 no better than the mean"
        if math.isnan(self.r2):
            meaning = "undefined: the targets are all equal"
        return (
            f"RMSE  {self.rmse:10.4g}  root mean squared error, in the target's unit\n"
            f"MAE   {self.mae:10.4g}  mean absolute error, in the target's unit\n"
            f"R2    {self.r2:10.4f}  {meaning}"
        )


def classification_report(
    y_true: ArrayLike, y_pred: ArrayLike, classes: Iterable[object]
) -> ClassificationReport:
    """Compare predicted labels with true ones.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels.
    classes : iterable
        Every label that may occur, each once, in the order to report them.

    Raises
    ------
    DataError
        If there are no samples, the lengths differ, or a label is not one of the classes.

    Examples
    --------
    >>> print(classification_report(["a", "b", "b", "b"], ["a", "a", "b", "b"], ["a", "b"]))
                   precision  recall     F1  support
    a                  0.500   1.000  0.667        1
    b                  1.000   0.667  0.800        3
    <BLANKLINE>
    macro average      0.750   0.833  0.733        4
    accuracy                          0.750        4
    """
    true, predicted = _check_pair(y_true, y_pred)
    labels = np.array(list(classes))
    _check_labels(true, predicted, labels)
    scores = precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0.0)
    rows = zip(labels, *scores, strict=True)
    means = [float(np.mean(score)) for score in scores[:3]]
    return ClassificationReport(
        accuracy=float(np.mean(true == predicted)),
        classes=tuple(
            ClassScores(str(label), float(precision), float(recall), float(f1), int(support))
            for label, precision, recall, f1, support in rows
        ),
        macro_average=ClassScores("macro average", means[0], means[1], means[2], len(true)),
    )


def regression_report(y_true: ArrayLike, y_pred: ArrayLike) -> RegressionReport:
    """Compare predicted values with true ones.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Numbers.

    Raises
    ------
    DataError
        If there are no samples, the lengths differ, or a value is NaN or infinite.

    Examples
    --------
    >>> print(regression_report([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]))
    RMSE      0.5774  root mean squared error, in the target's unit
    MAE       0.3333  mean absolute error, in the target's unit
    R2        0.5000  1 is perfect, 0 no better than the mean
    """
    true, predicted = _check_pair(y_true, y_pred)
    for name, values in (("y_true", true), ("y_pred", predicted)):
        if not np.all(np.isfinite(values)):
            raise DataError(f"{name} contains NaN or infinity, which no score can be computed from")
    is_constant = bool(np.all(true == true[0]))
    return RegressionReport(
        rmse=float(root_mean_squared_error(true, predicted)),
        mae=float(mean_absolute_error(true, predicted)),
        r2=math.nan if is_constant else float(r2_score(true, predicted)),
        n_samples=len(true),
    )


def _line(scores: ClassScores, width: int) -> str:
    return (
        f"{scores.label:{width}}{scores.precision:11.3f}{scores.recall:8.3f}"
        f"{scores.f1:7.3f}{scores.support:9d}"
    )


def _check_pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    true, predicted = np.asarray(y_true), np.asarray(y_pred)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise DataError(
            "y_true and y_pred must both have shape (n_samples,), "
            f"got {true.shape} and {predicted.shape}"
        )
    if true.size == 0:
        raise DataError("y_true and y_pred are empty: there is nothing to score")
    return true, predicted


def _check_labels(true: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> None:
    for name, values in (("y_true", true), ("y_pred", predicted)):
        unknown = np.setdiff1d(values, labels)
        if unknown.size:
            listed = ", ".join(map(str, labels))
            raise DataError(
                f"{name} contains {str(unknown[0])!r}, which is none of the classes {listed}"
            )
