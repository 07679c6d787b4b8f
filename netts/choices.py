"""Pick from a registry by name, take an object of the user's own, or suggest a name meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from netts.errors import ParameterError

T = TypeVar("T")

ALIKE = 0.6
"""From which likeness on a name may be the one meant: the cutoff of difflib.get_close_matches."""


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
    hint = did_you_mean(name, choices) if isinstance(name, str) else ""
    raise ParameterError(f"unknown {kind} {name!r}{hint}; choose from: {', '.join(choices)}")


def choose_or_take(kind: str, choice: Any, choices: Mapping[str, T], needs: Sequence[str]) -> T:
    """Return the entry that a name stands for, or the object that is passed instead of a name.

    Parameters
    ----------
    kind : str
        What is chosen, for the message: "activation", "loss".
    choice : str or object
    choices : mapping of str to anything
    needs : sequence of str
        The attributes that make an object one of this kind.

    Raises
    ------
    ParameterError
        Where the registry has no such name, or the object is a class or lacks an attribute.

    Examples
    --------
    >>> choose_or_take("size", dict, {"small": {}, "big": {}}, ["items"])
    Traceback (most recent call last):
    netts.errors.ParameterError: size is the class dict: pass an object of it, dict(...)
    """
    if isinstance(choice, str):
        return choose(kind, choice, choices)
    if isinstance(choice, type):
        name = choice.__name__
        raise ParameterError(f"{kind} is the class {name}: pass an object of it, {name}(...)")
    lacks = [need for need in needs if not hasattr(choice, need)]
    if lacks:
        raise ParameterError(
            f"{kind} {choice!r} lacks {', '.join(lacks)}; choose from: {', '.join(choices)}, or "
            f"pass an object with {', '.join(needs)}"
        )
    return choice


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
    return "".join(
        f" (did you mean {name!r}?)" for name in nearest if _likeness(word, name) >= ALIKE
    )


def did_you_mean_file(path: Path) -> str:
    """Give a question that names the most likely file beside a path that does not exist.

    Where there is no directory either, say that instead.
    """
    if not path.parent.is_dir():
        return f": there is no directory {path.parent} either"
    try:
        neighbours = [neighbour.name for neighbour in path.parent.iterdir()]
    except PermissionError:
        return ""
    # What all files of a kind end with would make `cut.netts` look like `iris.netts`.
    return did_you_mean(
        path.name, [name for name in neighbours if _likeness(path.stem, Path(name).stem) >= ALIKE]
    )


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio()
