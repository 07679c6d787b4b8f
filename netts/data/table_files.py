"""The formats of tables behind one face: columns that can be asked what they are, and read.

`netts.data.table` decides what to learn from, `netts.data.reading` reads a second file as a first
one was; neither knows which format a file has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from netts.choices import did_you_mean_file
from netts.data.kinds import ColumnRule, infer_column, missing_cells, read_column
from netts.data.rows import ReadOptions, Rows, read_rows
from netts.data.targets import TargetRule, Task, infer_target, read_target
from netts.data.typed_columns import TypedColumns
from netts.errors import DataError, DataFileNotFoundError

PARQUET = b"PAR1"
PARQUET_SUFFIXES = (".parquet", ".pq")


class TableFile(Protocol):
    """A file of named columns.

    Attributes
    ----------
    path : Path
    column_names : tuple of str
    line_numbers : ndarray of shape (n_samples,)
        Where each row starts; its number, from 1, where the format has no lines.
    has_header : bool
        Whether the names are the file's own.
    """

    @property
    def path(self) -> Path:
        """Return the file."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the names of the columns."""

    @property
    def line_numbers(self) -> np.ndarray:
        """Return where each row starts."""

    @property
    def has_header(self) -> bool:
        """Return whether the names are the file's own."""

    def describe(self) -> str:
        """Say how the file was understood, in a few words."""

    def counts_rows(self, column: int) -> bool:
        """Tell whether a column only numbers the rows, from 0 or 1."""

    def infer(self, column: int) -> tuple[ColumnRule, np.ndarray]:
        """Tell what a column is, and return its values."""

    def infer_target(self, column: int, task: Task | None) -> tuple[TargetRule, np.ndarray]:
        """Tell what the target is, and return its values."""

    def read(self, column: int, rule: ColumnRule, missing: frozenset[str]) -> np.ndarray:
        """Return the values of a column as another file's was."""

    def read_target(self, column: int, rule: TargetRule, missing: frozenset[str]) -> np.ndarray:
        """Return the target as another file's was."""


@dataclass(frozen=True)
class TextFile:
    """A table of text, such as CSV."""

    rows: Rows
    options: ReadOptions

    @property
    def path(self) -> Path:
        """Return the file."""
        return self.rows.path

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the names, or numbers, of the columns."""
        return self.rows.column_names

    @property
    def line_numbers(self) -> np.ndarray:
        """Return the line at which each row starts."""
        return self.rows.line_numbers

    @property
    def has_header(self) -> bool:
        """Return whether the first row is the names."""
        return self.rows.has_header

    def describe(self) -> str:
        """Say its delimiter and encoding."""
        return self.rows.describe()

    def counts_rows(self, column: int) -> bool:
        """Tell whether the cells are 0, 1, 2, ... or 1, 2, 3, ..."""
        cells, n = self.rows.columns[column], len(self.rows)
        return any(cells == [str(row) for row in range(k, k + n)] for k in (0, 1))

    def infer(self, column: int) -> tuple[ColumnRule, np.ndarray]:
        """Tell what the cells are, and return their values."""
        return infer_column(self.rows, column, self.options)

    def infer_target(self, column: int, task: Task | None) -> tuple[TargetRule, np.ndarray]:
        """Tell what the target's cells are, and return their values."""
        rule = infer_target(self.rows, column, task, self.options)
        return rule, read_target(self.rows, column, rule, missing_cells(self.options))

    def read(self, column: int, rule: ColumnRule, missing: frozenset[str]) -> np.ndarray:
        """Return the values of cells by a rule."""
        return read_column(self.rows, column, rule, missing)

    def read_target(self, column: int, rule: TargetRule, missing: frozenset[str]) -> np.ndarray:
        """Return the values of the target's cells by a rule."""
        return read_target(self.rows, column, rule, missing)


def open_table(path: Path, options: ReadOptions, *, has_header: bool | None = None) -> TableFile:
    """Open a table of whichever format it has.

    Parameters
    ----------
    path
    options
    has_header
        Whether a text has one, where the options do not say.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        If there is no such file, or it cannot be read.
    DataError
        If it is not a table, or the options are for another format.
    """
    if not is_parquet(path):
        if options.has_header is None:
            options = replace(options, has_header=has_header)
        return TextFile(read_rows(path, options), options)
    from netts.data.parquet import read_parquet  # noqa: PLC0415 - pyarrow need not be there

    for name in ("delimiter", "encoding", "has_header"):
        if getattr(options, name) is not None:
            raise DataError(
                f"{path} is a Parquet file, which has no {name.removeprefix('has_')} to choose: "
                "leave that out"
            )
    return TypedColumns(path, read_parquet(path), options)


def is_parquet(path: Path) -> bool:
    """Tell whether a file is a Parquet file by how it begins, or else by its name.

    Raises
    ------
    DataFileNotFoundError
        Where a file so named does not exist.
    DataError
        Where it does, and is something else.
    """
    try:
        # Of a pipe nothing may be read twice.
        begins_so = path.is_file() and _begins_with(path, PARQUET)
    except (OSError, ValueError):
        return False  # who reads it says why that is impossible
    is_named_so = path.suffix.lower() in PARQUET_SUFFIXES
    if is_named_so and not path.exists():
        raise DataFileNotFoundError(f"there is no file {path}{did_you_mean_file(path)}")
    if is_named_so and path.is_file() and not begins_so:
        raise DataError(f"{path} is no Parquet file: it does not begin with PAR1")
    return begins_so


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
