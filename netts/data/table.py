"""A table of data: numbers to learn from and a target to learn."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netts.choices import nearest_first
from netts.data.columns import Task, is_text, read_numbers, read_target
from netts.data.rows import Rows, read_rows
from netts.errors import DataError, UnknownColumnError

# Classes that a description names before it says how many more there are.
MAX_CLASSES_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Table:
    """Samples with their targets; `str(table)` describes it in two lines.

    Attributes
    ----------
    name : str
        What it was loaded as.
    X : ndarray of shape (n_samples, n_features)
        float64.
    y : ndarray of shape (n_samples,)
        str or int64 labels for classification, float64 for regression.
    feature_names : tuple of str
        One for each column of X.
    target_name : str
    task : {"classification", "regression"}
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]
    target_name: str
    task: Task

    @property
    def n_samples(self) -> int:
        """Return the number of rows."""
        return len(self.y)

    @property
    def n_features(self) -> int:
        """Return the number of columns of X."""
        return len(self.feature_names)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.n_samples} rows, {self.n_features} numeric columns\n"
            f"target {self.target_name!r}: {self._describe_target()}"
        )

    def _describe_target(self) -> str:
        if self.task == "regression":
            low, mean, high = self.y.min(), self.y.mean(), self.y.max()
            return f"regression, {low:g} to {high:g}, mean {mean:.4g}"
        labels, counts = np.unique(self.y, return_counts=True)
        shown = [f"{label} {count}" for label, count in zip(labels, counts, strict=True)]
        more = len(shown) - MAX_CLASSES_SHOWN
        listed = ", ".join(shown[:MAX_CLASSES_SHOWN]) + (f", and {more} more" if more > 0 else "")
        return f"{len(labels)} classes ({listed})"


def read_table(
    path: str | os.PathLike[str], target: str | None = None, *, task: Task | None = None
) -> Table:
    """Read a CSV file of numbers with one numeric or text target.

    Parameters
    ----------
    path : path-like
        A UTF-8 file, its cells separated by commas, semicolons or tabs. The first row is a header
        if none of its cells is a number; without a header the columns are called `column_1`,
        `column_2` and so on.
    target : str, optional
        The column to learn, by default the last one.
    task : {"classification", "regression"}, optional
        By default decided by the target: text is classes, and so are whole numbers of which there
        are at most 20 different ones, each in two rows or more on average; all else is regression.

    Returns
    -------
    Table

    Raises
    ------
    DataFileNotFoundError, DataFileError
        If there is no such file or it cannot be read.
    UnknownColumnError
        If there is no column called `target`.
    DataError
        If the file is not such a table; the message names the line and column.
    """
    rows = read_rows(Path(path))
    target_column = _find_target(rows, target)
    features = [column for column in range(len(rows.column_names)) if column != target_column]
    y, task = read_target(rows, target_column, task)
    _check_features(rows, features, has_chosen_target=target is not None)
    X = np.stack([read_numbers(rows, column) for column in features], axis=1)
    feature_names = tuple(rows.column_names[column] for column in features)
    return Table(rows.path.stem, X, y, feature_names, rows.column_names[target_column], task)


def _find_target(rows: Rows, target: str | None) -> int:
    names = rows.column_names
    if target is None:
        return len(names) - 1
    if target not in names:
        nearest = ", ".join(map(repr, nearest_first(target, names)))
        raise UnknownColumnError(f"{rows.path} has no column {target!r}; it has {nearest}")
    return names.index(target)


def _check_features(rows: Rows, features: list[int], *, has_chosen_target: bool) -> None:
    """Refuse columns of text, which may well be the target that was meant."""
    for column in features:
        if is_text(rows, column):
            name = rows.column_names[column]
            advice = "leave it out or write it as numbers"
            if not has_chosen_target:
                advice += f", or choose it as the target (it is {rows.column_names[-1]!r} now)"
            raise DataError(
                f"{rows.path}: column {name!r} is text ({rows.cells[0][column]!r}), and netts "
                f"learns from numbers: {advice}"
            )
