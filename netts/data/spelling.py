"""Suggest what a mistyped name was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_first(word: str, names: Iterable[str]) -> list[str]:
    """Sort names by their likeness to a word, the most alike first, case ignored.

    Examples
    --------
    >>> nearest_first("Specie", ["petal width", "species"])
    ['species', 'petal width']
    """
    return sorted(names, key=lambda name: -_likeness(word, name))


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Give a question that names the most likely of some names, or nothing if none is alike.

    Examples
    --------
    >>> did_you_mean("irsi", ["iris", "wine"])
    " (did you mean 'iris'?)"
    >>> did_you_mean("houses", ["iris", "wine"])
    ''
    """
    nearest = nearest_first(word, names)[:1]
    # 0.6 is the cutoff of difflib.get_close_matches.
    return "".join(f" (did you mean {name!r}?)" for name in nearest if _likeness(word, name) >= 0.6)


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio()
