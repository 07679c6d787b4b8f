"""Take the measures of predicted classes, by scikit-learn's metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    hamming_loss,
    log_loss,
    matthews_corrcoef,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
)

from netts.evaluation.comparison import Comparison, compare
from netts.evaluation.report import ClassificationReport, ClassScores
from netts.hyperparameters import check_real


def classification_report(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    classes: Iterable[object],
    *,
    probabilities: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    beta: float = 1.0,
) -> ClassificationReport:
    """Compare predicted labels with true ones.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,), or of 0 and 1, (n_samples, n_labels)
        Labels; or which labels each sample has.
    classes : iterable
        Every label that may occur, each once, in the order to report them.
    probabilities : array-like of shape (n_samples, n_labels), optional
        Of each class, in the order of `classes`.
    sample_weight : array-like of shape (n_samples,), optional
        How much each sample counts in every score.
    beta : float
        How many times as important recall is as precision, in `f_beta`.

    Raises
    ------
    DataError
        If there are no samples, the lengths differ, a label is not one of the classes, or a
        probability or weight is not one.
    ParameterError
        If beta is not above 0.

    Examples
    --------
    >>> print(classification_report(["a", "b", "b", "b"], ["a", "a", "b", "b"], ["a", "b"]))
                       precision  recall  specificity     F1 support
    a                      0.500   1.000        0.667  0.667       1
    b                      1.000   0.667        1.000  0.800       3
    <BLANKLINE>
    macro average          0.750   0.833        0.833  0.733       4
    weighted average       0.875   0.750        0.917  0.767       4
    <BLANKLINE>
    accuracy               0.750
    balanced accuracy      0.833
    MCC                    0.577
    """
    compared = compare(
        y_true, y_pred, classes, probabilities=probabilities, sample_weight=sample_weight
    )
    return report_on(compared, beta)


def report_on(compared: Comparison, beta: float = 1.0) -> ClassificationReport:
    """Score what is known to fit together."""
    check_real("beta", beta, "(0, inf)")
    classes = _class_scores(compared, beta)
    n_samples = len(compared.true)
    supports = [_weight(compared, code) for code in compared.codes]
    several = compared.is_multilabel
    return ClassificationReport(
        accuracy=float(
            accuracy_score(compared.true, compared.predicted, sample_weight=compared.weights)
        ),
        classes=classes,
        macro_average=_mean("macro average", classes, [1.0] * len(classes), n_samples),
        weighted_average=_mean("weighted average", classes, supports, n_samples),
        micro_average=_micro_average(compared, beta) if several else None,
        balanced_accuracy=None if several else _balanced_accuracy(compared),
        mcc=None if several else _mcc(compared),
        hamming_loss=_hamming_loss(compared) if several else None,
        log_loss=_loss(log_loss, compared),
        brier_score=_loss(brier_score_loss, compared),
        beta=float(beta),
    )


def _class_scores(compared: Comparison, beta: float) -> tuple[ClassScores, ...]:
    weights, codes = compared.weights, compared.codes
    pair = (compared.true, compared.predicted)
    settings = {"labels": list(codes), "sample_weight": weights, "zero_division": 0.0}
    precisions, recalls, f1s, _ = precision_recall_fscore_support(*pair, **settings)
    _, _, f_betas, _ = precision_recall_fscore_support(*pair, beta=beta, **settings)
    tables = multilabel_confusion_matrix(*pair, labels=list(codes), sample_weight=weights)
    return tuple(
        ClassScores(
            label=compared.labels[code],
            precision=float(precisions[code]),
            recall=float(recalls[code]),
            f1=float(f1s[code]),
            support=int(np.count_nonzero(compared.has_label(code))),
            specificity=_ratio(tables[code][0, 0], tables[code][0].sum()),
            f_beta=float(f_betas[code]),
            roc_auc=_ranking(roc_auc_score, compared, code),
            average_precision=_ranking(average_precision_score, compared, code),
        )
        for code in codes
    )


def _weight(compared: Comparison, code: int) -> float:
    """Return the weight of the samples of a class, by which scikit-learn weights averages."""
    has_label = compared.has_label(code)
    return float(has_label.sum() if compared.weights is None else compared.weights[has_label].sum())


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _ranking(measure: Callable[..., float], compared: Comparison, code: int) -> float | None:
    """Score a class's probabilities against the rest; None where all samples are of one side."""
    has_label = compared.has_label(code)
    counted = has_label if compared.weights is None else has_label[compared.weights > 0]
    if compared.probabilities is None or counted.all() or not counted.any():
        return None
    scores = compared.probabilities[:, code]
    return float(measure(has_label, scores, sample_weight=compared.weights))


def _mean(
    label: str, classes: tuple[ClassScores, ...], shares: list[float], n_samples: int
) -> ClassScores:
    means = {
        name: _mean_of([getattr(scores, name) for scores in classes], shares)
        for name in ("specificity", "f_beta", "roc_auc", "average_precision")
    }
    precision, recall, f1 = (
        float(np.average([getattr(scores, name) for scores in classes], weights=shares))
        if any(shares)
        else 0.0
        for name in ("precision", "recall", "f1")
    )
    return ClassScores(label, precision, recall, f1, n_samples, **means)


def _mean_of(values: list[float | None], shares: list[float]) -> float | None:
    known = [
        (value, share) for value, share in zip(values, shares, strict=True) if value is not None
    ]
    total = sum(share for _, share in known)
    return sum(value * share for value, share in known) / total if total else None


def _micro_average(compared: Comparison, beta: float) -> ClassScores:
    pair = (compared.true, compared.predicted)
    settings = {"average": "micro", "sample_weight": compared.weights, "zero_division": 0.0}
    precision, recall, f1, _ = precision_recall_fscore_support(*pair, **settings)
    _, _, f_beta, _ = precision_recall_fscore_support(*pair, beta=beta, **settings)
    tables = multilabel_confusion_matrix(*pair, sample_weight=compared.weights).sum(axis=0)
    return ClassScores(
        "micro average",
        float(precision),
        float(recall),
        float(f1),
        len(compared.true),
        specificity=_ratio(tables[0, 0], tables[0].sum()),
        f_beta=float(f_beta),
    )


def _balanced_accuracy(compared: Comparison) -> float:
    # scikit-learn's balanced_accuracy_score, without its warning of classes that have no sample.
    return float(
        recall_score(
            compared.true,
            compared.predicted,
            labels=np.unique(compared.true),
            average="macro",
            sample_weight=compared.weights,
            zero_division=0.0,
        )
    )


def _mcc(compared: Comparison) -> float:
    pair = (compared.true, compared.predicted)
    if np.unique(pair).size == 1:
        return 0.0  # as scikit-learn has it, without its warning
    return float(matthews_corrcoef(*pair, sample_weight=compared.weights))


def _hamming_loss(compared: Comparison) -> float:
    pair = (compared.true, compared.predicted)
    return float(hamming_loss(*pair, sample_weight=compared.weights))


def _loss(measure: Callable[..., float], compared: Comparison) -> float | None:
    """Score probabilities; None without any, or with a single class, of which all are sure."""
    probabilities, weights = compared.probabilities, compared.weights
    if probabilities is None or (len(compared.labels) < 2 and not compared.is_multilabel):
        return None
    if not compared.is_multilabel:
        return float(
            measure(
                compared.true, probabilities, labels=list(compared.codes), sample_weight=weights
            )
        )
    each = None if weights is None else np.repeat(weights, len(compared.labels))
    decisions = (compared.true.ravel().astype(int), probabilities.ravel())
    return float(measure(*decisions, labels=[0, 1], sample_weight=each))
