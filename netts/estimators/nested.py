"""Parameters of parameters: `layers__0__units` and `optimizer__learning_rate` by name.

A parameter may be a frozen dataclass, such as an optimiser, or a list of them, such as layers; its
fields, and the places of a list, are what `__` stands between. What is named by text, "adam", has
the fields of what the name stands for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from netts.errors import NettsError, ParameterError

SEPARATOR = "__"

Resolve = Callable[[Any], Any]
"""Returns the object that a name stands for, or the object that is passed."""


def parameters_below(value: Any) -> dict[str, Any]:
    """Return the parameters inside of one, by their names behind its own.

    Examples
    --------
    >>> from netts.layers import Dense
    >>> parameters_below([Dense(8)])["0__units"]
    8
    """
    found: dict[str, Any] = {}
    for name, part in _parts(value).items():
        found[name] = part
        found |= {f"{name}{SEPARATOR}{below}": one for below, one in parameters_below(part).items()}
    return found


def replaced(value: Any, path: str, new: Any, called: str) -> Any:
    """Return a value of which the part at a path is another; what is there stays as it is.

    Parameters
    ----------
    value
    path
        Such as "0__units".
    new
    called
        The name of `value`, for the message.

    Raises
    ------
    ParameterError
        Where there is no such part, or it cannot be that.
    """
    name, _, below = path.partition(SEPARATOR)
    parts = _parts(value)
    if name not in parts:
        raise ParameterError(
            f"Invalid parameter {name!r} of {called} = {value!r}: choose from "
            f"{', '.join(parts) or 'none, it has no parameters'}"
        )
    part = replaced(parts[name], below, new, f"{called}{SEPARATOR}{name}") if below else new
    if isinstance(value, list | tuple):
        items = [part if str(k) == name else one for k, one in enumerate(value)]
        return type(value)(items)
    return dataclasses.replace(value, **{name: part})


def resolved(value: Any, resolve: Resolve | None) -> Any:
    """Return the object that a name stands for; what is no name of anything stays."""
    if resolve is None or not isinstance(value, str):
        return value
    try:
        return resolve(value)
    except NettsError:
        return value  # `fit` says so


def deep_parameters(
    parameters: Mapping[str, Any], nested: Mapping[str, Resolve | None]
) -> dict[str, Any]:
    """Return the parameters inside of those that are nested, by their full names."""
    return {
        f"{name}{SEPARATOR}{below}": one
        for name, resolve in nested.items()
        for below, one in parameters_below(resolved(parameters[name], resolve)).items()
    }


def _parts(value: Any) -> dict[str, Any]:
    if isinstance(value, list | tuple):
        return {str(k): one for k, one in enumerate(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if one.init}
    return {}
