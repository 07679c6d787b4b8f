"""Pick from a registry by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from netts.errors import ParameterError

T = TypeVar("T")


def choose(kind: str, name: Any, choices: Mapping[str, T]) -> T:
    """Return the entry of a registry, or raise an error that names the choices.

    Parameters
    ----------
    kind : str
        What is chosen, for the message: "activation", "loss".
    name : str
    choices : mapping of str to anything

    Raises
    ------
    ParameterError
        Where the registry has no such name.

    Examples
    --------
    >>> choose("size", "bgi", {"small": 1, "big": 2})
    Traceback (most recent call last):
    netts.errors.ParameterError: unknown size 'bgi' (did you mean 'big'?); choose from: small, big
    """
    if isinstance(name, str) and name in choices:
        return choices[name]
    nearest = difflib.get_close_matches(name, choices, n=1) if isinstance(name, str) else []
    hint = "".join(f" (did you mean {one!r}?)" for one in nearest)
    raise ParameterError(f"unknown {kind} {name!r}{hint}; choose from: {', '.join(choices)}")
