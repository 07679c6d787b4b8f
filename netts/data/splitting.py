"""Divide rows into parts: to train on, to validate with, to test on what training has not seen.

scikit-learn's splitters divide; here parts add up to all rows, however many parts there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split
from sklearn.utils import check_random_state

from netts.data.table import Table
from netts.errors import DataError, ParameterError, ShapeError
from netts.hyperparameters import check_real, check_whole

MOST_FOLDS = 20
"""How finely groups are dealt out where classes keep their shares too: in folds of 5 %."""


def split_rows(
    n_samples: int,
    shares: Sequence[float] = (0.8, 0.2),
    *,
    stratify: Any = None,
    groups: Any = None,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, ...]:
    """Divide the numbers of rows at random into parts, each row in one of them.

    Parameters
    ----------
    n_samples : int
    shares : sequence of float
        Of each part, such as (0.7, 0.15, 0.15) for training, validation and test; they add up
        to 1. Every part but the first has `share * n_samples` rows, rounded up, the first the rest.
    stratify : array-like of shape (n_samples,), optional
        Labels whose shares are the same in all parts, as nearly as whole rows allow.
    groups : array-like of shape (n_samples,), optional
        Rows of equal groups, such as those of one patient, stay together. The shares are then
        those of the groups; with `stratify`, those of the rows as nearly as the groups allow.
    random_state : int or RandomState, optional
        The same one gives the same parts.

    Returns
    -------
    tuple of ndarray of int64
        For each part the numbers of its rows.

    Raises
    ------
    ParameterError
        Where shares are not above 0, or do not add up to 1.
    ShapeError
        Where there is no label or group for each row.
    DataError
        Where there are too few rows, groups, or rows of a class for so many parts.

    Notes
    -----
    `train_test_split`, `GroupShuffleSplit` and `StratifiedGroupKFold` of scikit-learn.

    Examples
    --------
    >>> training, validation, test = split_rows(10, (0.6, 0.2, 0.2), random_state=0)
    >>> sorted(np.concatenate([training, validation, test]).tolist()) == list(range(10))
    True
    >>> len(training), len(validation), len(test)
    (6, 2, 2)
    """
    _check_shares(n_samples, shares)
    labels = _for_each_row(n_samples, stratify, "label")
    kin = _for_each_row(n_samples, groups, "group")
    random = check_random_state(random_state)
    try:
        if labels is not None and kin is not None:
            return _deal(labels, kin, shares, random)
        return _cut_off(n_samples, labels, kin, shares, random)
    except DataError:
        raise
    except ValueError as error:  # scikit-learn's: a class or part with too few
        raise DataError(
            f"{n_samples} rows cannot be divided into {len(shares)} parts: {error}"
        ) from error


def _check_shares(n_samples: int, shares: Sequence[float]) -> None:
    check_whole("n_samples", n_samples, 1)
    for share in shares:
        check_real("each of shares", share, "(0, 1)")
    if len(shares) < 2 or not math.isclose(sum(shares), 1.0):
        raise ParameterError(f"shares add up to 1, as (0.7, 0.15, 0.15) do, got {shares!r}")


def _for_each_row(n_samples: int, values: Any, what: str) -> np.ndarray | None:
    """Return values as whole numbers, the same for the same value."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (n_samples,):
        raise ShapeError(
            f"there is a {what} for each of {n_samples} rows, of shape ({n_samples},), got shape "
            f"{array.shape}"
        )
    if array.dtype.kind == "O":
        array = array.astype(str)
    return np.unique(array, return_inverse=True)[1]


def _cut_off(
    n_samples: int,
    labels: np.ndarray | None,
    groups: np.ndarray | None,
    shares: Sequence[float],
    random: np.random.RandomState,
) -> tuple[np.ndarray, ...]:
    """Cut one part after another off what is left, the last first."""
    left, parts = np.arange(n_samples), list[np.ndarray]()
    n_units = n_samples if groups is None else groups.max() + 1
    for share in reversed(shares[1:]):
        # Rounding errors of a product such as 0.1 * 30 are not worth a row.
        size = math.ceil(round(share * n_units, 9))
        if groups is not None:
            splitter = GroupShuffleSplit(1, test_size=size, random_state=random)
            kept, part = next(splitter.split(left, groups=groups[left]))
        else:
            strata = None if labels is None else labels[left]
            kept, part = train_test_split(
                np.arange(len(left)), test_size=size, random_state=random, stratify=strata
            )
        parts.append(left[part])
        left = left[kept]
    return left, *reversed(parts)


def _deal(
    labels: np.ndarray, groups: np.ndarray, shares: Sequence[float], random: np.random.RandomState
) -> tuple[np.ndarray, ...]:
    """Deal folds out, each of which has the classes in their shares and no group of another."""
    n_folds = min(MOST_FOLDS, int(groups.max()) + 1, int(np.bincount(labels).min()))
    if n_folds < len(shares):
        raise DataError(
            f"{len(shares)} parts need as many groups, and rows of each class, and there are "
            f"{n_folds}: choose fewer parts"
        )
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=random)
    folds = [fold for _, fold in splitter.split(labels, labels, groups)]
    parts: list[list[np.ndarray]] = [[] for _ in shares]
    for dealt, fold in enumerate(folds):
        # To whom most is owing; at the end each has to have one.
        empty = [k for k, part in enumerate(parts) if not part]
        owing = [share * (dealt + 1) - len(part) for share, part in zip(shares, parts, strict=True)]
        open_to = empty if len(empty) == n_folds - dealt else range(len(shares))
        parts[max(open_to, key=owing.__getitem__)].append(fold)
    dealt_parts = tuple(np.sort(np.concatenate(part)) for part in parts)
    if not all(map(len, dealt_parts)):
        raise DataError(
            f"the groups are too uneven to give each of {len(shares)} parts some rows: choose "
            "fewer parts"
        )
    return dealt_parts


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
    training, held_back = split_rows(
        table.n_samples,
        (1 - test_size, test_size),
        stratify=labels,
        random_state=random_state,
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
