"""NPZ files: named NumPy arrays in a ZIP archive, read without pickle and within bounds.

`numpy.load` believes what each array says of its size before it has read it. Here an array is read
only where its own description, the archive's directory and the compressed bytes agree that it can
be so large. Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
"""

from __future__ import annotations

import math
import os
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from netts.choices import did_you_mean_file
from netts.errors import DataError, DataFileError, DataFileNotFoundError
from netts.persistence.files import read_exactly
from netts.persistence.places import in_short, shown

MAX_BYTES = 2**31
"""What all arrays of a file may take."""

MAX_ARRAYS = 10_000
MAX_HEADER_BYTES = 10_000  # NumPy's own limit of what it parses

MOST_COMPRESSION = 1032
"""No deflate stream unpacks to more bytes for each of its own (zlib's technical details)."""

SUFFIX = ".npy"
_KINDS = "biufcSUMm"


def read_npz(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """Read all arrays of an NPZ file, as `numpy.savez` and `savez_compressed` write it.

    Parameters
    ----------
    path : path-like
    max_bytes : int
        A file whose arrays take more is refused.

    Returns
    -------
    dict of str to ndarray
        In the order of the file. Arrays of Python objects, which need pickle, are refused.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        If there is no such file, or it cannot be read.
    DataError
        If it is no NPZ file, is damaged, too large, or holds something else than arrays.
    """
    path = Path(path)
    try:
        check_is_file(path)
        with zipfile.ZipFile(path) as archive:
            entries = _check_entries(archive.infolist(), path, max_bytes)
            return {name: _read_array(archive, entry, path) for name, entry in entries.items()}
    except DataError:
        raise
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is no NPZ file, or damaged: {in_short(error)}") from error
    except (ValueError, TypeError, OverflowError, SyntaxError, MemoryError, struct.error) as error:
        raise DataError(f"{path} is damaged: {in_short(error)}") from error


def check_is_file(path: Path) -> None:
    """Raise `DataFileNotFoundError` or `DataFileError` unless there is a file."""
    if not path.exists():
        raise DataFileNotFoundError(f"there is no file {path}{did_you_mean_file(path)}")
    if not path.is_file():
        raise DataFileError(f"{path} is no file")


def _check_entries(
    infos: list[zipfile.ZipInfo], path: Path, max_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    """Return what each array is called and where it is, if the archive can hold them."""
    names = [info.filename for info in infos]
    others = [name for name in names if not name.endswith(SUFFIX)]
    if others or not names or len(names) > MAX_ARRAYS:
        more = f" and {len(others) - 1:,} more" if len(others) > 1 else ""
        what = f"{shown(others[0])}{more}" if others else f"{len(names):,} entries"
        raise DataError(
            f"{path} holds {what}: an NPZ file holds 1 to {MAX_ARRAYS:,} arrays, NAME{SUFFIX}"
        )
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise DataError(f"{path} holds {count} arrays called {shown(name)}")
    n_bytes = sum(info.file_size for info in infos)
    if n_bytes > max_bytes:
        raise DataError(
            f"{path} says that its arrays take {n_bytes:,} bytes; at most {max_bytes:,} are read "
            "(max_bytes)"
        )
    for info in infos:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"{path}: {shown(info.filename)} is compressed as NumPy does not: save it with "
                "numpy.savez or savez_compressed"
            )
        if info.file_size > MOST_COMPRESSION * info.compress_size + MAX_HEADER_BYTES:
            raise DataError(
                f"{path}: {shown(info.filename)} cannot unpack from {info.compress_size:,} bytes "
                f"to {info.file_size:,}"
            )
    return {info.filename.removesuffix(SUFFIX): info for info in infos}


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> np.ndarray:
    place = f"{path}: {shown(entry.filename)}"
    with archive.open(entry) as file:
        shape, is_fortran, dtype = _read_header(file, place)
        n_bytes = math.prod(shape) * dtype.itemsize
        n_left = entry.file_size - file.tell()
        if n_bytes != n_left:
            raise DataError(
                f"{place} says that it is {dtype} of shape {_shown(shape)}, {n_bytes:,} bytes, and "
                f"has {n_left:,}"
            )
        # NumPy takes no shape whose other axes are too long, even where one is 0.
        if math.prod(max(length, 1) for length in shape) * dtype.itemsize > 2**62:
            raise DataError(f"{place} has shape {_shown(shape)}, which no array can have")
        content = read_exactly(file, n_bytes)
        if len(content) != n_bytes or file.read(1):
            raise DataError(f"{place} is cut off")
    array = np.frombuffer(content, dtype) if dtype.itemsize else np.zeros(math.prod(shape), dtype)
    array = array.reshape(shape, order="F" if is_fortran else "C")
    return np.asarray(array, dtype.newbyteorder("="))


def _read_header(file: IO[bytes], place: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(file)
    read: Any = {
        (1, 0): npy.read_array_header_1_0,
        (2, 0): npy.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise DataError(f"{place} is of version {version}, and arrays of numbers are of 1.0 or 2.0")
    shape, is_fortran, dtype = read(file, max_header_size=MAX_HEADER_BYTES)
    if any(length < 0 for length in shape):
        raise DataError(f"{place} has shape {_shown(shape)}, which no array can have")
    if dtype.kind not in _KINDS or dtype.hasobject:
        raise DataError(
            f"{place} holds {shown(str(dtype))}, and netts reads arrays of numbers, texts and "
            "dates: objects would need pickle, which can run any code"
        )
    return shape, is_fortran, dtype


def _shown(shape: tuple[int, ...]) -> str:
    text = str(shape)
    return text if len(text) < 100 else f"{text[:100]}..."
