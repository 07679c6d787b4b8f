"""How good predictions are: as numbers, as a text to read, and as a page with plots."""

from netts.evaluation.class_measures import classification_report
from netts.evaluation.cross_validation import CrossValidation, Fold, cross_validate
from netts.evaluation.curves import ClassCurves, Curve
from netts.evaluation.evaluating import evaluate, evaluate_classes, evaluate_quantities
from netts.evaluation.evaluation import (
    ClassificationEvaluation,
    Evaluation,
    RegressionEvaluation,
)
from netts.evaluation.packages import check_packages
from netts.evaluation.page import Page, Rows, Section
from netts.evaluation.regression import OutputScores, RegressionReport, regression_report
from netts.evaluation.report import ClassificationReport, ClassScores
from netts.evaluation.training_sections import training_sections

__all__ = [
    "evaluate",
    "evaluate_classes",
    "evaluate_quantities",
    "Evaluation",
    "ClassificationEvaluation",
    "RegressionEvaluation",
    "cross_validate",
    "CrossValidation",
    "Fold",
    "classification_report",
    "regression_report",
    "ClassificationReport",
    "ClassScores",
    "RegressionReport",
    "OutputScores",
    "ClassCurves",
    "Curve",
    "Page",
    "Rows",
    "Section",
    "check_packages",
    "training_sections",
]
