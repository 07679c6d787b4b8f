"""A table of data: columns to learn from and a target to learn."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from netts.choices import nearest_first
from netts.data.kinds import missing_cells
from netts.data.quoting import listed, quoted
from netts.data.reading import Reading
from netts.data.rows import AS_FOUND, ReadOptions
from netts.data.table_files import TableFile, open_table
from netts.data.targets import Task, check_variety
from netts.errors import DataError, UnknownColumnError

# Classes that a description names before it says how many more there are.
MAX_CLASSES_SHOWN = 10

# What programs call a first column that only numbers the rows; `column_1` is one without a name.
ROW_NUMBER_NAMES = {
    "column_1", "unnamed: 0", "index", "id", "row", "rownames", "row_names", "__index_level_0__",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Table:
    """Samples with their targets; `str(table)` describes it in two lines.

    Attributes
    ----------
    name : str
        What it was loaded as.
    columns : dict of str to ndarray of shape (n_samples,)
        float64 for numbers, datetime64 for dates, objects for the rest: bool or str. A missing
        value is NaN, NaT or None.
    y : ndarray of shape (n_samples,)
        str or int64 labels for classification, float64 for regression.
    reading : Reading
        How it was read.
    line_numbers : ndarray of shape (n_samples,)
        Where each row starts in its file.
    unused : dict of str to str
        Columns of the file that are not among `columns`, and why.
    form : str
        How the file was understood: its delimiter and encoding.
    """

    name: str
    columns: dict[str, np.ndarray]
    y: np.ndarray
    reading: Reading
    line_numbers: np.ndarray
    unused: dict[str, str] = field(default_factory=dict)
    form: str = ""

    @property
    def target_name(self) -> str:
        """Return the name of the target."""
        return self.reading.target.name

    @property
    def task(self) -> Task:
        """Return what there is to learn."""
        return self.reading.target.task

    @cached_property
    def X(self) -> np.ndarray:  # noqa: N802 - the data's name
        """Return the columns side by side, (n_samples, n_features).

        float64 where all are numbers, else objects, for `TableEncoder` to make numbers of.
        """
        is_numeric = all(values.dtype.kind == "f" for values in self.columns.values())
        dtype = np.float64 if is_numeric else object
        return np.stack([values.astype(dtype) for values in self.columns.values()], axis=1)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the name of each column of X."""
        return tuple(self.columns)

    @property
    def n_samples(self) -> int:
        """Return the number of rows."""
        return len(self.y)

    @property
    def n_features(self) -> int:
        """Return the number of columns of X."""
        return len(self.columns)

    def take(self, rows: np.ndarray) -> Table:
        """Return some of the rows."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, columns=columns, y=self.y[rows], line_numbers=self.line_numbers[rows])

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.n_samples:,} rows, {self.n_features} columns"
            + (f", {self.form}" if self.form else ""),
            f"target {quoted(self.target_name)}: {self._describe_target()}",
        ]
        if self.unused:
            reasons = (f"{quoted(name)} {reason}" for name, reason in self.unused.items())
            lines.append(f"not used: {', '.join(reasons)}")
        return "\n".join(lines)

    def _describe_target(self) -> str:
        if self.task == "regression":
            low, mean, high = self.y.min(), self.y.mean(), self.y.max()
            return f"regression, {low:g} to {high:g}, mean {mean:.4g}"
        labels, counts = np.unique(self.y, return_counts=True)
        shown = [f"{label} {count:,}" for label, count in zip(labels, counts, strict=True)]
        more = len(shown) - MAX_CLASSES_SHOWN
        listed = ", ".join(shown[:MAX_CLASSES_SHOWN]) + (f", and {more} more" if more > 0 else "")
        return f"{len(labels)} classes ({listed})"


def read_table(
    path: str | os.PathLike[str],
    target: str | None = None,
    *,
    task: Task | None = None,
    options: ReadOptions = AS_FOUND,
) -> Table:
    """Read a CSV or Parquet file of numbers, categories, dates and yes or no, with a target.

    Parameters
    ----------
    path : path-like
        A text file whose cells are separated by semicolons, tabs, bars or commas; or a Parquet
        file, whose columns are what their types say.
    target : str, optional
        The column to learn, by default the last one.
    task : {"classification", "regression"}, optional
        By default decided by the target: text is classes, and so are whole numbers of which there
        are at most 20 different ones, each in two rows or more on average; all else is regression.
    options : ReadOptions, optional
        What the file does not tell by itself: delimiter, encoding, header, missing cells, columns
        to ignore and columns whose numbers are names.

    Returns
    -------
    Table

    Raises
    ------
    DataFileNotFoundError, DataFileError
        If there is no such file or it cannot be read.
    UnknownColumnError
        If there is no column called `target`, or one that the options name.
    DataError
        If the file is not such a table; the message names the line and column.
    """
    file = open_table(Path(path), options)
    target_column, features, unused = _divide(file, target, options)
    target_rule, y = file.infer_target(target_column, task)
    check_variety(y, target_rule, file.path)
    inferred = [file.infer(column) for column in features]
    reading = Reading(
        columns=tuple(rule for rule, _ in inferred),
        target=target_rule,
        missing=tuple(sorted(missing_cells(options))),
        names=file.column_names,
        has_header=file.has_header,
    )
    return Table(
        name=file.path.stem,
        columns={rule.name: values for rule, values in inferred},
        y=y,
        reading=reading,
        line_numbers=file.line_numbers,
        unused={file.column_names[column]: why for column, why in unused.items()},
        form=file.describe(),
    )


def _divide(
    file: TableFile, target: str | None, options: ReadOptions
) -> tuple[int, list[int], dict[int, str]]:
    """Return the place of the target, those to learn from, and why the others are left out."""
    names = file.column_names
    if len(names) == 1:
        raise DataError(
            f"{file.path} has one column, {quoted(names[0])}: a table needs features and a target, "
            "separated by semicolons, tabs, bars or commas"
        )
    target_column = _find(file, target) if target is not None else len(names) - 1
    unused = dict.fromkeys((_find(file, name) for name in options.ignored), "(as asked)")
    unused = _row_numbers(file) | unused
    for name in options.categories:
        _find(file, name)
    if target_column in unused:
        raise DataError(
            f"{file.path}: {quoted(names[target_column])} is the target and cannot be ignored"
        )
    features = [k for k in range(len(names)) if k not in unused and k != target_column]
    if not features:
        reasons = ", ".join(f"{quoted(names[k])} {why}" for k, why in unused.items())
        raise DataError(
            f"{file.path}: no column is left to learn from beside the target: {reasons}"
        )
    return target_column, features, unused


def _find(file: TableFile, name: str) -> int:
    names = file.column_names
    if name not in names:
        raise UnknownColumnError(
            f"{file.path} has no column {quoted(name)}; it has {listed(nearest_first(name, names))}"
        )
    return names.index(name)


def _row_numbers(file: TableFile) -> dict[int, str]:
    """Return the first column if it numbers the rows, by its name and its values."""
    is_named = file.has_header and file.column_names[0].lower() in ROW_NUMBER_NAMES
    return {0: "(it numbers the rows)"} if is_named and file.counts_rows(0) else {}
