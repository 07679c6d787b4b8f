"""Learn what becomes of a column from its values in the training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from netts.data.category_columns import CategoryColumn, CodedColumn, OrdinalColumn
from netts.data.encoded_columns import EncodedColumn, IgnoredColumn, NumberColumn, as_numbers
from netts.data.quoting import listed, quoted
from netts.data.scaling import Scaler, learn_scaling
from netts.data.values import is_truth, label
from netts.errors import DataError

Encoding = Literal["automatic", "one-hot", "embedding"] | tuple[str, ...]

LARGEST = 1e150
"""Standard deviations add up squares, which float64 holds up to 1.8e308."""

# With fewer different texts than this, even few rows hold categories.
FEW = 10


@dataclass(frozen=True)
class ColumnSettings:
    """What a person says about a column, or about all of them.

    Attributes
    ----------
    max_categories : int
        How many are told apart.
    scaler : str or (low, high)
        As in `netts.data.scaling.learn_scaling`.
    encoding : {"automatic", "one-hot", "embedding"} or tuple of str
        Told from the values; categories as inputs or as codes; or categories in this order.
    """

    max_categories: int
    scaler: Scaler = "standard"
    encoding: Encoding = "automatic"


def learn_column(name: str, values: np.ndarray, settings: ColumnSettings) -> EncodedColumn:
    """Decide what becomes of a column, from its values in the training rows.

    Raises
    ------
    DataError
        Where a number is infinite or too large to be scaled, or a category not in the order given.
    """
    if settings.encoding != "automatic":
        labels = np.array([label(value) for value in values.tolist()], dtype=object)
        if isinstance(settings.encoding, tuple):
            return _learn_order(name, labels, settings.encoding, settings.scaler)
        return _learn_categories(name, labels, settings)
    if values.dtype.kind != "O":
        kind: Literal["number", "date"] = "number" if values.dtype.kind == "f" else "date"
        return _learn_numbers(name, kind, values, settings.scaler)
    present = [value for value in values if value is not None]
    if present and all(map(is_truth, present)):
        return _learn_numbers(name, "yes/no", values, settings.scaler)
    return _learn_categories(name, values, settings)


def _learn_numbers(
    name: str, kind: Literal["number", "date", "yes/no"], values: np.ndarray, scaler: Scaler
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
    scaling = learn_scaling(scaler, filled)
    return NumberColumn(
        name=name,
        kind=kind,
        low=float(present.min()),
        high=float(present.max()),
        median=median,
        mean=float(filled.mean()),
        scale=scaling.scale,
        n_missing=n_missing,
        center=scaling.center,
    )


def _learn_order(
    name: str, labels: np.ndarray, order: tuple[str, ...], scaler: Scaler
) -> OrdinalColumn | IgnoredColumn:
    counts = _count(labels)
    strangers = [category for category in counts if category not in order]
    if strangers:
        raise DataError(
            f"column {quoted(name)} has {listed(strangers)}, and its order knows only "
            f"{listed(order)}: add them to the order"
        )
    if not counts:
        return IgnoredColumn(name, "no value in any row")
    n_missing = len(labels) - counts.total()
    if len(counts) == 1 and not n_missing:
        return IgnoredColumn(name, "the same value in every row")
    place_of = {category: place for place, category in enumerate(order)}
    ranks = np.sort([place_of[one] for one in labels if one is not None])
    middle = int(ranks[len(ranks) // 2])
    filled = np.concatenate([ranks, np.full(n_missing, middle)]).astype(np.float64)
    scaling = learn_scaling(scaler, filled)
    return OrdinalColumn(
        name=name,
        categories=order,
        counts=tuple(counts[category] for category in order),
        n_rare=0,
        n_missing=n_missing,
        middle=middle,
        center=scaling.center,
        scale=scaling.scale,
    )


def _learn_categories(
    name: str, values: np.ndarray, settings: ColumnSettings
) -> CategoryColumn | CodedColumn | IgnoredColumn:
    counts = _count(values)
    if not counts:
        return IgnoredColumn(name, "no value in any row")
    n_missing = len(values) - counts.total()
    if len(counts) == 1 and not n_missing:
        return IgnoredColumn(name, "the same value in every row")
    is_asked = settings.encoding != "automatic"
    if len(counts) > max(FEW, counts.total() / 2) and not is_asked:
        return IgnoredColumn(name, f"{len(counts):,} different texts in {len(values):,} rows")
    by_count = sorted(counts, key=lambda category: (-counts[category], category))
    kept = sorted(by_count[: settings.max_categories])
    kind = CodedColumn if settings.encoding == "embedding" else CategoryColumn
    return kind(
        name=name,
        categories=tuple(kept),
        counts=tuple(counts[category] for category in kept),
        n_rare=len(counts) - len(kept),
        n_missing=n_missing,
    )


def _count(values: Iterable[Any]) -> Counter[str]:
    """Return how often each category stands there, missing ones left out."""
    counts: Counter[str] = Counter()
    for value, count in Counter(values).items():
        if value is not None:
            counts[str(label(value))] += count
    return counts
