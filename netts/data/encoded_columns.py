"""What a column becomes: numbers standardised, categories one-hot, or nothing.

Each class holds what was learned from the training rows, in plain values, so that a model file can
hold it too; `encode` gives the inputs of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from netts.data.cells import truth
from netts.data.frames import is_truth, label, number_of_days
from netts.data.kinds import Kind
from netts.data.quoting import quoted
from netts.errors import BrokenModelError, DataError

# How many categories, or texts, a description names before it says how many more there are.
MAX_SHOWN = 3


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, dates, or yes and no, which is standardised.

    Dates are days since 1970-01-01, yes is 1 and no 0. A missing value becomes the median; where
    training rows had some, a second input marks them with 1.

    Attributes
    ----------
    name : str
    kind : {"number", "date", "yes/no"}
    low, high : float
        Smallest and largest value.
    median : float
    mean, scale : float
        Of the values, medians filled in; `scale` is the standard deviation, 1 where that is 0.
    n_missing : int
        How many training rows had no value.
    """

    name: str
    kind: Literal["number", "date", "yes/no"]
    low: float
    high: float
    median: float
    mean: float
    scale: float
    n_missing: int

    def __post_init__(self) -> None:
        statistics = (self.low, self.high, self.median, self.mean, self.scale)
        if not (np.all(np.isfinite(statistics)) and self.scale > 0 and self.n_missing >= 0):
            raise BrokenModelError(f"column {self.name!r} has statistics {statistics}")

    @property
    def output_names(self) -> list[str]:
        """Return the name of each input that the column gives to the network."""
        return [self.name] + [f"missingindicator_{self.name}"] * bool(self.n_missing)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the inputs, float64 of shape (n_samples, n_outputs)."""
        numbers = as_numbers(self.name, self.kind, values)
        is_missing = np.isnan(numbers)
        with np.errstate(over="ignore"):  # what overflows is refused by the network, by name
            standardised = (np.where(is_missing, self.median, numbers) - self.mean) / self.scale
        columns = [standardised] + [is_missing.astype(np.float64)] * bool(self.n_missing)
        return np.stack(columns, axis=1)

    def unknown(self, values: np.ndarray) -> np.ndarray:
        """Return the rows that have no value where every training row had one."""
        if self.n_missing:
            return np.array([], np.int64)
        return np.flatnonzero(np.isnan(as_numbers(self.name, self.kind, values)))

    def describe_values(self) -> str:
        """Say what the training rows hold."""
        if self.kind == "date":
            low, high = (np.datetime64(0, "D") + int(day // 1) for day in (self.low, self.high))
            return f"{low} to {high}, as days since 1970"
        if self.kind == "yes/no":
            return f"{self.mean:.0%} yes"
        return f"{self.low:g} to {self.high:g}, mean {self.mean:.4g}"


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, one input for each, which is 1 in its rows and 0 in the others.

    A missing value is a category of its own where training rows had some. Rare categories beyond
    the encoder's limit, and those that training has not seen, are 0 everywhere.

    Attributes
    ----------
    name : str
    categories : tuple of str
    counts : tuple of int
        How many training rows had each.
    n_rare : int
        How many different categories have no input of their own.
    n_missing : int
        How many training rows had no value.
    """

    name: str
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    n_rare: int
    n_missing: int

    def __post_init__(self) -> None:
        if len(self.categories) != len(self.counts) or len(set(self.categories)) != len(
            self.categories
        ):
            raise BrokenModelError(f"column {self.name!r} has categories {self.categories}")

    @property
    def kind(self) -> Kind:
        """Return "category"."""
        return "category"

    @property
    def output_names(self) -> list[str]:
        """Return the name of each input that the column gives to the network."""
        names = [f"{self.name}_{category}" for category in self.categories]
        return names + [f"missingindicator_{self.name}"] * bool(self.n_missing)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the inputs, float64 of shape (n_samples, n_outputs)."""
        places = self._places(values)
        encoded = np.zeros((len(values), len(self.output_names) + 1))
        encoded[np.arange(len(values)), places] = 1.0
        return encoded[:, :-1]  # the last one is what has no input

    def unknown(self, values: np.ndarray) -> np.ndarray:
        """Return the rows whose category training has not seen.

        None where categories without an input of their own are part of what was learned.
        """
        if self.n_rare:
            return np.array([], np.int64)
        return np.flatnonzero(self._places(values) == len(self.output_names))

    def describe_values(self) -> str:
        """Say what the training rows hold."""
        order = sorted(range(len(self.counts)), key=lambda k: -self.counts[k])
        shown = [f"{self.categories[k]} {self.counts[k]:,}" for k in order[:MAX_SHOWN]]
        more = len(order) - MAX_SHOWN
        rare = f" (and {self.n_rare} rare ones as none of them)" if self.n_rare else ""
        return ", ".join(shown) + (f", {more} more" if more > 0 else "") + rare

    def _places(self, values: np.ndarray) -> np.ndarray:
        none_of_them = len(self.output_names)
        place_of: dict[str | None, int] = {name: k for k, name in enumerate(self.categories)}
        if self.n_missing:
            place_of[None] = len(self.categories)
        listed = values.tolist()
        # A value that recurs is looked up once.
        places = {value: place_of.get(label(value), none_of_them) for value in set(listed)}
        return np.fromiter(map(places.__getitem__, listed), np.int64, len(listed))


@dataclass(frozen=True)
class IgnoredColumn:
    """A column that nothing is learned from.

    Attributes
    ----------
    name : str
    reason : str
        Why.
    """

    name: str
    reason: str

    @property
    def kind(self) -> str:
        """Return "ignored"."""
        return "ignored"

    @property
    def n_missing(self) -> int:
        """Return 0: nobody looked."""
        return 0

    @property
    def output_names(self) -> list[str]:
        """Return nothing."""
        return []

    def describe_values(self) -> str:
        """Say why it is ignored."""
        return self.reason


EncodedColumn = NumberColumn | CategoryColumn | IgnoredColumn


def as_numbers(name: str, kind: Kind, values: np.ndarray) -> np.ndarray:
    """Return values as float64, NaN where missing, or raise because they are of another kind.

    True and 1 are the same, and so are False and 0.
    """
    if kind == "date" and values.dtype.kind == "M":
        return number_of_days(values)
    if kind == "number" and values.dtype.kind == "f":
        return values
    listed = values.tolist()
    number_of = {value: _as_number(kind, value) for value in set(listed)}
    if None in number_of.values():
        row, value = next((r, v) for r, v in enumerate(listed) if number_of[v] is None)
        raise DataError(
            f"column {quoted(name)} was trained on as {kind}, row {row} has {quoted(value)}"
        )
    return np.fromiter(map(number_of.__getitem__, listed), np.float64, len(listed))


def _as_number(kind: Kind, value: object) -> float | None:
    text = label(value)
    if text is None:
        return np.nan
    if kind == "yes/no":
        known = {"1": True, "0": False}.get(text, truth(text))
        return None if known is None else float(known)
    return float(bool(value)) if kind == "number" and is_truth(value) else None
