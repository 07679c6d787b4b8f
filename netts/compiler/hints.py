"""What a kernel says instead of functions that it may not call."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netts.compiler.scalars import ROWS, VECTORISED

_MAKERS = (np.array, np.empty, np.empty_like, np.full, np.ones, np.zeros, np.zeros_like)
_OF_NUMBERS: dict[Any, str] = {
    np.abs: "abs(...)", np.maximum: "max(..., ...)", np.minimum: "min(..., ...)",
    np.power: "x ** y", np.square: "x ** 2",
    **{getattr(np, name): f"{name}(...), from math"
       for name in ROWS if hasattr(math, name) and hasattr(np, name)},
    **{getattr(np, name): f"{name}(...), from netts"
       for name in VECTORISED if hasattr(np, name)},
}  # fmt: skip
"""What a kernel says instead of NumPy's functions of each element."""


def instead_of(function: Any, called: str) -> str:
    """Return what to write instead of NumPy's function, or where netts's is; else nothing."""
    if function is None and called in VECTORISED:
        return f"netts has it: from netts import {called}"
    if any(function is maker for maker in _MAKERS):
        return "a kernel makes no arrays: pass one as an argument"
    if is_hashable(function) and function in _OF_NUMBERS:
        return f"of the numbers of a kernel it is {_OF_NUMBERS[function]}"
    return ""


def is_hashable(value: Any) -> bool:
    """Tell whether a value can be looked up in a table, as arrays cannot."""
    try:
        hash(value)
    except TypeError:
        return False
    return True
