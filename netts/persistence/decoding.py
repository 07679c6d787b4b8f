"""From JSON and arrays back to values; whatever a file says, the answer is a value or our error."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np

from netts.errors import BrokenModelError, UnknownClassError
from netts.persistence.annotations import conforms
from netts.persistence.forms import (
    DTYPES,
    KEYS,
    MARK,
    MAX_DEPTH,
    MAX_TEXT_BYTES,
    NON_FINITE,
    TYPES,
    Registry,
)
from netts.persistence.places import MAX_MESSAGE, Place, brief, shown


def decode(
    content: Any, arrays: Mapping[str, np.ndarray], registry: Registry, expected: Any = Any
) -> Any:
    """Return the value that `encode` gave content and arrays for.

    Parameters
    ----------
    content
        As JSON has it.
    arrays : mapping of str to ndarray
        Each is used once and not copied.
    registry : mapping of str to class or function
        Nothing else is ever called, and each only with what its annotations allow.
    expected
        The annotation that the value has to conform to.

    Raises
    ------
    UnknownClassError
        Where a class or function is not in the registry.
    BrokenModelError
        Where anything else is not as `encode` leaves it.
    """
    decoder = _Decoder(arrays, registry)
    value = decoder.decode(content, Place())
    if decoder.arrays:
        raise BrokenModelError(brief(f"array {next(iter(decoder.arrays))!r} belongs to nothing"))
    if not conforms(value, expected):
        raise _contradiction(Place(), f"is no {_annotation(expected)}")
    return value


SCALAR = None | bool | int | float | str


class _Decoder:
    """One call of `decode`: the arrays not used yet, and the bytes of text so far."""

    def __init__(self, arrays: Mapping[str, np.ndarray], registry: Registry) -> None:
        self.arrays, self.registry = dict(arrays), registry
        self._text_bytes = 0

    def decode(self, content: Any, at: Place) -> Any:
        if at.depth > MAX_DEPTH:
            raise _contradiction(at, f"lies more than {MAX_DEPTH} values deep")
        if isinstance(content, float) and not math.isfinite(content):
            raise _contradiction(at, "is a number too large for a float")
        if isinstance(content, list):
            return [self.decode(one, at.below(k)) for k, one in enumerate(content)]
        if not isinstance(content, dict):
            return content
        if MARK not in content:
            return self._items(content, at)
        form = content[MARK]
        if not isinstance(form, str) or form not in KEYS:
            raise _contradiction(at, f"is of the unknown form {form!r}")
        parts = {key: part for key, part in content.items() if key != MARK}
        if set(parts) != set(KEYS[form]):
            raise _contradiction(
                at, f"is of form {form!r} with {sorted(parts)}, not {[*KEYS[form]]}"
            )
        return getattr(self, f"_{form.replace(' ', '_')}")(parts, at)

    def _items(self, content: dict[str, Any], at: Place) -> dict[str, Any]:
        return {key: self.decode(one, at.below(key)) for key, one in content.items()}

    def _float(self, parts: dict[str, Any], at: Place) -> float:
        return _one_of(NON_FINITE, parts["text"], at)

    def _tuple(self, parts: dict[str, Any], at: Place) -> tuple[Any, ...]:
        items = _typed(parts["items"], list, at)
        return tuple(self.decode(one, at.below(k)) for k, one in enumerate(items))

    def _dict(self, parts: dict[str, Any], at: Place) -> dict[str, Any]:
        return self._items(_typed(parts["items"], dict, at), at)

    def _array(self, parts: dict[str, Any], at: Place) -> np.ndarray:
        name = _typed(parts["name"], str, at)
        if name not in self.arrays:
            raise _contradiction(at, f"is the array {name!r}, which is not there, or used twice")
        return self.arrays.pop(name)

    def _text_array(self, parts: dict[str, Any], at: Place) -> np.ndarray:
        items = _typed(parts["items"], list[str], at)
        width = _typed(parts["width"], int, at)
        if not max(map(len, items), default=1) <= width:
            raise _contradiction(at, f"has texts longer than its width, {width}")
        n_bytes = 4 * width * max(len(items), 1)
        self._text_bytes += n_bytes
        if self._text_bytes > MAX_TEXT_BYTES:
            raise _contradiction(at, f"is text that would take {n_bytes:,} bytes")
        return _shaped(np.array(items, f"<U{width}"), parts["shape"], at)

    def _object_array(self, parts: dict[str, Any], at: Place) -> np.ndarray:
        items = _typed(parts["items"], list, at)
        array = np.empty(len(items), object)
        for k, one in enumerate(items):
            array[k] = self.decode(one, at.below(k))
            _typed(array[k], SCALAR, at.below(k))
        return _shaped(array, parts["shape"], at)

    def _dtype(self, parts: dict[str, Any], at: Place) -> np.dtype:
        return _one_of(DTYPES, parts["name"], at)

    def _type(self, parts: dict[str, Any], at: Place) -> type:
        return _one_of(TYPES, parts["name"], at)

    def _random_state(self, parts: dict[str, Any], at: Place) -> np.random.RandomState:
        key = _typed(self.decode(parts["key"], at), np.ndarray, at)
        position = _typed(parts["position"], int, at)
        gauss = _typed(self.decode(parts["gauss"], at), float, at)
        # NumPy would read beyond the key at a position beyond 624, the length of MT19937's.
        if key.dtype != np.uint32 or key.shape != (624,) or not 0 <= position <= 624:
            raise _contradiction(at, "is no state of MT19937")
        if parts["has_gauss"] not in (0, 1):
            raise _contradiction(at, f"has_gauss is 0 or 1, not {parts['has_gauss']!r}")
        state = np.random.RandomState()
        state.set_state(("MT19937", key, position, int(parts["has_gauss"]), float(gauss)))
        return state

    def _function(self, parts: dict[str, Any], at: Place) -> Any:
        found = self._registered(parts["name"], at)
        if isinstance(found, type):
            raise _contradiction(at, f"is the class {found.__name__}, not a function")
        return found

    def _object(self, parts: dict[str, Any], at: Place) -> Any:
        name = parts["class"]
        kind = self._registered(name, at)
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            raise _contradiction(at, f"is an object of {name}, which is no dataclass")
        fields = self._items(_typed(parts["fields"], dict, at), at)
        _check_fields(name, kind, fields, at)
        try:
            return kind(**fields)
        except Exception as error:  # whatever the checks of a class raise
            raise _contradiction(at, f"is no {name}: {error}") from error

    def _registered(self, name: Any, at: Place) -> Any:
        if _typed(name, str, at) not in self.registry:
            shown = name if name.isidentifier() and len(name) < MAX_MESSAGE else "Layer"
            raise UnknownClassError(
                f"{brief(at)} is made by {name[:MAX_MESSAGE]!r}, which netts does not have: where "
                f"it is your own, pass it, as in netts.load(path, custom=[{shown}])"
            )
        return self.registry[name]


def _check_fields(name: str, kind: Any, fields: dict[str, Any], at: Place) -> None:
    taken = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for field in taken.values():
        missing = dataclasses.MISSING
        if field.default is field.default_factory is missing and field.name not in fields:
            raise _contradiction(at, f"is a {name} without {field.name!r}")
    hints = _hints(kind)
    for key, value in fields.items():
        if key not in taken:
            raise _contradiction(at, f"is a {name} with {key!r}, which it has no field for")
        hint = hints.get(key, Any)
        if not conforms(value, hint):
            raise _contradiction(
                at.below(key), f"is {_annotation(hint)} in a {name}, got {shown(value)}"
            )


def _hints(kind: Any) -> dict[str, Any]:
    """Return annotations; none where some cannot be looked up, as under TYPE_CHECKING."""
    try:
        return typing.get_type_hints(kind)
    except (NameError, TypeError):
        return {}


def _shaped(array: np.ndarray, shape: Any, at: Place) -> np.ndarray:
    """Return an array of listed items in the shape that stands beside them."""
    extents = _typed(shape, list[int], at)
    try:
        if min(extents, default=0) < 0:  # NumPy would choose one
            raise ValueError
        return array.reshape(extents)
    except (ValueError, OverflowError):
        raise _contradiction(at, f"has shape {extents}, but {array.size} items") from None


def _one_of(table: Mapping[str, Any], name: Any, at: Place) -> Any:
    if not isinstance(name, str) or name not in table:
        raise _contradiction(at, f"is {name!r}, not one of {', '.join(table)}")
    return table[name]


def _typed(value: Any, hint: Any, at: Place) -> Any:
    if not conforms(value, hint):
        raise _contradiction(at, f"has {shown(value)} for {_annotation(hint)}")
    return value


def _annotation(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _contradiction(at: Place, why: str) -> BrokenModelError:
    return BrokenModelError(brief(f"{at} {why}"))
