"""Predict, and compare with what is true."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix

from netts.errors import DataError, ParameterError
from netts.evaluation.class_measures import report_on
from netts.evaluation.comparison import Comparison, compare
from netts.evaluation.curves import class_curves
from netts.evaluation.evaluation import (
    ClassificationEvaluation,
    Evaluation,
    RegressionEvaluation,
)
from netts.evaluation.regression import names_of, regression_report, values_of


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
