"""Values of columns, one by one and together: what is missing, what is true, what is a label.

The dtypes are those of `netts.data.kinds`: float64, datetime64[us], or objects that are bool or
str; a missing value is NaN, NaT or None. Dates of a time zone are in UTC.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from netts.data.quoting import quoted
from netts.errors import DataError, ShapeError

_NUMBERS = (Real, Decimal)
_DATES = (datetime.date, np.datetime64)  # a datetime, and so a pandas Timestamp, is a date


def as_column(name: str, values: Any) -> np.ndarray:
    """Return a column of whatever holds values, of a dtype that tells what they are.

    Raises
    ------
    DataError, ShapeError
        Where it holds what is no number, date or text, or is no column.
    """
    if hasattr(values, "cat") and hasattr(values, "astype"):  # pandas: numbers too are names here
        return _labels(values.astype(object))
    if isinstance(values, np.ma.MaskedArray):
        values = np.where(np.ma.getmaskarray(values), np.array(None), values.data)
    # NumPy would make text of what stands beside text in a list, NaN too.
    array = np.asarray(values, dtype=None if hasattr(values, "__array__") else object)
    if array.ndim != 1:
        raise ShapeError(f"column {quoted(name)} has shape {array.shape}, not (n_samples,)")
    kind = array.dtype.kind
    if kind in "iuf":
        return array.astype(np.float64)
    if kind == "M":
        return array.astype("datetime64[us]")
    if kind == "b":
        return array.astype(object)
    if kind in "UT":
        return _labels(array.tolist())
    if kind == "O":
        return _typed(name, array)
    raise DataError(
        f"column {quoted(name)} has dtype {array.dtype}, and holds numbers, dates or text"
    )


def number_of_days(dates: np.ndarray) -> np.ndarray:
    """Return dates as float64 days since 1970-01-01, NaN for NaT."""
    days = (dates - np.datetime64(0, "us")) / np.timedelta64(1, "D")
    return np.asarray(days, np.float64)


def dates_of(days: np.ndarray) -> np.ndarray:
    """Return days since 1970-01-01 as dates, to the microsecond, NaT for NaN."""
    microseconds = np.where(np.isnan(days), 0.0, days) * 86_400e6
    dates = np.datetime64(0, "us") + np.rint(microseconds).astype("timedelta64[us]")
    return np.where(np.isnan(days), np.datetime64("NaT"), dates)


def label(value: Any) -> str | None:
    """Return a category as text, None for a missing one: 2.0 and 2 are both '2'."""
    if is_missing(value):
        return None
    if is_truth(value):
        return str(value)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


def is_missing(value: Any) -> bool:
    """Tell whether a value is None, NaN, NaT or pandas's NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, float | np.floating) and math.isnan(value)


def is_truth(value: Any) -> bool:
    """Tell whether a value is True or False, Python's or NumPy's."""
    return isinstance(value, bool | np.bool)


def _typed(name: str, values: np.ndarray) -> np.ndarray:
    """Return objects as what all of them are."""
    is_present = np.array([not is_missing(value) for value in values], bool)
    present = values[is_present]
    if present.size and all(map(is_truth, present)):
        return np.where(is_present, values, np.array(None))
    if all(isinstance(value, _NUMBERS) for value in present):
        return _numbers(name, values, is_present)
    if all(isinstance(value, _DATES) for value in present):
        dates = np.full(len(values), np.datetime64("NaT"), "datetime64[us]")
        dates[is_present] = [_without_zone(value) for value in present]
        return dates
    if any(isinstance(value, bytes) for value in present):
        raise DataError(f"column {quoted(name)} holds bytes: decode them to text")
    return _labels(values)


def _numbers(name: str, values: np.ndarray, is_present: np.ndarray) -> np.ndarray:
    numbers = np.full(len(values), np.nan)
    try:
        numbers[is_present] = values[is_present].astype(np.float64)
    except OverflowError as error:
        raise DataError(f"column {quoted(name)} holds a number too large for float64") from error
    return numbers


def _labels(values: Iterable[Any]) -> np.ndarray:
    return np.array([label(value) for value in values], dtype=object)


def _without_zone(date: Any) -> Any:
    if isinstance(date, datetime.datetime) and date.tzinfo:
        return date.astimezone(datetime.UTC).replace(tzinfo=None)
    return date
