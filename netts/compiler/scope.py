"""What the free names of a kernel mean: numbers to fold in, functions to call."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_MISSING = object()


@dataclass(frozen=True)
class Scope:
    """The closure, module and built-ins of a function, looked up when asked."""

    function: Callable[..., Any]

    def lookup(self, dotted: str) -> Any:
        """Return what a name such as `N` or `math.pi` means now.

        Raises
        ------
        NameError
            Where it means nothing.
        """
        first, *rest = dotted.split(".")
        value = self._first(first)
        for name in rest:
            value = getattr(value, name, _MISSING) if value is not _MISSING else value
        if value is _MISSING:
            raise NameError(f"name {dotted!r} is not defined")
        return value

    def _first(self, name: str) -> Any:
        code = self.function.__code__
        if name in code.co_freevars:
            cell = (self.function.__closure__ or ())[code.co_freevars.index(name)]
            try:
                return cell.cell_contents
            except ValueError:
                return _MISSING
        if name in self.function.__globals__:
            return self.function.__globals__[name]
        return getattr(builtins, name, _MISSING)

    def number(self, dotted: str) -> bool | int | float | None:
        """Return the number that a name stands for, or None where it is no number."""
        return as_number(self.lookup(dotted))


def fits_word(value: int) -> bool:
    """Whether an integer has at most 64 bits, its sign included."""
    return -(2**63) <= value < 2**63


def as_number(value: Any) -> bool | int | float | None:
    """Return a Python number for a Python or NumPy scalar of 64 bits, None for anything else."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value) if fits_word(int(value)) else None
    if isinstance(value, float | np.floating):
        return float(value)
    return None
