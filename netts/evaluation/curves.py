"""Curves of a class's probabilities against the rest: ROC, precision-recall, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from netts.evaluation.comparison import Comparison

CALIBRATION_BINS = 10
"""Of equal width; scikit-learn's examples take as many."""

MAX_POINTS = 200
"""Of a curve that is written or drawn: more cannot be told apart."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve.

    Attributes
    ----------
    x, y : ndarray of shape (n_points,)
    """

    x: np.ndarray
    y: np.ndarray

    def thinned(self) -> Curve:
        """Return at most `MAX_POINTS` of the points, the first and the last included.

        They are equally far apart along the curve, not in number: where it is steep, points count
        as well as where it is flat.
        """
        if len(self.x) <= MAX_POINTS:
            return self
        lengths = np.abs(np.diff(self.x)) + np.abs(np.diff(self.y))
        along = np.concatenate([[0.0], np.cumsum(lengths)])
        places = np.searchsorted(along, np.linspace(0.0, along[-1], MAX_POINTS))
        places = np.unique(np.clip(places, 0, len(along) - 1))
        places[-1] = len(along) - 1
        return Curve(self.x[places], self.y[places])


@dataclass(frozen=True, eq=False)
class ClassCurves:
    """The curves of one class.

    Attributes
    ----------
    label : str
    roc : Curve or None
        True positive rate over false positive rate; None where all samples are of one side.
    precision_recall : Curve or None
        Precision over recall; None where the class has no sample, or all.
    calibration : Curve
        The share of samples of the class over their mean predicted probability, in bins.
    """

    label: str
    roc: Curve | None
    precision_recall: Curve | None
    calibration: Curve


def class_curves(compared: Comparison) -> tuple[ClassCurves, ...]:
    """Return the curves of each class; of two classes, of the second only.

    The curves of the first one say the same from the other side. Without probabilities there are
    none.
    """
    if compared.probabilities is None:
        return ()
    is_binary = len(compared.labels) == 2 and not compared.is_multilabel
    return tuple(_curves(compared, code) for code in compared.codes if code == 1 or not is_binary)


def _curves(compared: Comparison, code: int) -> ClassCurves:
    assert compared.probabilities is not None
    has_label, weights = compared.has_label(code), compared.weights
    scores = compared.probabilities[:, code]
    if weights is not None:
        counted = weights > 0
        has_label, scores, weights = has_label[counted], scores[counted], weights[counted]
    roc = precision_recall = None
    if has_label.any() and not has_label.all():
        x, y, _ = roc_curve(has_label, scores, sample_weight=weights)
        roc = Curve(x, y)
        precision, recall, _ = precision_recall_curve(
            has_label, scores, sample_weight=weights, drop_intermediate=True
        )
        precision_recall = Curve(recall[::-1], precision[::-1])
    calibration = _calibration(has_label, scores, weights)
    return ClassCurves(compared.labels[code], roc, precision_recall, calibration)


def _calibration(has_label: np.ndarray, scores: np.ndarray, weights: np.ndarray | None) -> Curve:
    # scikit-learn's calibration_curve, which has no weights.
    edges = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)
    bins = np.searchsorted(edges[1:-1], scores)
    weights = np.ones(len(scores)) if weights is None else weights
    total = np.bincount(bins, weights, CALIBRATION_BINS)
    filled = total > 0
    predicted = np.bincount(bins, weights * scores, CALIBRATION_BINS)[filled] / total[filled]
    true = np.bincount(bins, weights * has_label, CALIBRATION_BINS)[filled] / total[filled]
    return Curve(predicted, true)
