"""Data frames, mappings and arrays as columns whose dtype tells what they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from netts.data.quoting import quoted
from netts.data.table import Table
from netts.data.values import as_column
from netts.errors import DataError, ShapeError


def as_columns(X: Any) -> tuple[dict[str, np.ndarray], bool]:
    """Return the columns of X by name, and whether the names are its own.

    Parameters
    ----------
    X : Table, mapping of str to array-like, data frame, or array-like (n_samples, n_features)
        The columns of an array are called `x0`, `x1`, ..., as scikit-learn does.

    Raises
    ------
    DataError, ShapeError
        Where X is sparse or no table, or a column holds what is no number, date or text.
    """
    if isinstance(X, Table):
        return dict(X.columns), True
    if hasattr(X, "toarray"):
        raise DataError("X is sparse, and a table is dense: pass X.toarray()")
    if isinstance(X, Mapping):
        names = list(X)
    elif hasattr(X, "columns") and hasattr(X, "__getitem__"):
        names = list(X.columns)
    else:
        array = _as_table(X)
        return {f"x{k}": as_column(f"x{k}", values) for k, values in enumerate(array.T)}, False
    _check_names(map(str, names))
    columns = {str(name): as_column(str(name), X[name]) for name in names}
    _check_lengths(columns)
    return columns, True


def _as_table(X: Any) -> np.ndarray:
    try:
        array = X if isinstance(X, np.ndarray) else np.array(X, dtype=object)
    except ValueError as error:
        raise ShapeError(f"X is no table of shape (n_samples, n_features): {error}") from error
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported: X holds numbers, dates and text")
    if array.ndim != 2:
        raise ShapeError(
            f"X is a table of shape (n_samples, n_features), got shape {array.shape}. Reshape your "
            "data either using array.reshape(-1, 1) if it has a single feature or "
            "array.reshape(1, -1) if it contains a single sample."
        )
    return array


def _check_names(names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"X has {count} columns named {quoted(name)}; each needs its own name")


def _check_lengths(columns: dict[str, np.ndarray]) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.get)  # type: ignore[arg-type]
        raise ShapeError(
            f"columns have equal lengths, but {shortest!r} has {lengths[shortest]} rows and "
            f"{longest!r} {lengths[longest]}"
        )
