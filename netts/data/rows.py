"""Read a CSV file as text: its encoding, delimiter, header and rows, each row with its line number.

What is a number and what is a target is decided in `netts.data.columns`, not here.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from netts.choices import did_you_mean
from netts.errors import DataError, DataFileError, DataFileNotFoundError

# Ties go to the first: a comma may stand inside a number or a text, the others rarely do.
DELIMITERS = (";", "\t", ",")


class TableDialect(csv.excel):
    """Quotes as spreadsheets write them, spaces after a delimiter skipped, bad quotes refused."""

    skipinitialspace = True
    strict = True


@dataclass(frozen=True)
class Rows:
    """The cells of a file as text.

    Attributes
    ----------
    path : Path
        The file.
    column_names : tuple of str
        From the header, or `column_1`, `column_2`, ... where the file has none.
    cells : list of list of str
        One list per row, as long as `column_names`, without surrounding spaces.
    line_numbers : list of int
        The line of the file, from 1, at which each row starts.
    """

    path: Path
    column_names: tuple[str, ...]
    cells: list[list[str]]
    line_numbers: list[int]

    def column(self, index: int) -> list[str]:
        """Return the cells of one column."""
        return [row[index] for row in self.cells]

    def place(self, row: int, column: int) -> str:
        """Say where a cell is, to begin an error message with."""
        return f"{self.path}, line {self.line_numbers[row]}, column {self.column_names[column]!r}"


def read_rows(path: Path) -> Rows:
    """Read a CSV file whose cells are separated by commas, semicolons or tabs.

    The first row is a header if none of its cells is a number. If some are, it is data, provided
    that its other cells stand above text; otherwise it could be either, and is refused.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        If there is no such file, or it cannot be read.
    DataError
        If it is not a table: nothing in it, rows of unequal length, columns without or with the
        same name, one column only, text that is not UTF-8.
    """
    text = _read_text(path)
    lines, rows = _parse(text, path)
    _check_widths(lines, rows, path)
    if _is_header(rows, lines[0], path):
        names, lines, rows = rows[0], lines[1:], rows[1:]
        _check_names(names, path)
    else:
        names = [f"column_{number}" for number in range(1, len(rows[0]) + 1)]
    if not rows:
        raise DataError(f"{path} has a header and no rows: there is nothing to learn from")
    return Rows(path, tuple(names), rows, lines)


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number as a CSV file writes it (Python's 1_000 is not)."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _read_text(path: Path) -> str:
    try:
        # utf-8-sig drops the byte order mark that spreadsheets write.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataFileNotFoundError(f"there is no file {path}{_neighbour(path)}") from error
    except IsADirectoryError as error:
        raise DataFileError(f"{path} is a directory: give the CSV file itself") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x}): "
            "save the table as 'CSV UTF-8'"
        ) from error
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror}") from error
    if not text.strip():
        raise DataError(f"{path} is empty")
    return text


def _neighbour(path: Path) -> str:
    if not path.parent.is_dir():
        return f": there is no directory {path.parent} either"
    return did_you_mean(path.name, (neighbour.name for neighbour in path.parent.iterdir()))


def _parse(text: str, path: Path) -> tuple[list[int], list[list[str]]]:
    """Divide a text into rows of cells, blank lines left out, and give the line of each."""
    lines: list[int] = []
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text), TableDialect, delimiter=_sniff_delimiter(text))
    line = 1
    try:
        for row in reader:
            if row:
                lines.append(line)
                rows.append([cell.strip() for cell in row])
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: {error}") from error
    return lines, rows


def _sniff_delimiter(text: str) -> str:
    """Choose the delimiter that divides the first line into the most cells."""
    first_line = text.lstrip().split("\n", 1)[0]

    def n_cells(delimiter: str) -> int:
        # A dialect that is not strict: a bad quote is reported when the file is read.
        return len(next(csv.reader([first_line], delimiter=delimiter, skipinitialspace=True)))

    return max(DELIMITERS, key=n_cells)


def _check_widths(lines: list[int], rows: list[list[str]], path: Path) -> None:
    width = len(rows[0])
    if width == 1:
        raise DataError(
            f"{path} has one column, {rows[0][0]!r}: a table needs features and a target, "
            "separated by commas, semicolons or tabs"
        )
    for line, row in zip(lines, rows, strict=True):
        if len(row) != width:
            raise DataError(
                f"{path}, line {line}: {len(row)} cells, but line {lines[0]} has {width}"
            )


def _is_header(rows: list[list[str]], line: int, path: Path) -> bool:
    first = rows[0]
    names = [column for column, cell in enumerate(first) if not is_number(cell)]
    if len(names) == len(first):
        return True
    above_numbers = [column for column in names if first[column] and _is_numeric(rows[1:], column)]
    if above_numbers:
        number = next(cell for cell in first if is_number(cell))
        raise DataError(
            f"{path}, line {line}: this is no header, because {number!r} is a number, and no data, "
            f"because {first[above_numbers[0]]!r} stands above numbers: give every column a name "
            "that is not a number, or correct the cell"
        )
    return False


def _is_numeric(rows: list[list[str]], column: int) -> bool:
    """Tell whether the first row that has this cell has a number there."""
    return is_number(next((row[column] for row in rows if row[column]), ""))


def _check_names(names: list[str], path: Path) -> None:
    if "" in names:
        raise DataError(
            f"{path}: column {names.index('') + 1} has no name in the header (pandas leaves it out "
            "for its row numbers: save with index=False)"
        )
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise DataError(f"{path}: {count} columns are named {name!r}; each needs its own name")
