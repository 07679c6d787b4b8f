"""Read the column that is to be learned, and decide what kind of task it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from netts.data.cells import MISSING, Comma, number
from netts.data.kinds import (
    ColumnRule,
    infer_rule,
    looks_like_classes,
    missing_cells,
    read_column,
)
from netts.data.quoting import quoted
from netts.data.rows import ReadOptions, Rows
from netts.errors import DataError

Task = Literal["classification", "regression"]
Labels = Literal["whole", "decimal", "text"]

# NumPy gives each row the room of the longest text, 4 bytes a character.
MAX_LABEL_CHARACTERS = 200

# From here on, float64 cannot tell all whole numbers apart.
FIRST_INEXACT = 2**53


@dataclass(frozen=True)
class TargetRule:
    """How the target is read.

    Attributes
    ----------
    name : str
    task : {"classification", "regression"}
    labels : {"whole", "decimal", "text"} or None
        What labels are: int64; numbers, written as short as possible; the cells themselves. None
        for regression.
    comma : {"decimal", "thousands"} or None
        As in `netts.data.kinds.ColumnRule`.
    """

    name: str
    task: Task
    labels: Labels | None = None
    comma: Comma | None = None

    def as_column(self) -> ColumnRule:
        """Return how its numbers are read."""
        return ColumnRule(self.name, "number", self.comma)


def infer_target(rows: Rows, column: int, task: Task | None, options: ReadOptions) -> TargetRule:
    """Tell what the target is, of a task where that is given.

    Text is class labels. Numbers are class labels if `looks_like_classes`.

    Raises
    ------
    DataError
        If a cell is missing, if the task does not fit it, if it holds dates, or text among
        quantities.
    """
    missing = missing_cells(options)
    _check_complete(rows, column, missing)
    rule = infer_rule(rows, column, options)
    if rule.kind == "date" and task is None:
        raise DataError(
            f"{rows.path}: target {quoted(rule.name)} holds dates such as "
            f"{quoted(rows.columns[column][0])}, which are neither classes nor quantities: choose "
            "another column as the target"
        )
    if rule.kind != "number":
        if task == "regression":
            raise _regression_refusal(rows, column)
        return TargetRule(rule.name, "classification", "text")
    values = read_column(rows, column, rule, missing)
    if task == "regression" or (task is None and not looks_like_classes(values)):
        return TargetRule(rule.name, "regression", None, rule.comma)
    return TargetRule(rule.name, "classification", kind_of_labels(values), rule.comma)


def read_target(
    rows: Rows, column: int, rule: TargetRule, missing: frozenset[str] = MISSING
) -> np.ndarray:
    """Return the target, shape (n_samples,): str or int64 labels, or float64 values.

    Raises
    ------
    DataError
        If a cell is missing, is no number where the rule asks for one, or too long for a label.
    """
    _check_complete(rows, column, missing)
    if rule.labels == "text":
        _check_lengths(rows, column)
        return np.array(rows.columns[column])
    values = read_column(rows, column, rule.as_column(), missing)
    return as_labels(values, rule.labels)


def as_labels(values: np.ndarray, labels: Labels | None) -> np.ndarray:
    """Return numbers as the labels that they are; None leaves them quantities."""
    if labels is None:
        return values
    if labels == "text":
        return np.array([str(int(v)) if v.is_integer() else repr(v) for v in values.tolist()])
    is_whole = labels == "whole" and _is_whole(values)
    return values.astype(np.int64) if is_whole else _decimal(values)


def check_variety(y: np.ndarray, rule: TargetRule, path: Path) -> None:
    """Refuse a target with one value, or with nearly as many labels as rows."""
    n_distinct = np.unique(y).size
    if n_distinct == 1:
        raise DataError(
            f"{path}: target {quoted(rule.name)} is {quoted(y[0])} in every row: there is "
            "nothing to learn"
        )
    if rule.task == "classification" and n_distinct > y.size / 2:
        raise DataError(
            f"{path}: target {quoted(rule.name)} has {n_distinct:,} different labels in "
            f"{y.size:,} rows, too many to be classes: choose another column as the target"
        )


def kind_of_labels(values: np.ndarray) -> Labels:
    """Tell how numbers that are labels are best kept."""
    if np.abs(values).max() >= FIRST_INEXACT:
        return "text"
    return "whole" if _is_whole(values) else "decimal"


def _is_whole(values: np.ndarray) -> bool:
    return bool(np.all(values == np.floor(values)))


def _decimal(values: np.ndarray) -> np.ndarray:
    # Adding 0.0 makes zero of minus zero.
    return np.array([repr(value).removesuffix(".0") for value in (values + 0.0).tolist()])


def _regression_refusal(rows: Rows, column: int) -> DataError:
    cells = rows.columns[column]
    row = next((row for row, cell in enumerate(cells) if number(cell) is None), None)
    if row is None:
        name = quoted(rows.column_names[column])
        return DataError(
            f"{rows.path}: target {name} is to be a category, and a regression learns quantities"
        )
    return DataError(
        f"{rows.place(row, column)}: {quoted(cells[row])} is not a number, and a regression learns "
        "quantities"
    )


def _check_lengths(rows: Rows, column: int) -> None:
    cells = rows.columns[column]
    row = max(range(len(cells)), key=lambda row: len(cells[row]))
    if len(cells[row]) > MAX_LABEL_CHARACTERS:
        raise DataError(
            f"{rows.place(row, column)}: {quoted(cells[row])} has {len(cells[row]):,} characters, "
            f"and a label has at most {MAX_LABEL_CHARACTERS}: choose another column as the target"
        )


def _check_complete(rows: Rows, column: int, missing: frozenset[str]) -> None:
    absent = [row for row, cell in enumerate(rows.columns[column]) if cell.lower() in missing]
    if not absent:
        return
    if len(absent) == len(rows):
        name = quoted(rows.column_names[column])
        raise DataError(
            f"{rows.path}: target {name} has no value in any row: choose another column as the "
            "target"
        )
    also = f", and in {len(absent) - 1:,} more rows" if len(absent) > 1 else ""
    raise DataError(
        f"{rows.place(absent[0], column)}: the cell is missing "
        f"({quoted(rows.columns[column][absent[0]])}){also}, and every row needs a target: fill it "
        "or leave the row out"
    )
