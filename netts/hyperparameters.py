"""Check hyperparameters where they are given, with errors that name the value and its range."""

from __future__ import annotations

import math
import numbers
from typing import Any

from netts.errors import ParameterError


def check_whole(name: str, value: Any, at_least: int) -> None:
    """Raise unless `value` is a whole number of at least `at_least`."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not (is_whole and value >= at_least):
        raise ParameterError(f"{name} is a whole number of at least {at_least}, got {value!r}")


def check_real(name: str, value: Any, interval: str) -> None:
    """Raise unless `value` is a number in an interval such as `[0, 1)` or `(0, inf)`.

    Examples
    --------
    >>> check_real("rate", 1.5, "[0, 1)")
    Traceback (most recent call last):
    netts.errors.ParameterError: rate is a number in [0, 1), got 1.5
    """
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (is_real and _contains(interval, float(value))):
        raise ParameterError(f"{name} is a number in {interval}, got {value!r}")


def _contains(interval: str, value: float) -> bool:
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    return above and below and not math.isnan(value)
