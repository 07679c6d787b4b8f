"""Where in a model a value sits, for messages and the names of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Place:
    """The model itself, or a part of another place; text is made of it only when asked for.

    A text at hand for each value would take time and memory in the square of what a file holds.

    Examples
    --------
    >>> place = Place().below("coefs_").below(0)
    >>> str(place), place.depth, str(Place())
    ('coefs_.0', 2, 'the model')
    """

    part: Any = None
    parent: Place | None = None
    depth: int = 0

    def below(self, part: str | int) -> Place:
        """Return the place of an item or field."""
        return Place(part, self, self.depth + 1)

    def __str__(self) -> str:
        parts: list[str] = []
        place = self
        while place.parent is not None:
            parts.append(str(place.part))
            place = place.parent
        return ".".join(reversed(parts)) or "the model"


def brief(text: Any) -> str:
    """Return the beginning of what a file says, which may be as long as the file."""
    shown = str(text)
    return shown if len(shown) <= MAX_MESSAGE else f"{shown[:MAX_MESSAGE]} ..."
