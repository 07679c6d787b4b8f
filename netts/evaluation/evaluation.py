"""Everything about predictions beside what is true: scores, tables and curves."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netts.evaluation.curves import ClassCurves, Curve
from netts.evaluation.page import Page, Section
from netts.evaluation.regression import RegressionReport
from netts.evaluation.report import ClassificationReport
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
            What a step spends its time on: the `profile_` of a `netts.training.StepProfile`.

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
