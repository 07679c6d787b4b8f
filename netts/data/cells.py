"""What one cell says: a number, with a comma or without, a date, yes or no, or nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Literal

import numpy as np

Comma = Literal["decimal", "thousands"]

MISSING = frozenset({
    "", "?", "na", "n/a", "<na>", "nan", "-nan", "null", "#n/a", "#na", "#n/a n/a",
    "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
})  # fmt: skip
"""Cells that programs write for a value they do not have, in lower case.

Those of `pandas.read_csv` and the question mark of the UCI repository, without `None`, which is a
class or a category more often.
"""

TRUTHS = {
    "true": True, "yes": True, "t": True, "y": True, "on": True,
    "false": False, "no": False, "f": False, "n": False, "off": False,
}  # fmt: skip

# Beside a decimal comma, a point divides thousands.
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+,\d+|\d*,\d+|\d+)([eE][+-]?\d+)?")
_THOUSANDS_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
# The day, or the year, first; then perhaps a time.
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})([ T]\d{2}:\d{2}(?::\d{2})?)?", re.ASCII)
_OTHER_DATE = re.compile(
    r"(\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|\d{4}[./]\d{1,2}[./]\d{1,2})([ T,].*)?"
)


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number as a CSV file writes it (Python's 1_000 is not)."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def as_numbers(cells: Collection[str]) -> np.ndarray | None:
    """Return cells as float64, or None where one of them is no number; fast where all are."""
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return None if "_" in "".join(cells) else values


def may_be_number(cell: str) -> bool:
    """Tell whether a cell is a number, be it one with a comma such as `1,5` or `1,234.5`."""
    forms = (_DECIMAL_COMMA, _THOUSANDS_COMMA)
    return is_number(cell) or any(form.fullmatch(cell) for form in forms)


def meaning_of_comma(cells: Collection[str], delimiter: str) -> Comma | None:
    """Tell what a comma in the numbers means, None where they have none or are no numbers.

    `1,234` could be either; where commas separate the cells it is one thousand and more.
    """
    with_comma = [cell for cell in cells if "," in cell]
    if not with_comma or not all(is_number(cell) for cell in cells if "," not in cell):
        return None
    is_decimal = all(map(_DECIMAL_COMMA.fullmatch, cells))
    is_thousands = all(map(_THOUSANDS_COMMA.fullmatch, with_comma))
    if is_decimal and is_thousands:
        return "thousands" if delimiter == "," else "decimal"
    return "decimal" if is_decimal else "thousands" if is_thousands else None


def number(cell: str, comma: Comma | None = None) -> float | None:
    """Return the number that a cell is, None where it is none or not finite."""
    if comma == "decimal":
        is_one = _DECIMAL_COMMA.fullmatch(cell)
        cell = cell.replace(".", "").replace(",", ".") if is_one else ""
    elif comma == "thousands" and _THOUSANDS_COMMA.fullmatch(cell):
        cell = cell.replace(",", "")
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in cell else None


def date(cell: str) -> datetime | None:
    """Return a date of ISO 8601, in UTC where it names a time zone, or one such as 31.03.2026.

    Where dates are written with dots and end with the year, the day comes first; with slashes the
    month may.
    """
    dotted = _DAY_FIRST.fullmatch(cell)
    if dotted:
        day, month, year, time = dotted.groups("")
        cell = f"{year}-{month:0>2}-{day:0>2}{time}"
    try:
        value = datetime.fromisoformat(cell)
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    except (ValueError, OverflowError):
        return None


def is_other_date(cell: str) -> bool:
    """Tell whether a cell is a date, though not one that `date` reads, such as `03/31/2026`."""
    return _OTHER_DATE.fullmatch(cell) is not None


def truth(cell: str) -> bool | None:
    """Return whether a cell says yes or no, None where it says neither."""
    return TRUTHS.get(cell.lower())
