"""Where in a model a value sits, for messages and the names of arrays."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_MESSAGE = 500

# How many characters of a library's message one of ours quotes.
MAX_SAID = 200


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


def in_short(error: Exception) -> str:
    """Return the beginning of what a library says of a file, of which it may quote any part.

    Examples
    --------
    >>> in_short(ValueError("no number: " + "x" * 1000))[-20:]
    'xxxxxxxxxxxxxxxxx...'
    >>> in_short(KeyError())
    'KeyError'
    """
    said = str(error).partition("\n")[0] or type(error).__name__
    return said if len(said) <= MAX_SAID else said[: MAX_SAID - 3] + "..."


class _Brief(reprlib.Repr):
    """Makes no more text of a value than is shown of it."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = MAX_MESSAGE

    def repr_ndarray(self, array: np.ndarray, _level: int) -> str:
        # Elements are not looked at: a file of 1 kB may declare one of 64 MiB, and NumPy's own
        # repr would copy it.
        return f"an array of {array.dtype.name[:40]} of shape {array.shape}"


_BRIEF = _Brief()


def shown(value: Any) -> str:
    """Return a value of a file as messages show it.

    Examples
    --------
    >>> import numpy as np
    >>> shown("adam"), shown((1.5, np.zeros(3)))
    ("'adam'", '(1.5, an array of float64 of shape (3,))')
    """
    return _BRIEF.repr(value)
