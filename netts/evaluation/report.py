"""The scores of a classifier, in frozen dataclasses that print as a table.

The scores are scikit-learn's. Precision, recall and F1 are 0 where they are undefined (a class that
was never predicted, or has no sample); everything else is None there, and where it was not asked
for: without probabilities, or in a model file of an earlier netts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

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
from netts.hyperparameters import check_real


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class against the rest, or their mean over the classes.

    Attributes
    ----------
    label : str
    precision : float
        Share of the predictions of this class that are right: TP / (TP + FP).
    recall : float
        Share of the samples of this class that were found: TP / (TP + FN).
    f1 : float
        Harmonic mean of precision and recall.
    support : int
        Number of samples of this class.
    specificity : float or None
        Share of the samples of other classes that were not taken for this one: TN / (TN + FP).
    f_beta : float or None
        Weighted harmonic mean of precision and recall, recall `beta` times as important.
    roc_auc : float or None
        The probability that a sample of this class is given a higher probability of it than a
        sample of another class.
    average_precision : float or None
        The area under the steps of the precision-recall curve.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    specificity: float | None = None
    f_beta: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None


@dataclass(frozen=True)
class ClassificationReport:
    """Scores of a classifier.

    Attributes
    ----------
    accuracy : float
        Share of the samples whose prediction is right; where a sample may have several labels,
        of those with all labels right.
    classes : tuple of ClassScores
        In the order in which the classes were given.
    macro_average : ClassScores
        Unweighted means over the classes, as far as they are defined; its support is the number of
        samples.
    weighted_average : ClassScores or None
        Means over the classes, weighted by their samples.
    micro_average : ClassScores or None
        Of all decisions together, where a sample may have several labels: else it is the accuracy.
    balanced_accuracy : float or None
        Mean recall of the classes that have samples.
    mcc : float or None
        Matthews's correlation coefficient, from -1 to 1; 0 is no better than chance.
    hamming_loss : float or None
        Share of the decisions about single labels that are wrong, where there may be several.
    log_loss : float or None
        Mean negative logarithm of the probability given to what is true.
    brier_score : float or None
        Mean squared difference between probabilities and what is true; for two classes and for
        single labels half of that.
    beta : float
        Of `f_beta`.
    """

    accuracy: float
    classes: tuple[ClassScores, ...]
    macro_average: ClassScores
    weighted_average: ClassScores | None = None
    micro_average: ClassScores | None = None
    balanced_accuracy: float | None = None
    mcc: float | None = None
    hamming_loss: float | None = None
    log_loss: float | None = None
    brier_score: float | None = None
    beta: float = 1.0

    @property
    def averages(self) -> tuple[ClassScores, ...]:
        """Return those that there are."""
        found = (self.macro_average, self.weighted_average, self.micro_average)
        return tuple(scores for scores in found if scores is not None)

    @property
    def columns(self) -> dict[str, str]:
        """Return what a table of the classes shows: titles by the names of attributes."""
        shown = {"precision": "precision", "recall": "recall", "specificity": "specificity"}
        shown |= {"f1": "F1"} | ({"f_beta": f"F{self.beta:g}"} if self.beta != 1 else {})
        shown |= {"roc_auc": "ROC AUC", "average_precision": "PR AUC"}
        known = [
            name
            for name in shown
            if any(getattr(one, name) is not None for one in (*self.classes, *self.averages))
        ]
        return {name: shown[name] for name in known}

    @property
    def measures(self) -> dict[str, float]:
        """Return the scores of all classes together that there are, by their names."""
        found = {
            "accuracy": self.accuracy,
            "balanced accuracy": self.balanced_accuracy,
            "MCC": self.mcc,
            "Hamming loss": self.hamming_loss,
            "log loss": self.log_loss,
            "Brier score": self.brier_score,
        }
        return {name: value for name, value in found.items() if value is not None}

    def __str__(self) -> str:
        rows = [*self.classes, *self.averages]
        width = max(len(name) for name in [*(one.label for one in rows), *self.measures])
        titles = "".join(f"{title:>{_width(title)}}" for title in self.columns.values())
        lines = [f"{'':{width}}{titles} support"]
        lines += [self._line(scores, width) for scores in self.classes]
        lines += ["", *(self._line(scores, width) for scores in self.averages), ""]
        lines += [f"{name:{width}}{value:11.3f}" for name, value in self.measures.items()]
        return "\n".join(lines)

    def _line(self, scores: ClassScores, width: int) -> str:
        cells = [
            f"{'-' if value is None else f'{value:.3f}':>{_width(title)}}"
            for name, title in self.columns.items()
            for value in [getattr(scores, name)]
        ]
        return f"{scores.label:{width}}{''.join(cells)}{scores.support:8d}"


def _width(title: str) -> int:
    """Return the width of a column with room for its title and for 0.123."""
    return max(len(title), 5) + 2


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
