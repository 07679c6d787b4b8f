"""Constants that are either defaults or measured: named numbers, with a digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

DIGITS = 2
"""To which measured constants are rounded. They cannot be measured better on a machine that does
other things too, and a third digit decides nothing but ties."""


@dataclass(frozen=True)
class Measured:
    """What frozen dataclasses of such constants share.

    Attributes
    ----------
    largest_factor
        How far a measured constant may be from its default, up or down; what differs by more was a
        busy moment.
    unmeasured
        The fields that nothing measures.
    origin
        Where the numbers are from; not part of what they are.
    """

    largest_factor: ClassVar[float]
    unmeasured: ClassVar[tuple[str, ...]] = ("origin",)
    origin: str = field(default="defaults", compare=False, kw_only=True)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the constants that are measured, as they are declared."""
        every = (one.name for one in dataclasses.fields(cls))
        return tuple(name for name in every if name not in cls.unmeasured)

    def numbers(self) -> dict[str, Any]:
        """Return the constants that are measured by name, as they are declared."""
        return {name: getattr(self, name) for name in self.names()}

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits that other numbers do not have."""
        content = json.dumps(self._identity())
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    def _identity(self) -> list[Any]:
        return [self.numbers()]

    def __str__(self) -> str:
        return f"{self.origin} ({self.digest})"

    @classmethod
    def settled(cls, measured: Mapping[str, float], origin: str) -> Self:
        """Return measured constants, rounded and no further from the defaults than is sane.

        Parameters
        ----------
        measured
            By name; what is missing, or not a number above zero, stays at its default.
        """
        most = cls.largest_factor
        numbers = {
            name: rounded(min(max(measured[name], default / most), default * most))
            if measured.get(name, math.nan) > 0
            else default
            for name, default in cls().numbers().items()
        }
        return cls(**numbers, origin=origin)

    @property
    def is_sane(self) -> bool:
        """Whether each constant is as `settled` leaves it."""
        return self == self.settled(self.numbers(), "")


def rounded(number: float) -> float:
    """Return a number to `DIGITS` significant digits."""
    return float(f"{number:.{DIGITS}g}")
