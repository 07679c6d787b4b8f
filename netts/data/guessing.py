"""Tell what a CSV file does not say: what separates its cells, and whether it has a header."""

from __future__ import annotations

import csv
import io
from itertools import islice
from pathlib import Path

from netts.data.cells import may_be_number
from netts.data.quoting import quoted
from netts.errors import DataError

DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
"""Ties go to the first: a comma may stand inside a number or a text, the others rarely do."""

# What the delimiter is guessed from.
SAMPLE_CHARACTERS = 2**16
SAMPLE_ROWS = 100


def guess_delimiter(text: str) -> str:
    """Choose the delimiter that divides the first rows most evenly.

    Of those that are as even, the one that leaves the largest share of numbers, as `1,5;2,5` are
    two and not three, and then the one that leaves the most cells.
    """
    sample = text.lstrip("\r\n")[:SAMPLE_CHARACTERS]

    def evenness(delimiter: str) -> tuple[float, float, int]:
        # A dialect that is not strict: a bad quote is reported when the file is read.
        source = io.StringIO(sample, newline="")
        reader = csv.reader(source, delimiter=delimiter, skipinitialspace=True)
        try:
            rows = [row for row in islice(reader, SAMPLE_ROWS) if row]
        except csv.Error:
            return 0.0, 0.0, 0
        if len(sample) == SAMPLE_CHARACTERS and 1 < len(rows) < SAMPLE_ROWS:
            rows.pop()  # cut off in the middle, perhaps
        widths = [len(row) for row in rows]
        if not widths or widths[0] == 1:
            return 0.0, 0.0, 1
        n_numbers = sum(may_be_number(cell.strip()) for row in rows for cell in row)
        return widths.count(widths[0]) / len(widths), n_numbers / sum(widths), widths[0]

    return max(DELIMITERS, key=evenness)


def is_header(columns: list[list[str]], line: int, path: Path) -> bool:
    """Tell whether the first cells of all columns are their names, as `read_rows` describes it.

    Raises
    ------
    DataError
        If they might be either.
    """
    numbers = [column[0] for column in columns if may_be_number(column[0])]
    if not numbers:
        return not _recurs(columns)
    others = (column for column in columns if column[0] and not may_be_number(column[0]))
    above_numbers = next((column[0] for column in others if _goes_on_with_number(column)), None)
    if above_numbers is not None:
        raise DataError(
            f"{path}, line {line}: this is no header, because {quoted(numbers[0])} is a number, "
            f"and no data, because {quoted(above_numbers)} stands above numbers: say whether it is "
            "a header (--header or --no-header, has_header in Python)"
        )
    return False


def _recurs(columns: list[list[str]]) -> bool:
    """Tell whether most cells of the first row are values of their columns, so that it is data."""
    named = [column for column in columns if column[0]]
    return sum(column.count(column[0]) > 1 for column in named) > len(named) / 2


def _goes_on_with_number(column: list[str]) -> bool:
    """Tell whether the first cell below that holds something is a number."""
    return may_be_number(next(filter(None, islice(column, 1, None)), ""))
