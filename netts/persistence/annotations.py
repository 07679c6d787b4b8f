"""Whether a value is what an annotation says."""

from __future__ import annotations

import collections.abc
import types
import typing
from typing import Any

SEQUENCES = (list, collections.abc.Sequence, collections.abc.Iterable)
MAPPINGS = (dict, collections.abc.Mapping)


def conforms(value: Any, hint: Any) -> bool:
    """Tell whether a value is of an annotated type, down to the items of lists, tuples and dicts.

    A whole number is a float too (PEP 484), but a bool is no number. What stands for no class that
    can be asked, such as a type variable or a protocol, any value conforms to.

    Examples
    --------
    >>> conforms([1, 2.5], list[float]), conforms([1, "a"], list[float])
    (True, False)
    >>> conforms((1, "a"), tuple[int, str] | None)
    True
    """
    if hint is Any:
        return True
    if hint is None:
        return value is None
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(conforms(value, one) for one in arguments)
    if origin is typing.Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin is not None:
        return _conforms_to_generic(value, origin, arguments)
    if isinstance(value, bool):
        return hint in (bool, object)
    if hint is float:
        return isinstance(value, int | float)
    if not isinstance(hint, type) or getattr(hint, "_is_protocol", False):
        return True
    return isinstance(value, hint)


def _conforms_to_generic(value: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if origin is typing.Annotated:
        return conforms(value, arguments[0])
    if origin is collections.abc.Callable:
        return callable(value)
    if not isinstance(value, origin):
        return False
    if isinstance(value, str):
        return True
    if origin is tuple:
        return _conforms_to_tuple(value, arguments)
    if origin in SEQUENCES:
        return all(conforms(one, arguments[0]) for one in value)
    if origin in MAPPINGS:
        key, item = arguments
        return all(conforms(one, key) and conforms(value[one], item) for one in value)
    return True


def _conforms_to_tuple(value: tuple[Any, ...], arguments: tuple[Any, ...]) -> bool:
    if arguments[1:] == (Ellipsis,):
        return all(conforms(one, arguments[0]) for one in value)
    return len(value) == len(arguments) and all(map(conforms, value, arguments))
