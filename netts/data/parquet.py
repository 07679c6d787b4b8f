"""Read Parquet files: the one module that imports pyarrow.

A file is a table of a few kB that may say that it has billions of rows. So what it declares is
bounded before anything is read, and rows are counted as they come. Texts stay a dictionary and
numbers into it, as they are in the file, so that a long one that recurs takes its room once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netts.data.quoting import quoted
from netts.data.values import as_column, label
from netts.errors import DataError, MissingPackageError
from netts.persistence.places import in_short

try:
    import pyarrow
    from pyarrow import parquet, types
except ImportError as error:
    raise MissingPackageError(
        "Parquet files are read by pyarrow, which is not installed: pip install pyarrow, or "
        "install netts with its extra `parquet`"
    ) from error

MAX_CELLS = 2**28
"""Rows times columns that a file may declare: each cell takes 8 bytes or more in memory."""

MAX_BYTES = 2**31
"""What the columns of a file may declare to unpack to."""

MAX_THRIFT_BYTES = 2**24
MAX_THRIFT_ITEMS = 10**6
"""What the description in a file may take; pyarrow's own limits allow 100 MB."""

BATCH_ROWS = 2**16


def read_parquet(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a file by name, of dtypes as `netts.data.values` describes them.

    Raises
    ------
    DataError
        Where it is damaged, too large, or holds what is no number, date, truth or text.
    """
    try:
        with _open(path) as file:
            texts = _check_declared(file, path)
        return _read_columns(path, texts)
    except DataError as error:
        raise error if str(path) in str(error) else DataError(f"{path}: {error}") from error
    except MemoryError as error:
        raise DataError(f"{path} is too large for the memory of this machine") from error
    except Exception as error:  # pyarrow raises anything about damaged bytes
        raise DataError(f"{path} is damaged, or no Parquet file: {in_short(error)}") from error


def _open(path: Path, texts: Sequence[str] = ()) -> parquet.ParquetFile:
    """Open a file, some columns of which stay a dictionary of texts."""
    return parquet.ParquetFile(
        path,
        read_dictionary=list(texts),
        thrift_string_size_limit=MAX_THRIFT_BYTES,
        thrift_container_size_limit=MAX_THRIFT_ITEMS,
        page_checksum_verification=True,
    )


def _check_declared(file: parquet.ParquetFile, path: Path) -> list[str]:
    """Refuse what netts cannot take, by the file's description; return the columns of text."""
    schema, metadata = file.schema_arrow, file.metadata
    if metadata.num_rows * max(len(schema), 1) > MAX_CELLS:
        raise DataError(
            f"{path} says that it has {metadata.num_rows:,} rows of {len(schema):,} columns, and "
            f"at most {MAX_CELLS:,} cells are read at once: write fewer rows or columns"
        )
    n_bytes = sum(metadata.row_group(k).total_byte_size for k in range(metadata.num_row_groups))
    if n_bytes > MAX_BYTES:
        raise DataError(
            f"{path} says that it unpacks to {n_bytes:,} bytes, and at most {MAX_BYTES:,} are read "
            "at once: write fewer rows or columns"
        )
    if not metadata.num_rows:
        raise DataError(f"{path} has no rows")
    for name, count in Counter(schema.names).items():
        if count > 1:
            raise DataError(
                f"{path}: {count} columns are named {quoted(name)}; each needs its own name"
            )
    for field in schema:
        if not _is_known(field.type):
            raise DataError(
                f"{path}: column {quoted(field.name)} is of type {quoted(str(field.type))}, and a "
                "table holds numbers, dates, truths and text: leave it out, or make such of it"
            )
    return [field.name for field in schema if _is_text(field.type)]


def _read_columns(path: Path, texts: list[str]) -> dict[str, np.ndarray]:
    n_rows = 0
    with _open(path, texts) as file:
        expected = file.metadata.num_rows
        parts: dict[str, list[np.ndarray]] = {name: [] for name in file.schema_arrow.names}
        for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
            batch.validate(full=True)
            n_rows += batch.num_rows
            if n_rows > expected:
                break
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                parts[name].append(_as_numpy(column))
    if n_rows != expected:
        raise DataError(f"{path} is damaged: it says that it has {expected:,} rows, and has others")
    return {name: as_column(name, np.concatenate(arrays)) for name, arrays in parts.items()}


def _as_numpy(column: pyarrow.Array) -> np.ndarray:
    kind = column.type
    if types.is_null(kind):
        return np.full(len(column), None, dtype=object)
    if types.is_dictionary(kind):
        names = [label(value) for value in column.dictionary.to_pylist()]
        places = column.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
        return np.array([*names, None], dtype=object)[places.astype(np.int64)]
    if types.is_timestamp(kind) or types.is_date(kind):
        return _as_dates(column)
    if types.is_boolean(kind) or types.is_decimal(kind) or _is_text(kind):
        return np.array([*column.to_pylist(), None], dtype=object)[:-1]
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def _as_dates(column: pyarrow.Array) -> np.ndarray:
    """Return dates in microseconds; those of a time zone are in UTC, as they are stored."""
    dates = column.to_numpy(zero_copy_only=False)
    return np.asarray(dates, dtype="datetime64[us]")


def _is_known(kind: Any) -> bool:
    if types.is_dictionary(kind):
        return _is_text(kind.value_type) or types.is_integer(kind.value_type)
    tests = (
        types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_date,
        types.is_timestamp, types.is_null, _is_text,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _is_text(kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))
