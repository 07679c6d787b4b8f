"""How good predictions are, as numbers and as a text to read."""

from netts.evaluation.report import (
    ClassificationReport,
    ClassScores,
    RegressionReport,
    classification_report,
    regression_report,
)

__all__ = [
    "ClassScores",
    "ClassificationReport",
    "RegressionReport",
    "classification_report",
    "regression_report",
]
