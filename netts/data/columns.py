"""Turn columns of text into numbers or labels, and decide what kind of target a column is."""

from __future__ import annotations

from typing import Literal

import numpy as np

from netts.data.rows import Rows, is_number
from netts.errors import DataError

Task = Literal["classification", "regression"]

# Cells that programs write for a value they do not have.
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})

# Enough for digits and ratings, too few for ages, years and counts.
MAX_INTEGER_CLASSES = 20


def read_numbers(rows: Rows, column: int) -> np.ndarray:
    """Return a column as float64, shape (n_samples,).

    Raises
    ------
    DataError
        Naming the line and the column of the first cell that is missing, not a number, NaN or
        infinite.
    """
    cells = rows.column(column)
    for row, cell in enumerate(cells):
        if not is_number(cell) or cell.lower() in MISSING:
            raise DataError(f"{rows.place(row, column)}: {_complaint(cell)}")
    values = np.array([float(cell) for cell in cells])
    if not np.all(np.isfinite(values)):
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"{rows.place(row, column)}: {cells[row]!r} is not a finite number")
    return values


def is_text(rows: Rows, column: int) -> bool:
    """Tell whether a column has no number at all."""
    return not any(map(is_number, rows.column(column)))


def read_target(rows: Rows, column: int, task: Task | None) -> tuple[np.ndarray, Task]:
    """Return the target and its task, guessed where it is `None`.

    Text is a class label. Numbers are class labels if `looks_like_classes`.

    Returns
    -------
    y : ndarray of shape (n_samples,)
        str or int64 labels, or float64 values.
    task : {"classification", "regression"}

    Raises
    ------
    DataError
        If a cell is missing, if a few cells are text among numbers, if there is only one value, or
        as many labels as rows.
    """
    _check_complete(rows, column)
    if task == "regression" or _is_number_column(rows, column):
        values = read_numbers(rows, column)
        task = task or ("classification" if looks_like_classes(values) else "regression")
        y = values if task == "regression" else _labels(values, rows.column(column))
    else:
        task, y = "classification", np.array(rows.column(column))
    _check_variety(y, task, rows, column)
    return y, task


def looks_like_classes(values: np.ndarray) -> bool:
    """Tell whether numbers are labels of classes rather than quantities.

    They are if all are whole, there are at most 20 different ones, and each of them stands in two
    rows or more on average (where scikit-learn's `type_of_target` too begins to doubt).

    Examples
    --------
    >>> looks_like_classes(np.array([0.0, 1.0, 1.0, 0.0]))
    True
    >>> looks_like_classes(np.array([0.5, 1.0, 1.0, 0.5]))
    False
    >>> looks_like_classes(np.arange(15.0))
    False
    """
    n_distinct = np.unique(values).size
    is_whole = bool(np.all(values == np.floor(values)))
    return is_whole and n_distinct <= min(MAX_INTEGER_CLASSES, values.size // 2)


def _complaint(cell: str) -> str:
    if cell.lower() in MISSING:
        return f"the cell is missing ({cell!r}); fill it or leave the row out"
    if is_number(cell.replace(",", ".")):
        return f"{cell!r} is not a number; write a decimal point instead of the comma"
    return f"{cell!r} is not a number"


def _is_number_column(rows: Rows, column: int) -> bool:
    """Tell whether a target holds numbers, refusing one in which text stands among quantities."""
    cells = rows.column(column)
    numbers = [float(cell) for cell in cells if is_number(cell)]
    if len(numbers) == len(cells):
        return True
    if len(numbers) > len(cells) / 2 and not looks_like_classes(np.array(numbers)):
        row = next(row for row, cell in enumerate(cells) if not is_number(cell))
        raise DataError(f"{rows.place(row, column)}: {_complaint(cells[row])}, and most others are")
    return False


def _labels(values: np.ndarray, cells: list[str]) -> np.ndarray:
    if np.abs(values).max() >= 2**53:
        return np.array(cells)  # as float64, different labels might be the same
    if np.all(values == np.floor(values)):
        return values.astype(np.int64)
    return np.array([f"{value:g}" for value in values])


def _check_complete(rows: Rows, column: int) -> None:
    for row, cell in enumerate(rows.column(column)):
        if cell.lower() in MISSING:
            raise DataError(f"{rows.place(row, column)}: {_complaint(cell)}")


def _check_variety(y: np.ndarray, task: Task, rows: Rows, column: int) -> None:
    name, n_distinct = rows.column_names[column], np.unique(y).size
    if n_distinct == 1:
        raise DataError(
            f"{rows.path}: target {name!r} is {rows.cells[0][column]} in every row: there is "
            "nothing to learn"
        )
    if task == "classification" and n_distinct > y.size / 2:
        raise DataError(
            f"{rows.path}: target {name!r} has {n_distinct} different labels in {y.size} rows, too "
            "many to be classes: choose another column as the target"
        )
