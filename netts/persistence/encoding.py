"""From values to JSON and arrays; what neither can hold is refused by name."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from netts.errors import UnsavableError
from netts.persistence.forms import (
    DTYPES,
    MARK,
    MAX_DEPTH,
    MAX_TEXT_BYTES,
    TYPES,
    Registry,
)
from netts.persistence.places import Place
from netts.persistence.strict_json import MAX_DIGITS

TOO_LARGE = 10 ** (MAX_DIGITS - 1)


class Encoded(NamedTuple):
    """A value as JSON has it, the arrays that it names, and what it names beyond the registry."""

    content: Any
    arrays: dict[str, np.ndarray]
    own: dict[str, Any]


def encode(value: Any, registry: Registry, *, is_open: bool = False) -> Encoded:
    """Return a value as JSON values and named arrays.

    Parameters
    ----------
    value
        Plain values, lists, tuples, dicts with text as keys, NumPy arrays and numbers, and objects
        of the dataclasses and functions of the registry. NumPy numbers become Python's, arrays
        contiguous and of the machine's byte order.
    registry : mapping of str to class or function
    is_open : bool
        Whether classes and functions that the registry lacks may be named too; who decodes must
        then know them.

    Raises
    ------
    UnsavableError
        Where it holds anything else; the message says where.
    """
    encoder = _Encoder(registry, is_open)
    return Encoded(encoder.encode(value, Place()), encoder.arrays, encoder.own)


class _Encoder:
    """One call of `encode`: the arrays, names and bytes of text so far."""

    def __init__(self, registry: Registry, is_open: bool) -> None:
        self.registry, self.is_open = registry, is_open
        self.arrays: dict[str, np.ndarray] = {}
        self.own: dict[str, Any] = {}
        self._text_bytes = 0

    def encode(self, value: Any, at: Place) -> Any:
        if at.depth > MAX_DEPTH:
            raise _refusal(at, f"lies more than {MAX_DEPTH} values deep, or holds itself")
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, np.ndarray):
            return self._array(value, at)
        if isinstance(value, list | tuple | dict):
            return self._container(value, at)
        if isinstance(value, type | np.dtype):
            return _dtype(value, at)
        if isinstance(value, np.random.RandomState):
            return self._random_state(value, at)
        if value is None or isinstance(value, bool | int | float | str):
            return _scalar(value, at)
        return self._named(value, at)

    def _container(self, value: Any, at: Place) -> Any:
        if type(value) is dict:
            return self._dict(value, at)
        if type(value) not in (list, tuple):
            name = type(value).__name__
            raise _refusal(at, f"is a {name}: a file holds lists, tuples and dicts only")
        items = [self.encode(one, at.below(k)) for k, one in enumerate(value)]
        return items if type(value) is list else {MARK: "tuple", "items": items}

    def _dict(self, value: dict[Any, Any], at: Place) -> Any:
        for key in value:
            if type(key) is not str:
                raise _refusal(at, f"has the key {key!r}: the keys of a file are texts")
        items = {key: self.encode(one, at.below(key)) for key, one in value.items()}
        return {MARK: "dict", "items": items} if MARK in items else items

    def _array(self, value: np.ndarray, at: Place) -> Any:
        if type(value) not in (np.ndarray, np.memmap):
            raise _refusal(at, f"is a {type(value).__name__}: a file holds plain arrays only")
        if value.dtype.kind == "U":
            return self._text_array(value, at)
        if value.dtype.kind == "O":
            items = [
                _scalar(one.item() if isinstance(one, np.generic) else one, at.below(k))
                for k, one in enumerate(value.ravel().tolist())
            ]
            return {MARK: "object array", "items": items, "shape": list(value.shape)}
        if value.dtype.name not in DTYPES:
            raise _refusal(at, f"has dtype {value.dtype}: arrays have {', '.join(DTYPES)}")
        name = self._array_name(at)
        self.arrays[name] = np.asarray(value, DTYPES[value.dtype.name], order="C")
        return {MARK: "array", "name": name}

    def _array_name(self, at: Place) -> str:
        """Return a name that no other array has: usually where the array sits."""
        # Half a surrogate pair is no UTF-8, and "__metadata__" is what safetensors calls its own.
        stem = str(at).encode(errors="backslashreplace").decode()
        name, number = stem, 2
        while name in self.arrays or name == "__metadata__":
            name, number = f"{stem}~{number}", number + 1
        return name

    def _text_array(self, value: np.ndarray, at: Place) -> Any:
        n_bytes = value.dtype.itemsize * max(value.size, 1)
        self._text_bytes += n_bytes
        if self._text_bytes > MAX_TEXT_BYTES:
            raise _refusal(
                at,
                f"is text of dtype {value.dtype} that takes {n_bytes:,} bytes, more than the "
                f"{MAX_TEXT_BYTES:,} of a model file: shorten it, or use dtype object",
            )
        width = value.dtype.itemsize // 4
        items, shape = value.ravel().tolist(), list(value.shape)
        return {MARK: "text array", "items": items, "shape": shape, "width": width}

    def _random_state(self, value: np.random.RandomState, at: Place) -> Any:
        state: Any = value.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            raise _refusal(at, f"is a RandomState over {state['bit_generator']}, not MT19937")
        return {
            MARK: "random state",
            "key": self._array(state["state"]["key"], at.below("key")),
            "position": int(state["state"]["pos"]),
            "has_gauss": int(state["has_gauss"]),
            "gauss": _scalar(float(state["gauss"]), at),
        }

    def _named(self, value: Any, at: Place) -> Any:
        if isinstance(value, FunctionType):
            return {MARK: "function", "name": self._name_of(value, at)}
        kind = type(value)
        if not dataclasses.is_dataclass(kind):
            rule = "; objects of your own are dataclasses" if self.is_open else ""
            raise _refusal(at, f"is {_shown(value)}, which a model file cannot hold{rule}")
        name = self._name_of(kind, at)
        fields = [one.name for one in dataclasses.fields(kind) if one.init]
        encoded = {one: self.encode(getattr(value, one), at.below(one)) for one in fields}
        return {MARK: "object", "class": name, "fields": encoded}

    def _name_of(self, thing: Any, at: Place) -> str:
        """Return the name of a class or function, if it means this one and no other."""
        for name, known in self.registry.items():
            if known is thing:
                return name
        name = thing.__name__
        if not self.is_open or thing.__module__ == "builtins":
            raise _refusal(at, f"is of or is {thing!r}, which a model file cannot hold")
        if not name.isidentifier():
            raise _refusal(at, f"is {name}, which has no name to find it by: write it with def")
        if self.own.setdefault(name, thing) is not thing or name in self.registry:
            other = self.registry.get(name, self.own[name])
            raise _refusal(at, f"is {thing!r}, which has the name of {other!r}: rename it")
        return name


def _scalar(value: Any, at: Place) -> Any:
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        if abs(value) >= TOO_LARGE:
            raise _refusal(at, f"is a whole number of {MAX_DIGITS} digits or more")
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {MARK: "float", "text": repr(value)}
    raise _refusal(at, f"is {_shown(value)}, which a model file cannot hold")


def _shown(value: Any) -> str:
    return f"{reprlib.repr(value)} of class {type(value).__name__}"


def _dtype(value: Any, at: Place) -> Any:
    if isinstance(value, np.dtype):
        if value.name in DTYPES:
            return {MARK: "dtype", "name": value.name}
        raise _refusal(at, f"is the dtype {value}: a file knows {', '.join(DTYPES)}")
    for name, known in TYPES.items():
        if known is value:
            return {MARK: "type", "name": name}
    raise _refusal(at, f"is the class {value.__name__}: pass an object of it")


def _refusal(at: Place, why: str) -> UnsavableError:
    return UnsavableError(f"{at} {why}")
