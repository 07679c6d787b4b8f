"""What a page shows of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netts.evaluation.page import Rows, Section
from netts.evaluation.plots import (
    MAX_CELLS_WITH_NUMBERS,
    MAX_SERIES,
    Plot,
    confusion_plot,
    histogram_plot,
    scatter_plot,
    share_plot,
)
from netts.evaluation.report import ClassificationReport, ClassScores

if TYPE_CHECKING:
    from netts.evaluation.evaluation import ClassificationEvaluation, RegressionEvaluation

MAX_CLASSES_DRAWN = 40
"""Of a confusion matrix: 1600 cells are 0.3 MB, and smaller ones say nothing."""

MAX_PAIRS = 15
"""Of classes that are taken for one another, in a table."""

MAX_OUTPUTS_DRAWN = 4

QUANTILES = {"least": 0.0, "5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95,
             "greatest": 1.0}  # fmt: skip


def classification_sections(evaluation: ClassificationEvaluation) -> list[Section]:
    """Return scores, confusion matrix and curves."""
    sections = [_scores(evaluation), _confusions(evaluation)]
    if evaluation.curves:
        sections += [_rankings(evaluation), _calibration(evaluation)]
    return sections


def regression_sections(evaluation: RegressionEvaluation) -> list[Section]:
    """Return scores and residuals."""
    report = evaluation.report
    tables: tuple[Rows, ...] = ()
    if report.outputs:
        head = ("output", "RMSE", "MAE", "R2")
        rows = tuple(
            (one.name, f"{one.rmse:.4g}", f"{one.mae:.4g}", f"{one.r2:.4f}")
            for one in report.outputs
        )
        tables = (Rows("Scores of each output", head, rows),)
    figures = {name: f"{value:.4g}" for name, value in report.measures.items()}
    text = f"On {evaluation.n_samples:,} rows; errors are in the unit of the target."
    names = evaluation.output_names[:MAX_OUTPUTS_DRAWN]
    titles = [f"Residuals of {name}" for name in names] if report.outputs else ["Residuals"]
    residuals = [_residuals(evaluation, k, title) for k, title in enumerate(titles)]
    return [Section("Scores", text, figures, tables=tables), *residuals]


def _scores(evaluation: ClassificationEvaluation) -> Section:
    report = evaluation.report
    figures = {name: f"{value:.3f}" for name, value in report.measures.items()}
    rows = tuple(_score_row(report, scores) for scores in (*report.classes, *report.averages))
    table = Rows("Scores of each class", ("class", *report.columns.values(), "rows"), rows)
    return Section("Scores", f"On {evaluation.n_samples:,} rows.", figures, tables=(table,))


def _score_row(report: ClassificationReport, scores: ClassScores) -> tuple[str, ...]:
    values = [getattr(scores, name) for name in report.columns]
    cells = ["–" if value is None else f"{value:.3f}" for value in values]  # noqa: RUF001 - a dash
    return scores.label, *cells, f"{scores.support:,}"


def _confusions(evaluation: ClassificationEvaluation) -> Section:
    title, labels, matrix = "Confusions", evaluation.labels, evaluation.confusion_matrix
    if evaluation.is_multilabel:
        head = ("label", "right without", "wrongly given", "missed", "right with")
        rows = tuple(
            (label, *(f"{count:,.6g}" for count in table.ravel()))
            for label, table in zip(labels, matrix, strict=True)
        )
        return Section(title, "How often each label was given.", tables=(Rows(title, head, rows),))
    plots: tuple[Plot, ...] = ()
    if len(labels) <= MAX_CLASSES_DRAWN:
        plots = (confusion_plot("confusion", "Confusion matrix", matrix, labels),)
    tables = [_most_confused(matrix, labels)]
    if len(labels) <= MAX_CELLS_WITH_NUMBERS:
        tables.append(_matrix_rows(matrix, labels))
    text = (
        "A row of the matrix for each class, a column for what it was taken for; the stronger the "
        "colour, the larger the share of the row."
    )
    return Section(title, text, plots=plots, tables=tuple(tables))


def _matrix_rows(matrix: np.ndarray, labels: tuple[str, ...]) -> Rows:
    rows = tuple(
        (label, *(f"{count:,.6g}" for count in counts))
        for label, counts in zip(labels, matrix, strict=True)
    )
    head = ("true", *(f"as {label}" for label in labels))
    return Rows("Confusion matrix in numbers", head, rows, is_folded=True)


def _most_confused(matrix: np.ndarray, labels: tuple[str, ...]) -> Rows:
    wrong = matrix.astype(float)
    np.fill_diagonal(wrong, 0)
    places = np.argsort(wrong, axis=None, kind="stable")[::-1][:MAX_PAIRS]
    pairs = [np.unravel_index(place, wrong.shape) for place in places]
    rows = tuple(
        (labels[row], labels[column], f"{wrong[row, column]:,.6g}",
         f"{wrong[row, column] / matrix[row].sum():.1%}")
        for row, column in pairs
        if wrong[row, column]
    )  # fmt: skip
    rows = rows or (("nothing was confused", "", "", ""),)
    head = ("true", "taken for", "rows", "share of the class")
    return Rows("What was confused most often", head, rows, n_names=2)


def _rankings(evaluation: ClassificationEvaluation) -> Section:
    """Return the ROC and precision-recall curves, the class with the least area first."""
    scores = {one.label: one for one in evaluation.report.classes}
    ranked = sorted(evaluation.curves, key=lambda one: scores[one.label].roc_auc or 0.0)
    roc = [(f"{one.label}: {scores[one.label].roc_auc:.3f}", one.roc) for one in ranked if one.roc]
    precision_recall = [
        (f"{one.label}: {scores[one.label].average_precision:.3f}", one.precision_recall)
        for one in ranked
        if one.precision_recall
    ]
    whom = "Each class against all others" if len(roc) > 1 else "One class against the other"
    text = f"{whom}, with the area under its curve{_which(len(roc))}"
    if not roc:
        return Section("Ranking", "All rows are of one class, so there is nothing to rank.")
    return Section(
        "Ranking",
        text,
        plots=(
            share_plot(
                "roc", "ROC curve", roc, ("false positive rate", "true positive rate"),
                has_diagonal=True,
            ),
            share_plot(
                "precision-recall", "Precision-recall curve", precision_recall,
                ("recall", "precision"), drawstyle="steps-pre",
            ),
        ),
    )  # fmt: skip


def _which(n_curves: int) -> str:
    return f"; in colour, the {MAX_SERIES} with the least area." if n_curves > 6 else "."


def _calibration(evaluation: ClassificationEvaluation) -> Section:
    scores = {one.label: one for one in evaluation.report.classes}
    ranked = sorted(evaluation.curves, key=lambda one: scores[one.label].roc_auc or 0.0)
    curves = [(one.label, one.calibration) for one in ranked]
    rows = tuple(
        (label, f"{x:.3f}", f"{y:.3f}")
        for label, curve in curves[:MAX_SERIES]
        for x, y in zip(curve.x, curve.y, strict=True)
    )
    return Section(
        "Calibration",
        "How often a class is true where it is given a probability, in ten ranges of it. On the "
        "diagonal, probabilities mean what they say; below it, they promise too much.",
        plots=(
            share_plot(
                "calibration", "Calibration curve", curves,
                ("mean predicted probability", "share that is true"),
                has_diagonal=True, marker="o",
            ),
        ),
        tables=(Rows("Calibration in numbers", ("class", "predicted", "true"), rows, True),),
    )  # fmt: skip


def _residuals(evaluation: RegressionEvaluation, output: int, title: str) -> Section:
    predicted, residuals = evaluation.predicted[:, output], evaluation.residuals[:, output]
    quantiles = tuple(
        (name, f"{np.quantile(residuals, share):.4g}") for name, share in QUANTILES.items()
    )
    return Section(
        title,
        "A residual is what is true less what was predicted.",
        plots=(
            scatter_plot(
                f"predicted-{output}", "Predicted and true", predicted, evaluation.true[:, output],
                ("predicted", "true"), reference="diagonal",
            ),
            scatter_plot(
                f"residuals-{output}", "Residuals", predicted, residuals,
                ("predicted", "residual"), reference="zero",
            ),
            histogram_plot(
                f"histogram-{output}", "Distribution of residuals", residuals, ("residual", "rows")
            ),
        ),
        tables=(Rows("Quantiles of the residuals", ("", "residual"), quantiles),),
    )  # fmt: skip
