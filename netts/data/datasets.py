"""The bundled tables: where they are and what they are called."""

from __future__ import annotations

from pathlib import Path

from netts.choices import did_you_mean
from netts.data.rows import AS_FOUND, ReadOptions
from netts.data.table import Table, read_table
from netts.data.targets import Task
from netts.errors import DataFileNotFoundError, UnknownDatasetError

# Each is NAME.csv with its target in the last column; datasets/README.md has their sources.
NAMES = ("iris", "wine", "breast_cancer", "digits", "diabetes")


def dataset_names() -> tuple[str, ...]:
    """Return the names that `load` knows.

    Examples
    --------
    >>> dataset_names()
    ('iris', 'wine', 'breast_cancer', 'digits', 'diabetes')
    """
    return NAMES


def load(name: str) -> Table:
    """Load a bundled table by its name.

    Raises
    ------
    UnknownDatasetError
        If there is no such table.

    Examples
    --------
    >>> print(load("iris"))
    iris: 150 rows, 4 columns, separated by commas, utf-8
    target 'species': 3 classes (setosa 50, versicolor 50, virginica 50)
    """
    if name not in NAMES:
        raise UnknownDatasetError(
            f"there is no bundled table {name!r}{did_you_mean(name, NAMES)}; "
            f"the bundled ones are {', '.join(NAMES)}; netts.data.read_table reads a file"
        )
    return read_table(dataset_path(name))


def dataset_path(name: str) -> Path:
    """Return the CSV file of a bundled table: inside the installed package, or in the checkout."""
    package = Path(__file__).parents[1]
    installed = package / "datasets" / f"{name}.csv"
    return installed if installed.exists() else package.parent / "datasets" / f"{name}.csv"


def find_path(name_or_path: str) -> Path:
    """Return the CSV file of a bundled table by its name, or else the path; `-` is a pipe."""
    if name_or_path == "-":
        return Path("/dev/stdin")
    return dataset_path(name_or_path) if name_or_path in NAMES else Path(name_or_path)


def find_table(
    name_or_path: str,
    target: str | None = None,
    *,
    task: Task | None = None,
    options: ReadOptions = AS_FOUND,
) -> Table:
    """Load a bundled table by its name, or read a CSV file by its path.

    A bundled name wins over a file of the same name; write `./iris` for the file.

    Parameters
    ----------
    name_or_path, target, task, options
        As in `load` and `read_table`.

    Raises
    ------
    UnknownDatasetError
        If it is neither a bundled name nor a file.
    DataError
        As in `read_table`.
    """
    try:
        return read_table(find_path(name_or_path), target, task=task, options=options)
    except DataFileNotFoundError as error:
        if Path(name_or_path).suffix or Path(name_or_path).name != name_or_path:
            raise
        raise UnknownDatasetError(
            f"{name_or_path!r} is neither a bundled table{did_you_mean(name_or_path, NAMES)} nor a "
            f"file here; the bundled ones are {', '.join(NAMES)}"
        ) from error
