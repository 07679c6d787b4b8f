"""Read a second file in the way in which a first one was read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from netts.choices import nearest_first
from netts.data.kinds import ColumnRule
from netts.data.quoting import listed, quoted
from netts.data.rows import AS_FOUND, ReadOptions
from netts.data.table_files import TableFile, open_table
from netts.data.targets import TargetRule
from netts.errors import DataError, UnknownColumnError


@dataclass(frozen=True)
class Reading:
    """How a file was read, so that another one is read in the same way.

    Attributes
    ----------
    columns : tuple of ColumnRule
        What is learned from, in the order of the file.
    target : TargetRule
    missing : tuple of str
        Cells that stand for a missing value, in lower case.
    names : tuple of str
        Of all columns, target and ignored ones included.
    has_header : bool
        Whether the file had these names; otherwise they only number the columns.
    """

    columns: tuple[ColumnRule, ...]
    target: TargetRule
    missing: tuple[str, ...]
    names: tuple[str, ...]
    has_header: bool

    def with_target(self, name: str) -> Reading:
        """Return the same for a file whose target has another name."""
        names = tuple(name if one == self.target.name else one for one in self.names)
        return replace(self, target=replace(self.target, name=name), names=names)


@dataclass(frozen=True, eq=False)
class RowsToPredict:
    """Rows of a second file, read as the first one was.

    Attributes
    ----------
    columns : dict of str to ndarray of shape (n_samples,)
        As in `netts.data.Table`; only those asked for.
    y : ndarray of shape (n_samples,) or None
        The target, where it was asked for.
    line_numbers : ndarray of shape (n_samples,)
        Where each row starts in the file.
    unused : tuple of str
        Columns of the file that the first one had not.
    """

    columns: dict[str, np.ndarray]
    y: np.ndarray | None
    line_numbers: np.ndarray
    unused: tuple[str, ...]


def read_again(
    path: Path,
    reading: Reading,
    used: set[str],
    *,
    with_target: bool,
    options: ReadOptions = AS_FOUND,
) -> RowsToPredict:
    """Read the columns of a file that a model uses.

    Parameters
    ----------
    path
    reading
        How the file was read that the model was trained on.
    used
        The names of the columns to read. They may stand in any order, beside others; without a
        header, in the order of the first file, with or without the target.
    with_target
        Whether to read the target too.
    options
        What the file itself does not tell: delimiter, encoding and header; further missing cells.

    Raises
    ------
    UnknownColumnError
        Where the file lacks columns, all of which are named.
    DataError
        As in `netts.data.read_table`.
    """
    file = open_table(path, options, has_header=reading.has_header)
    names = file.column_names if file.has_header else _places(file, reading)
    rules = {rule.name: rule for rule in reading.columns if rule.name in used}
    place_of = _find(file, names, [*rules, reading.target.name] if with_target else list(rules))
    missing = frozenset(reading.missing) | {cell.strip().lower() for cell in options.missing}
    y = None
    if with_target:
        y = file.read_target(place_of[reading.target.name], reading.target, missing)
    known = set(reading.names)
    return RowsToPredict(
        columns={n: file.read(place_of[n], rule, missing) for n, rule in rules.items()},
        y=y,
        line_numbers=file.line_numbers,
        unused=tuple(name for name in names if name not in known),
    )


def _places(file: TableFile, reading: Reading) -> tuple[str, ...]:
    """Name the columns of a file without a header by their places."""
    without_target = tuple(name for name in reading.names if name != reading.target.name)
    for names in (reading.names, without_target):
        if len(file.column_names) == len(names):
            return names
    raise DataError(
        f"{file.path} has no header and {len(file.column_names)} columns, but the model was "
        f"trained on {len(reading.names)}, target {quoted(reading.target.name)} included: give the "
        "columns the names that they had there"
    )


def _find(file: TableFile, names: tuple[str, ...], needed: list[str]) -> dict[str, int]:
    """Return the places of columns by their names."""
    place_of = {name: place for place, name in enumerate(names)}
    lacking = [name for name in needed if name not in place_of]
    if not lacking:
        return place_of
    raise UnknownColumnError(
        f"{file.path} lacks {listed(lacking)}, which the model needs; it has "
        f"{listed(nearest_first(lacking[0], names))}"
    )
