"""The scores of a classifier, in frozen dataclasses that print as a table.

The scores are scikit-learn's. Precision, recall and F1 are 0 where they are undefined (a class that
was never predicted, or has no sample); everything else is None there, and where it was not asked
for: without probabilities, or in a model file of an earlier netts.
"""

from __future__ import annotations

from dataclasses import dataclass


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
