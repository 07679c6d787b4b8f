"""Which pictures there are and what they show: a folder for each class, or an index file.

Nothing is decoded here. The order is that of the names, so that it is the same on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from netts.data.quoting import quoted
from netts.data.rows import AS_FOUND, ReadOptions, Rows, read_rows
from netts.data.targets import Task, infer_target, read_target
from netts.errors import DataError, DataFileError, DataFileNotFoundError, UnknownColumnError

SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp", ".gif",
})  # fmt: skip
"""What the names of pictures end in: torchvision's list, and GIF."""

PATH_NAMES = ("path", "file", "filename", "file_name", "image")
"""What the column of the pictures is called in an index file; otherwise it is the first."""


@dataclass(frozen=True)
class SkippedFile:
    """A file that is not among the images, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, eq=False)
class ImageListing:
    """Pictures and their targets, in order.

    Attributes
    ----------
    paths : tuple of Path
    targets : ndarray of shape (n_images,)
        int64 numbers into `class_names`, or float64 quantities.
    class_names : tuple of str or None
        None where the targets are quantities.
    skipped : tuple of SkippedFile
    """

    paths: tuple[Path, ...]
    targets: np.ndarray
    class_names: tuple[str, ...] | None
    skipped: tuple[SkippedFile, ...] = ()


def list_folder(root: Path) -> ImageListing:
    """List the pictures in the folders of a folder, each folder a class, as torchvision does.

    Files lie at any depth below the folder of their class, and links are followed. What is hidden
    (its name starts with a point) is passed over, and so are files beside the folders; a file whose
    name ends like no picture's is among `skipped`.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        Where there is no such folder, or it cannot be read.
    DataError
        Where it has no folders, or one of them no pictures.
    """
    try:
        class_names = sorted(entry.name for entry in root.iterdir() if _is_class(entry))
    except FileNotFoundError as error:
        raise DataFileNotFoundError(f"there is no folder {root}") from error
    except (OSError, ValueError) as error:
        raise DataFileError(f"{str(root)!r} cannot be listed: {error}") from error
    if not class_names:
        raise DataError(
            f"{root} has no folders: images of a class lie in a folder that has its name"
        )
    paths, targets, skipped = list[Path](), list[int](), list[SkippedFile]()
    for target, name in enumerate(class_names):
        pictures = list[Path]()
        for path in _files(root / name):
            if path.suffix.lower() in SUFFIXES:
                pictures.append(path)
            else:
                skipped.append(SkippedFile(path, "is named like no picture"))
        if not pictures:
            raise DataError(f"{root / name} has no pictures, and each folder is a class")
        paths += pictures
        targets += [target] * len(pictures)
    return ImageListing(
        tuple(paths), np.array(targets, np.int64), tuple(class_names), tuple(skipped)
    )


def list_index(
    index: Path,
    *,
    root: Path | None = None,
    target: str | None = None,
    task: Task | None = None,
    options: ReadOptions = AS_FOUND,
) -> ImageListing:
    """List the pictures that a CSV file names, in its order.

    Parameters
    ----------
    index
        Each row has the path of a picture, in a column called path, file, filename, file_name or
        image, or else in the first one, and a label or quantity.
    root
        Where relative paths start, by default the directory of the index. Pictures outside of it
        are refused.
    target
        The column to learn, by default the last one.
    task, options
        As in `netts.data.read_table`.

    Raises
    ------
    DataError
        Where the file is no such table, or a path leaves `root`.
    """
    rows = _read_index(index, options)
    path_column = next((k for k, n in enumerate(_lower(rows)) if n in PATH_NAMES), 0)
    target_column = len(rows.column_names) - 1 if target is None else _find(rows, target)
    if path_column == target_column:
        raise DataError(
            f"{index}: column {quoted(rows.column_names[path_column])} cannot be both path and "
            "target: an index has a column of paths and one of labels"
        )
    rule = infer_target(rows, target_column, task, options)
    y = read_target(rows, target_column, rule)
    start = Path(os.path.abspath(index.parent if root is None else root))  # noqa: PTH100 - lexical
    paths = tuple(
        _inside(start, cell, rows.place(row, path_column))
        for row, cell in enumerate(rows.columns[path_column])
    )
    if rule.task == "regression":
        return ImageListing(paths, y, None)
    labels, targets = np.unique(y, return_inverse=True)
    return ImageListing(paths, targets.astype(np.int64), tuple(map(str, labels.tolist())))


def _read_index(index: Path, options: ReadOptions) -> Rows:
    """Read the rows; where nobody says so, the first one is a header if it names no picture."""
    if options.has_header is not None:
        return read_rows(index, options)
    rows = read_rows(index, ReadOptions(options.delimiter, options.encoding, has_header=False))
    first = [column[0] for column in rows.columns]
    if any(Path(cell).suffix.lower() in SUFFIXES for cell in first):
        return rows
    return read_rows(index, ReadOptions(options.delimiter, options.encoding, has_header=True))


def _lower(rows: Rows) -> list[str]:
    return [name.lower() for name in rows.column_names]


def _find(rows: Rows, name: str) -> int:
    if name not in rows.column_names:
        listed = ", ".join(map(quoted, rows.column_names))
        raise UnknownColumnError(f"{rows.path} has no column {quoted(name)}; it has {listed}")
    return rows.column_names.index(name)


def _inside(root: Path, cell: str, place: str) -> Path:
    """Return the path that a cell names, which lies in `root` as it is written."""
    path = Path(os.path.normpath(root / cell))
    if not cell or path == root or not path.is_relative_to(root):
        raise DataError(
            f"{place}: {quoted(cell)} is no file inside {root}: pass the root that all paths lie in"
        )
    return path


def _is_class(entry: Path) -> bool:
    return not entry.name.startswith(".") and entry.is_dir()


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, by name, links followed but no folder entered in itself."""
    above: dict[Path, frozenset[tuple[int, int]]] = {folder: frozenset()}
    for directory, names, files in os.walk(folder, onerror=_refuse, followlinks=True):
        here = Path(directory)
        around = above.pop(here) | {_identity(here)}
        names[:] = sorted(n for n in _visible(names) if _identity(here / n) not in around)
        above |= dict.fromkeys((here / name for name in names), around)
        yield from (here / name for name in sorted(_visible(files)))


def _visible(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith(".")]


def _identity(directory: Path) -> tuple[int, int]:
    """Return what a folder and all links to it have in common."""
    status = directory.stat()
    return status.st_dev, status.st_ino


def _refuse(error: OSError) -> NoReturn:
    raise DataFileError(f"{error.filename} cannot be listed: {error.strerror}") from error
