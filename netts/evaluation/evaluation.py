"""Everything about predictions beside what is true: scores, tables and curves."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix

from netts.errors import DataError, ParameterError
from netts.evaluation.comparison import Comparison, compare
from netts.evaluation.curves import ClassCurves, Curve, class_curves
from netts.evaluation.page import Page, Section
from netts.evaluation.regression import (
    RegressionReport,
    names_of,
    regression_report,
    values_of,
)
from netts.evaluation.report import ClassificationReport, report_on
from netts.evaluation.sections import classification_sections, regression_sections
from netts.evaluation.training_sections import Epochs, training_sections
from netts.graph.profile import Profile


@dataclass(frozen=True, eq=False)
class Evaluation(ABC):
    """How good predictions are; `str(evaluation)` is a table to read.

    Attributes
    ----------
    n_samples : int
    report : ClassificationReport or RegressionReport
        The scores.
    """

    n_samples: int
    report: ClassificationReport | RegressionReport

    @property
    def measures(self) -> dict[str, float]:
        """The scores of all classes or outputs together, by their names."""
        return self.report.measures

    def __str__(self) -> str:
        return str(self.report)

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values that JSON has: what is not finite is None or text.

        Curves have at most 200 points.
        """

    def to_json(self) -> str:
        """Return `to_dict()` as a JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    @abstractmethod
    def sections(self) -> list[Section]:
        """Return what a page shows: tables and plots.

        Raises
        ------
        MissingPackageError
            Where the extra `report` is not installed.
        """

    def save_html(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "Evaluation",
        history: Epochs | None = None,
        profile: Profile | None = None,
    ) -> None:
        """Write a page with tables and plots: one file that needs no network and runs no script.

        Parameters
        ----------
        path : str or path
            A file that is there is replaced, as a whole or not at all.
        title : str
        history : History, optional
            Of the training, for its learning curves: `trainer.history_`, `estimator.history_`.
        profile : Profile, optional
            What a step spends its time on: `trainer.profile(X, y)`, `estimator.profile(X, y)`.

        Raises
        ------
        MissingPackageError
            Where the extra `report` is not installed.
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        """
        sections = [*self.sections(), *training_sections(history, profile)]
        Page(title, sections).save(path)


@dataclass(frozen=True, eq=False)
class ClassificationEvaluation(Evaluation):
    """How good the predictions of classes are.

    Attributes
    ----------
    report : ClassificationReport
    confusion_matrix : ndarray of shape (n_classes, n_classes) or (n_labels, 2, 2)
        How many samples of each class, the rows, were taken for which, the columns; where samples
        may have several labels, a table of each label: without it, with it. The sum of their
        weights where there are such.
    curves : tuple of ClassCurves
        Of each class against the rest, of two classes of the second; empty without probabilities.
    """

    report: ClassificationReport
    confusion_matrix: np.ndarray
    curves: tuple[ClassCurves, ...]

    @property
    def is_multilabel(self) -> bool:
        """Whether a sample may have several labels."""
        return self.confusion_matrix.ndim == 3

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(scores.label for scores in self.report.classes)

    def sections(self) -> list[Section]:
        """Return scores, confusion matrix and curves."""
        return classification_sections(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values that JSON has."""
        return {
            "task": "multilabel classification" if self.is_multilabel else "classification",
            "n_samples": self.n_samples,
            "report": plain(self.report),
            "confusion_matrix": plain(self.confusion_matrix),
            "curves": plain(self.curves),
        }


@dataclass(frozen=True, eq=False)
class RegressionEvaluation(Evaluation):
    """How good the predictions of quantities are.

    Attributes
    ----------
    report : RegressionReport
    output_names : tuple of str
    true, predicted : ndarray of shape (n_samples, n_outputs)
    """

    report: RegressionReport
    output_names: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray

    @property
    def residuals(self) -> np.ndarray:
        """What is true less what was predicted, (n_samples, n_outputs)."""
        return self.true - self.predicted

    def sections(self) -> list[Section]:
        """Return scores and residuals."""
        return regression_sections(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the scores, and quantiles of the residuals, as plain values that JSON has."""
        shares = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
        quantiles = np.quantile(self.residuals, shares, axis=0).T
        return {
            "task": "regression",
            "n_samples": self.n_samples,
            "report": plain(self.report),
            "residual_quantiles": {
                name: dict(zip(map(str, shares), row, strict=True))
                for name, row in zip(self.output_names, quantiles.tolist(), strict=True)
            },
        }


def evaluate(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    sample_weight: ArrayLike | None = None,
    beta: float = 1.0,
) -> Evaluation:
    """Predict, and compare with what is true.

    Parameters
    ----------
    estimator : classifier or regressor
        Fitted; of netts, of scikit-learn, or one that follows its conventions. It is not changed.
    X : as the estimator's `predict` takes it
    y : array-like of shape (n_samples,), or (n_samples, n_outputs)
        Labels or quantities; 0 and 1 for each label, where a sample may have several.
    sample_weight : array-like of shape (n_samples,), optional
        How much each sample counts.
    beta : float
        How many times as important recall is as precision, in F-beta.

    Returns
    -------
    ClassificationEvaluation or RegressionEvaluation

    Raises
    ------
    DataError
        If there are no samples, a label is none of the classes that the estimator knows, or
        predictions are such that no score can be computed from them.
    ParameterError
        If the estimator is neither a classifier nor a regressor.

    Examples
    --------
    >>> from netts import MLPClassifier
    >>> from netts.data import load
    >>> from netts.evaluation import evaluate
    >>> iris = load("iris")
    >>> X = (iris.X - iris.X.mean(axis=0)) / iris.X.std(axis=0)
    >>> classifier = MLPClassifier((16,), learning_rate_init=0.01, max_iter=300, random_state=0)
    >>> evaluation = evaluate(classifier.fit(X[::2], iris.y[::2]), X[1::2], iris.y[1::2])
    >>> evaluation.report.accuracy > 0.9, evaluation.confusion_matrix.sum()
    (True, np.int64(75))
    """
    if np.shape(y)[:1] == (0,):
        raise DataError("y is empty: there is nothing to evaluate")
    if is_classifier(estimator):
        y_pred = estimator.predict(X)
        probabilities = _probabilities(estimator, X)
        return evaluate_classes(
            y,
            y_pred,
            _classes(estimator, y_pred),
            probabilities=probabilities,
            sample_weight=sample_weight,
            beta=beta,
        )
    if not is_regressor(estimator):
        raise ParameterError(
            f"estimator is a classifier or a regressor, got {estimator!r}: give others' "
            "predictions to evaluate_classes or evaluate_quantities"
        )
    return evaluate_quantities(
        y,
        estimator.predict(X),
        sample_weight=sample_weight,
        n_features=getattr(estimator, "n_features_in_", None),
    )


def evaluate_classes(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    classes: Iterable[object],
    *,
    probabilities: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    beta: float = 1.0,
) -> ClassificationEvaluation:
    """Compare predicted labels, and their probabilities, with true labels.

    Parameters
    ----------
    y_true, y_pred, classes, probabilities, sample_weight, beta
        As in `classification_report`.

    Raises
    ------
    DataError, ParameterError
        As in `classification_report`.
    """
    compared = compare(
        y_true, y_pred, classes, probabilities=probabilities, sample_weight=sample_weight
    )
    return ClassificationEvaluation(
        n_samples=len(compared.true),
        report=report_on(compared, beta),
        confusion_matrix=_confusion_matrix(compared),
        curves=class_curves(compared),
    )


def evaluate_quantities(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_features: int | None = None,
    output_names: Sequence[str] | None = None,
) -> RegressionEvaluation:
    """Compare predicted quantities with true ones.

    Parameters
    ----------
    y_true, y_pred, sample_weight, n_features, output_names
        As in `regression_report`.

    Raises
    ------
    DataError, ParameterError
        As in `regression_report`.
    """
    true, predicted = values_of(y_true, y_pred)
    return RegressionEvaluation(
        n_samples=len(true),
        report=regression_report(
            true,
            predicted,
            sample_weight=sample_weight,
            n_features=n_features,
            output_names=output_names,
        ),
        output_names=names_of(true.shape[1], output_names),
        true=true,
        predicted=predicted,
    )


def _confusion_matrix(compared: Comparison) -> np.ndarray:
    measure = multilabel_confusion_matrix if compared.is_multilabel else confusion_matrix
    with warnings.catch_warnings():
        # It says so of a single class even where it is all that there is.
        warnings.filterwarnings("ignore", "A single label was found")
        return measure(
            compared.true,
            compared.predicted,
            labels=list(compared.codes),
            sample_weight=compared.weights,
        )


def plain(value: Any) -> Any:
    """Return a value as JSON has it: NaN is None, an infinity is text."""
    if isinstance(value, Curve):
        thinned = value.thinned()
        return {"x": plain(thinned.x), "y": plain(thinned.y)}
    if dataclasses.is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _probabilities(estimator: Any, X: Any) -> np.ndarray | None:
    """Return the probability of each class, or of each label, of an estimator that has them."""
    if not hasattr(estimator, "predict_proba"):
        return None
    found = estimator.predict_proba(X)
    if not isinstance(found, list):
        return np.asarray(found)
    # Of the values of each label, as scikit-learn's forests and neighbours give them.
    pairs = zip(found, estimator.classes_, strict=True)
    return np.column_stack([columns[:, values == 1].sum(axis=1) for columns, values in pairs])


def _classes(estimator: Any, y_pred: Any) -> Sequence[Any]:
    classes = estimator.classes_
    return range(y_pred.shape[1]) if isinstance(classes, list) else list(classes)
