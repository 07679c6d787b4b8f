"""Learn what becomes of a column from its values in the training rows."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np

from netts.data.encoded_columns import (
    CategoryColumn,
    EncodedColumn,
    IgnoredColumn,
    NumberColumn,
    as_numbers,
)
from netts.data.frames import is_truth, label
from netts.data.quoting import quoted
from netts.errors import DataError

LARGEST = 1e150
"""Standard deviations add up squares, which float64 holds up to 1.8e308."""

# With fewer different texts than this, even few rows hold categories.
FEW = 10


def learn_column(name: str, values: np.ndarray, max_categories: int) -> EncodedColumn:
    """Decide what becomes of a column, from its values in the training rows.

    Raises
    ------
    DataError
        Where a number is infinite or too large to be standardised.
    """
    if values.dtype.kind != "O":
        return _learn_numbers(name, "number" if values.dtype.kind == "f" else "date", values)
    present = [value for value in values if value is not None]
    if present and all(map(is_truth, present)):
        return _learn_numbers(name, "yes/no", values)
    return _learn_categories(name, present, len(values), max_categories)


def _learn_numbers(
    name: str, kind: Literal["number", "date", "yes/no"], values: np.ndarray
) -> NumberColumn | IgnoredColumn:
    numbers = as_numbers(name, kind, values)
    present = numbers[~np.isnan(numbers)]
    if not present.size:
        return IgnoredColumn(name, "no value in any row")
    largest = present[np.abs(present).argmax()]
    if abs(largest) > LARGEST:
        raise DataError(
            f"column {quoted(name)} holds {largest:g}, and numbers are standardised up to "
            f"{LARGEST:g} only: write the column in a larger unit"
        )
    n_missing = len(numbers) - len(present)
    if present.min() == present.max() and not n_missing:
        return IgnoredColumn(name, "the same value in every row")
    median = float(np.median(present))
    filled = np.where(np.isnan(numbers), median, numbers)
    return NumberColumn(
        name=name,
        kind=kind,
        low=float(present.min()),
        high=float(present.max()),
        median=median,
        mean=float(filled.mean()),
        scale=float(filled.std()) or 1.0,
        n_missing=n_missing,
    )


def _learn_categories(
    name: str, present: list[object], n_rows: int, max_categories: int
) -> CategoryColumn | IgnoredColumn:
    counts: Counter[str] = Counter()
    for value, count in Counter(present).items():
        counts[str(label(value))] += count
    if not counts:
        return IgnoredColumn(name, "no value in any row")
    n_missing = n_rows - len(present)
    if len(counts) == 1 and not n_missing:
        return IgnoredColumn(name, "the same value in every row")
    if len(counts) > max(FEW, len(present) / 2):
        return IgnoredColumn(name, f"{len(counts):,} different texts in {n_rows:,} rows")
    by_count = sorted(counts, key=lambda category: (-counts[category], category))
    kept = sorted(by_count[:max_categories])
    return CategoryColumn(
        name=name,
        categories=tuple(kept),
        counts=tuple(counts[category] for category in kept),
        n_rare=len(counts) - len(kept),
        n_missing=n_missing,
    )
