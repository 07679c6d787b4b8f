"""Read a CSV file as rows of text: its delimiter, its header, and the line of each row.

What is a number and what is a target is decided in `netts.data.kinds` and `targets`, not here.
"""

from __future__ import annotations

import csv
import io
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netts.data.guessing import DELIMITERS, guess_delimiter, is_header
from netts.data.quoting import quoted
from netts.data.text import Text, read_text
from netts.errors import DataError


class TableDialect(csv.excel):
    """Quotes as spreadsheets write them, spaces after a delimiter skipped, bad quotes refused."""

    skipinitialspace = True
    strict = True


@dataclass(frozen=True)
class ReadOptions:
    """What a person says about a CSV file where the file does not tell it well enough.

    Attributes
    ----------
    delimiter : str, optional
        One character; by default what divides the rows most evenly: semicolon, tab, bar or comma.
    encoding : str, optional
        By default UTF-8, what a byte order mark says, or else Windows-1252.
    has_header : bool, optional
        By default told from the first row.
    missing : tuple of str
        Cells that stand for a missing value, besides the usual ones; upper and lower case are
        the same.
    ignored : tuple of str
        Columns to leave out.
    categories : tuple of str
        Columns whose numbers are names, such as postal codes.
    """

    delimiter: str | None = None
    encoding: str | None = None
    has_header: bool | None = None
    missing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


AS_FOUND = ReadOptions()
"""All is told from the file."""


@dataclass(frozen=True)
class Rows:
    """The cells of a file as text.

    Attributes
    ----------
    path : Path
        The file.
    column_names : tuple of str
        From the header, or `column_1`, `column_2`, ... where it has no name.
    columns : list of list of str
        The cells of each column, without surrounding spaces.
    line_numbers : ndarray of int64
        The line of the file, from 1, at which each row starts.
    delimiter : str
    has_header : bool
    encoding : str
    is_encoding_guessed : bool
    """

    path: Path
    column_names: tuple[str, ...]
    columns: list[list[str]]
    line_numbers: np.ndarray
    delimiter: str
    has_header: bool
    encoding: str
    is_encoding_guessed: bool

    def __len__(self) -> int:
        return len(self.line_numbers)

    def describe(self) -> str:
        """Say how the file was understood, in a few words."""
        separated = DELIMITERS.get(self.delimiter, repr(self.delimiter))
        guess = " (a guess, as it is not utf-8)" if self.is_encoding_guessed else ""
        header = "" if self.has_header else ", without a header"
        return f"separated by {separated}, {self.encoding}{guess}{header}"

    def place(self, row: int, column: int) -> str:
        """Say where a cell is, to begin an error message with."""
        name = quoted(self.column_names[column])
        return f"{self.path}, line {self.line_numbers[row]}, column {name}"


def read_rows(path: Path, options: ReadOptions = AS_FOUND) -> Rows:
    """Read a CSV file whose cells are separated by semicolons, tabs, bars or commas.

    The first row is a header if none of its cells is a number, unless most of them stand in their
    columns again. If some are numbers it is data, provided that its other cells stand above text;
    otherwise it could be either, and is refused.

    What spreadsheets leave behind is left out: blank lines, rows without any value at the end, and
    columns at the right with neither a name nor a value.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        If there is no such file, or it cannot be read.
    DataError
        If it is not a table: nothing in it, rows of unequal length, columns of the same name,
        no text.
    """
    text = read_text(path, options.encoding)
    delimiter = _check_delimiter(options.delimiter) or guess_delimiter(text.content)
    lines, cells = _parse(text, path, delimiter)
    width = len(cells) // len(lines)
    columns = [cells[place::width] for place in range(width)]
    del cells
    has_header = options.has_header
    if has_header is None:
        has_header = is_header(columns, lines[0], path)
    given = [""] * width
    if has_header:
        given, lines = [column.pop(0) for column in columns], lines[1:]
        while columns and not given[-1] and not any(columns[-1]):
            given.pop()
            columns.pop()
    names = tuple(name or f"column_{number}" for number, name in enumerate(given, 1))
    _check_names(names, path)
    if not len(lines):
        raise DataError(f"{path} has a header and no rows")
    return Rows(
        path=path,
        column_names=names,
        columns=columns,
        line_numbers=lines,
        delimiter=delimiter,
        has_header=has_header,
        encoding=text.encoding,
        is_encoding_guessed=text.is_guessed,
    )


def _check_delimiter(delimiter: str | None) -> str | None:
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n '):
        raise DataError(
            f"a delimiter is one character such as ';', no quote, space or line end, got "
            f"{delimiter!r}"
        )
    return delimiter


def _parse(text: Text, path: Path, delimiter: str) -> tuple[np.ndarray, list[str]]:
    """Return the line of each row, and the cells of all rows one after another.

    One list for all: the garbage collector visits every list, and there may be millions of rows.
    """
    lines, cells = array("q"), list[str]()
    width, n_kept = 0, 0
    for line, row in _records(text, path, delimiter):
        if width != 1 and len(row) == 1 and not row[0].strip():
            continue  # nothing but spaces
        if len(row) != width and lines:
            separated = DELIMITERS.get(delimiter, repr(delimiter))
            raise DataError(
                f"{path}, line {line}: {len(row)} cells, but line {lines[0]} has {width} "
                f"(separated by {separated}): correct the line, or quote a cell that holds one"
            )
        width = len(row)
        lines.append(line)
        cells.extend(map(str.strip, row))
        if width == 1 or any(cells[-width:]):
            n_kept = len(lines)
    if not n_kept:
        raise DataError(f"{path} is empty: no cell holds anything")
    del cells[n_kept * width :]
    return np.array(lines[:n_kept], np.int64), cells


def _records(text: Text, path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row, blank lines left out."""
    # A StringIO of the text would take four bytes a character. From UTF-7 come surrogates.
    content = io.BytesIO(text.content.encode("utf-8", "surrogatepass"))
    source = io.TextIOWrapper(content, "utf-8", "surrogatepass", newline="")
    reader = csv.reader(source, TableDialect, delimiter=delimiter)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: {_explain(error)}") from error


def _explain(error: csv.Error) -> str:
    """Say in our words what Python's reader says in three cases, and else in its own."""
    message = str(error)
    if message.startswith("unexpected end"):
        return "a quote opens here and is never closed"
    if message.startswith("field larger"):
        return f"a cell has more than {csv.field_size_limit():,} characters: is a quote not closed?"
    if "expected after" in message:
        return 'a quote closes before the end of its cell: write quotes inside a cell twice, ""'
    return message


def _check_names(names: tuple[str, ...], path: Path) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise DataError(
            f"{path}: {count} columns are named {quoted(name)}; each needs its own name"
        )
