"""Quote cells and names in messages, at a length that a person can read."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

# How many names a message lists.
MAX_LISTED = 10

_SHORT = reprlib.Repr()
_SHORT.maxstring = 60


def quoted(value: object) -> str:
    """Return text in quotes, its middle left out where it is long, and other values as they are.

    Examples
    --------
    >>> quoted("3 m")
    "'3 m'"
    >>> quoted("la" * 100)
    "'lalalalalalalalalalalalalal...lalalalalalalalalalalalalala'"
    >>> quoted(2.5)
    '2.5'
    """
    # NumPy's strings are represented with their type.
    return _SHORT.repr(str(value)) if isinstance(value, str) else str(value)


def listed(names: Sequence[str], most: int = MAX_LISTED) -> str:
    """Return the first names, quoted, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c", "d"], most=2)
    "'a', 'b' and 2 more"
    """
    more = len(names) - most
    return ", ".join(map(quoted, names[:most])) + (f" and {more:,} more" if more > 0 else "")
