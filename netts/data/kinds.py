"""What a column of text is, and how its cells become values.

A column is read as an array whose type tells its kind: float64 for numbers, with NaN for a missing
cell; datetime64[us] for dates, with NaT; objects for the rest, with None: bool where the cells are
yes or no, str where they are categories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from netts.data.cells import (
    MISSING,
    Comma,
    as_numbers,
    date,
    is_number,
    is_other_date,
    meaning_of_comma,
    number,
    truth,
)
from netts.data.quoting import quoted
from netts.data.rows import ReadOptions, Rows
from netts.errors import DataError

Kind = Literal["number", "yes/no", "date", "category"]

MAX_INTEGER_CLASSES = 20
"""Enough for digits and ratings, too few for ages, years and counts."""

_PAIRS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"on", "off"})

# A text among numbers is a slip if there are few such texts. Otherwise the column holds codes, as
# the tickets of the Titanic do: three in four are numbers, the others are such as "A/5 21171".
FEW_TEXTS = 10
FEW_TEXTS_SHARE = 0.1


@dataclass(frozen=True)
class ColumnRule:
    """How the cells of a column are read.

    Attributes
    ----------
    name : str
    kind : {"number", "yes/no", "date", "category"}
    comma : {"decimal", "thousands"} or None
        What a comma inside a number means; None where numbers have none.
    """

    name: str
    kind: Kind
    comma: Comma | None = None


def missing_cells(options: ReadOptions) -> frozenset[str]:
    """Return what stands for a missing value, in lower case."""
    return MISSING | {cell.strip().lower() for cell in options.missing}


def infer_rule(rows: Rows, column: int, options: ReadOptions) -> ColumnRule:
    """Tell what a column is.

    Raises
    ------
    DataError
        Where it holds dates whose day and month might be either, or text among quantities.
    """
    name, missing = rows.column_names[column], missing_cells(options)
    if name in options.categories:
        return ColumnRule(name, "category")
    different = [cell for cell in set(rows.columns[column]) if cell.lower() not in missing]
    if as_numbers(different) is not None:
        return ColumnRule(name, "number")
    comma = meaning_of_comma(different, rows.delimiter)
    if comma is not None:
        return ColumnRule(name, "number", comma)
    if any({cell.lower() for cell in different} <= pair for pair in _PAIRS):
        return ColumnRule(name, "yes/no")
    if all(map(date, different)):
        return ColumnRule(name, "date")
    if all(map(is_other_date, different)):
        raise _date_refusal(rows, column, missing)
    _check_no_stray_text(rows, column, different, missing)
    return ColumnRule(name, "category")


def read_column(
    rows: Rows, column: int, rule: ColumnRule, missing: frozenset[str] = MISSING
) -> np.ndarray:
    """Return the values of a column, shape (n_samples,), of a dtype as the module says.

    Raises
    ------
    DataError
        Naming the line and the column of the first cell that is none of its kind.
    """
    cells, form = rows.columns[column], _FORMS[rule.kind]
    if rule.kind == "number" and rule.comma is None:
        numbers = _plain_numbers(cells, missing)
        if numbers is not None:
            return numbers
    # Each cell that recurs is read once.
    place_of = {cell: place for place, cell in enumerate(dict.fromkeys(cells))}
    values = np.full(len(place_of), form.nothing, form.dtype)
    for cell, place in place_of.items():
        if cell.lower() in missing:
            continue
        value = form.read(cell, rule.comma)
        if value is None:
            raise DataError(
                f"{rows.place(cells.index(cell), column)}: {quoted(cell)} is "
                f"{form.complain(cell, rule.comma)}"
            )
        values[place] = value
    return values[np.fromiter(map(place_of.__getitem__, cells), np.intp, len(cells))]


def infer_column(rows: Rows, column: int, options: ReadOptions) -> tuple[ColumnRule, np.ndarray]:
    """Tell what a column is, and return its values: `infer_rule` and `read_column`."""
    name, missing = rows.column_names[column], missing_cells(options)
    numbers = _plain_numbers(rows.columns[column], missing)
    if numbers is not None and name not in options.categories:
        return ColumnRule(name, "number"), numbers
    rule = infer_rule(rows, column, options)
    return rule, read_column(rows, column, rule, missing)


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


def _plain_numbers(cells: list[str], missing: frozenset[str]) -> np.ndarray | None:
    """Return a column of finite numbers without commas, or None where a cell needs another look.

    Most columns are such, and this reads them several times as fast as cell by cell.
    """
    if not is_number(next((cell for cell in cells if cell.lower() not in missing), "")):
        return None
    marked = [cell if cell.lower() not in missing else "" for cell in cells]
    numbers = as_numbers([cell or "nan" for cell in marked])
    if numbers is None or np.isfinite(numbers).sum() != sum(map(bool, marked)):
        return None
    return numbers


def _date_refusal(rows: Rows, column: int, missing: frozenset[str]) -> DataError:
    example = next(cell for cell in rows.columns[column] if cell.lower() not in missing)
    return DataError(
        f"{rows.path}: column {quoted(rows.column_names[column])} holds dates such as "
        f"{quoted(example)}, of which day, month and year could be confused: write them as "
        "2026-03-31, or leave the column out (--ignore; in Python ReadOptions(ignored=...))"
    )


def _check_no_stray_text(
    rows: Rows, column: int, different: list[str], missing: frozenset[str]
) -> None:
    """Refuse a few texts among numbers that are quantities, not codes."""
    texts = {cell for cell in different if not is_number(cell)}
    if len(texts) > max(FEW_TEXTS, FEW_TEXTS_SHARE * len(different)):
        return
    cells = rows.columns[column]
    present = [cell for cell in cells if cell.lower() not in missing]
    numbers = [float(cell) for cell in present if cell not in texts]
    if len(numbers) <= len(present) / 2 or looks_like_classes(np.array(numbers)):
        return
    row = next(row for row, cell in enumerate(cells) if cell in texts)
    raise DataError(
        f"{rows.place(row, column)}: {quoted(cells[row])} is not a number, and most others are: "
        "correct it, or say that it stands for a missing value (--missing), that the numbers are "
        "names (--category) or that the column is to be left out (--ignore); in Python "
        "ReadOptions(missing=..., categories=..., ignored=...)"
    )


@dataclass(frozen=True)
class _Form:
    """How the cells of one kind become values.

    Attributes
    ----------
    read : callable of a cell and the meaning of a comma
        Gives its value, or None if it has none.
    complain : callable of a cell and the meaning of a comma
        Says what such a cell is.
    dtype : str
    nothing : object
        The value of a missing cell.
    """

    read: Callable[[str, Comma | None], Any]
    complain: Callable[[str, Comma | None], str]
    dtype: str
    nothing: Any


def _no_number(cell: str, comma: Comma | None) -> str:
    if is_number(cell) and not np.isfinite(float(cell)):
        return "not a finite number"
    if comma == "decimal":
        return "not a number with a decimal comma, as the others of this column are"
    if comma is None and is_number(cell.replace(",", ".")):
        return "not a number; write a decimal point instead of the comma"
    return "not a number"


_FORMS: dict[Kind, _Form] = {
    "number": _Form(number, _no_number, "float64", np.nan),
    "yes/no": _Form(
        lambda cell, _: truth(cell),
        lambda *_: "neither yes nor no, true nor false",
        "object",
        None,
    ),
    "date": _Form(
        lambda cell, _: date(cell),
        lambda *_: "not a date such as 2026-03-31",
        "datetime64[us]",
        "NaT",
    ),
    "category": _Form(lambda cell, _: cell, lambda *_: "no text", "object", None),
}
