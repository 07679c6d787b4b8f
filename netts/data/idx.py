"""IDX files: arrays of numbers, the format of MNIST and its kin.

A file is two zero bytes, a byte for the type, a byte for the number of axes, the length of each
axis as four bytes, then the elements, the last axis fastest; all big-endian. Format: Y. LeCun,
C. Cortes, C. Burges, "The MNIST database of handwritten digits",
http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from netts.errors import DataError, DataFileError, DataFileNotFoundError
from netts.persistence.files import Readable, read_exactly

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, section 2.3.1

MAX_BYTES = 2**30
"""What a file may unpack to. The largest set of this kind that we know, EMNIST's 697,932 images of
28x28 in one file, has 0.55e9 bytes (G. Cohen et al., arXiv 1702.05373)."""

MAX_AXES = 64  # of an array in NumPy 2


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Read an IDX file, plain or compressed by gzip.

    Parameters
    ----------
    path : path-like
    max_bytes : int
        A file whose elements take more is refused.

    Returns
    -------
    ndarray
        Of the file's shape and type, in this machine's byte order.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        If there is no such file, or it cannot be read.
    DataError
        If it is no IDX file, is damaged, or has not as many elements as it says.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            if not is_packed:
                return _read_array(file, path, max_bytes)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read_array(unpacked, path, max_bytes)
    except FileNotFoundError as error:
        raise DataFileNotFoundError(f"there is no file {path}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged, its gzip data end or break: {error}") from error
    except DataError:
        raise
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_array(file: Readable, path: Path, max_bytes: int) -> np.ndarray:
    dtype, shape = _read_header(file, path)
    n_bytes = math.prod(shape) * dtype.itemsize
    # NumPy takes no shape whose other axes are too long, even where one is 0.
    if math.prod(max(length, 1) for length in shape) * dtype.itemsize > max_bytes:
        raise DataError(
            f"{path} says that it holds {dtype.name} of shape {shape}; at most {max_bytes} bytes "
            "are read: pass max_bytes if that is right"
        )
    content = read_exactly(file, n_bytes)
    if len(content) < n_bytes:
        raise DataError(
            f"{path} is truncated: shape {shape} takes {n_bytes} bytes, it has {len(content)}"
        )
    if file.read(1):
        raise DataError(f"{path} has more than the {n_bytes} bytes that shape {shape} takes")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _read_header(file: Readable, path: Path) -> tuple[np.dtype, tuple[int, ...]]:
    magic = read_exactly(file, 4)
    is_idx = len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in DTYPES
    if not (is_idx and 1 <= magic[3] <= MAX_AXES):
        raise DataError(
            f"{path} is no IDX file: it starts with {bytes(magic).hex(' ') or 'nothing'}, not with "
            f"00 00, a type and a number of axes up to {MAX_AXES}"
        )
    n_axes = magic[3]
    lengths = read_exactly(file, 4 * n_axes)
    if len(lengths) < 4 * n_axes:
        raise DataError(f"{path} is truncated: it ends among the lengths of its {n_axes} axes")
    return np.dtype(DTYPES[magic[2]]), struct.unpack(f">{n_axes}I", lengths)
