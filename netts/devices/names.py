"""The names of devices: a kind, and for GPUs a number: "cuda" is the first one, as is "cuda:0"."""

from __future__ import annotations

import re

NUMBERED = "cuda"
"""The kind of which a machine may have several."""

_PATTERN = re.compile(rf"(?P<kind>{NUMBERED}):(?P<ordinal>0|[1-9]\d*)")


def kind_of(name: str) -> str:
    """Return what kind of device a name stands for.

    Examples
    --------
    >>> kind_of("cuda:1"), kind_of("cpu")
    ('cuda', 'cpu')
    """
    found = _PATTERN.fullmatch(name)
    return found["kind"] if found else name


def ordinal_of(name: str) -> int:
    """Return which device of its kind a name stands for, counted from 0."""
    found = _PATTERN.fullmatch(name)
    return int(found["ordinal"]) if found else 0


def name_of(kind: str, ordinal: int) -> str:
    """Return the one name of a device that netts reports, without a number for the first.

    Examples
    --------
    >>> name_of("cuda", 0), name_of("cuda", 1)
    ('cuda', 'cuda:1')
    """
    return f"{kind}:{ordinal}" if ordinal else kind
