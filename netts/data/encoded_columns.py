"""What a column becomes: scaled numbers, or nothing; `category_columns` has the categories.

Each class holds what was learned from the training rows, in plain values, so that a model file can
hold it too; `encode` gives the inputs of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from netts.data.category_columns import CategoryColumn, CodedColumn, OrdinalColumn
from netts.data.cells import truth
from netts.data.kinds import Kind
from netts.data.quoting import quoted
from netts.data.scaling import Scaling
from netts.data.values import dates_of, is_truth, label, number_of_days
from netts.errors import BrokenModelError, DataError


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, dates, or yes and no, which is scaled.

    Dates are days since 1970-01-01, yes is 1 and no 0. A missing value becomes the median; where
    training rows had some, a second input marks them with 1.

    Attributes
    ----------
    name : str
    kind : {"number", "date", "yes/no"}
    low, high : float
        Smallest and largest value.
    median : float
    mean : float
        Of the values, medians filled in.
    scale : float
        What the values are divided by.
    n_missing : int
        How many training rows had no value.
    center : float, optional
        What is subtracted before; by default the mean, as in all files before there were scalers.
    """

    name: str
    kind: Literal["number", "date", "yes/no"]
    low: float
    high: float
    median: float
    mean: float
    scale: float
    n_missing: int
    center: float | None = None

    def __post_init__(self) -> None:
        statistics = (self.low, self.high, self.median, self.mean, self.scale)
        if not (np.all(np.isfinite(statistics)) and self.scale > 0 and self.n_missing >= 0):
            raise BrokenModelError(f"column {self.name!r} has statistics {statistics}")
        _ = self.scaling  # which checks it

    @property
    def scaling(self) -> Scaling:
        """Return how the values are scaled."""
        return Scaling(self.mean if self.center is None else self.center, self.scale)

    @property
    def stand_in(self) -> str:
        """Say what a missing value counts as."""
        return f"their median, {self.median:g}"

    @property
    def output_names(self) -> list[str]:
        """Return the name of each input that the column gives to the network."""
        return [self.name] + [f"missingindicator_{self.name}"] * bool(self.n_missing)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the inputs, float64 of shape (n_samples, n_outputs)."""
        numbers = as_numbers(self.name, self.kind, values)
        is_missing = np.isnan(numbers)
        scaled = self.scaling.apply(np.where(is_missing, self.median, numbers))
        columns = [scaled] + [is_missing.astype(np.float64)] * bool(self.n_missing)
        return np.stack(columns, axis=1)

    def decode(self, inputs: np.ndarray) -> np.ndarray:
        """Return the values of inputs, in the form that `netts.data.frames` describes."""
        numbers = self.scaling.invert(inputs[:, 0])
        is_missing = inputs[:, 1] > 0.5 if self.n_missing else np.zeros(len(inputs), bool)
        if self.kind == "yes/no":
            return np.where(is_missing, np.array(None), numbers > 0.5)
        numbers = np.where(is_missing, np.nan, numbers)
        return dates_of(numbers) if self.kind == "date" else numbers

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


EncodedColumn = NumberColumn | CategoryColumn | CodedColumn | OrdinalColumn | IgnoredColumn


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
