"""Tell what a CSV file does not say: what separates its cells, and whether it has a header."""

from __future__ import annotations

import csv
import io
from itertools import islice
from pathlib import Path

from netts.data.cells import has_commas_of_a_number, is_number
from netts.data.quoting import quoted
from netts.errors import DataError

DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
"""Ties go to the first: a comma may stand inside a number or a text, the others rarely do."""

# What the delimiter is guessed from.
SAMPLE_CHARACTERS = 2**16
SAMPLE_ROWS = 100


def guess_delimiter(text: str) -> str:
    """Choose the delimiter that divides the first rows most evenly, then into the most cells."""
    sample = text.lstrip("\r\n")[:SAMPLE_CHARACTERS]

    def evenness(delimiter: str) -> tuple[float, int]:
        # A dialect that is not strict: a bad quote is reported when the file is read.
        source = io.StringIO(sample, newline="")
        reader = csv.reader(source, delimiter=delimiter, skipinitialspace=True)
        try:
            widths = [len(row) for row in islice(reader, SAMPLE_ROWS) if row]
        except csv.Error:
            return 0.0, 0
        if len(sample) == SAMPLE_CHARACTERS and 1 < len(widths) < SAMPLE_ROWS:
            widths.pop()  # cut off in the middle, perhaps
        if not widths or widths[0] == 1:
            return 0.0, 1
        return widths.count(widths[0]) / len(widths), widths[0]

    return max(DELIMITERS, key=evenness)


def is_header(columns: list[list[str]], line: int, path: Path) -> bool:
    """Tell whether the first cells of all columns are their names, as `read_rows` describes it.

    Raises
    ------
    DataError
        If they might be either.
    """
    numbers = [column[0] for column in columns if _is_numeric(column[0])]
    if not numbers:
        return not _recurs(columns)
    others = (column for column in columns if column[0] and not _is_numeric(column[0]))
    above_numbers = next((column[0] for column in others if _goes_on_with_number(column)), None)
    if above_numbers is not None:
        raise DataError(
            f"{path}, line {line}: this is no header, because {quoted(numbers[0])} is a number, "
            f"and no data, because {quoted(above_numbers)} stands above numbers: say whether it is "
            "a header (--header or --no-header, has_header in Python)"
        )
    return False


def _is_numeric(cell: str) -> bool:
    return is_number(cell) or has_commas_of_a_number(cell)


def _recurs(columns: list[list[str]]) -> bool:
    """Tell whether most cells of the first row are values of their columns, so that it is data."""
    named = [column for column in columns if column[0]]
    return sum(column.count(column[0]) > 1 for column in named) > len(named) / 2


def _goes_on_with_number(column: list[str]) -> bool:
    """Tell whether the first cell below that holds something is a number."""
    return _is_numeric(next(filter(None, islice(column, 1, None)), ""))
