"""Hold back a part of a table, to test on what training has not seen."""

from __future__ import annotations

import math

import numpy as np
from sklearn.model_selection import train_test_split

from netts.data.table import Table
from netts.errors import DataError


def split_table(
    table: Table, test_size: float = 0.2, *, random_state: int | None = None
) -> tuple[Table, Table]:
    """Divide the rows at random into a part to train on and a part held back.

    Each class has the same share of both parts as of the whole (`train_test_split` of
    scikit-learn, stratified).

    Parameters
    ----------
    table : Table
    test_size : float
        The share of the rows to hold back, above 0 and below 1.
    random_state : int, optional
        The seed: the same one gives the same division.

    Returns
    -------
    training, held_back : Table

    Raises
    ------
    DataError
        If a class has a single row, or a part would have no row, or fewer rows than classes.

    Examples
    --------
    >>> from netts.data import load
    >>> training, held_back = split_table(load("iris"), 0.2, random_state=0)
    >>> training.n_samples, held_back.n_samples
    (120, 30)
    """
    _check_parts(table, test_size)
    labels = table.y if table.task == "classification" else None
    training, held_back = train_test_split(
        np.arange(table.n_samples),
        test_size=test_size,
        random_state=random_state,
        stratify=labels,
    )
    return table.take(training), table.take(held_back)


def _check_parts(table: Table, test_size: float) -> None:
    n_held_back = math.ceil(table.n_samples * test_size)
    smaller = min(n_held_back, table.n_samples - n_held_back)
    if smaller < 1:
        raise DataError(f"{table.name}: {table.n_samples} rows cannot be divided into two parts")
    if table.task == "regression":
        return
    labels, counts = np.unique(table.y, return_counts=True)
    if counts.min() < 2:
        raise DataError(
            f"{table.name}: label {str(labels[counts.argmin()])!r} of target "
            f"{table.target_name!r} has one row, and both parts need one: leave that row out or "
            "merge it into another class"
        )
    if smaller < len(labels):
        raise DataError(
            f"{table.name}: holding back {n_held_back} of {table.n_samples} rows leaves a part "
            f"with fewer rows than the {len(labels)} classes: choose another test size"
        )
