"""The architecture of a network as JSON that people read and write."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from netts.errors import BrokenModelError, NewerModelError, ParameterError, UnsavableError
from netts.network.saved import registry
from netts.persistence import ModelFile, decode_model
from netts.persistence.encoding import encode
from netts.persistence.places import shown
from netts.persistence.readable import from_readable, readable
from netts.persistence.strict_json import parse

if TYPE_CHECKING:
    from netts.network.network import Network

FORMAT = 1
"""The newest that this netts reads, and the one that it writes."""

WIDTH = 100
"""Of a line, where what stands in it can be broken."""


def to_json(network: Network) -> str:
    """Return the layers of a network and its dtype, as `Network.to_json` says."""
    content, arrays, own = encode({"layers": network.layers}, registry(), is_open=True)
    if arrays:
        name = next(iter(arrays))
        raise UnsavableError(f"{name} is an array, which JSON does not hold: save() keeps it")
    _layers(content["layers"], own.values(), UnsavableError)
    dtype = network.requested_dtype
    said = {
        "netts_network": FORMAT,
        "dtype": None if dtype is None else dtype.name,
        "layers": readable(content["layers"], {**registry(), **own}),
    }
    return _text(said) + "\n"


def from_json(text: str | bytes, custom: Iterable[Any] = ()) -> tuple[tuple[Any, ...], Any]:
    """Return the layers and the dtype that a text says, as `Network.from_json` says."""
    if not isinstance(text, str | bytes):
        raise ParameterError(f"an architecture is the text of network.to_json(), got {text!r}")
    said = parse(text, "the architecture")
    if not isinstance(said, dict) or not isinstance(said.get("layers"), list):
        raise BrokenModelError(
            'the architecture is an object with "netts_network", "dtype" and "layers", got '
            + shown(said)
        )
    _check_format(said.pop("netts_network", None))
    layers, dtype = said.pop("layers"), said.pop("dtype", None)
    if said:
        raise BrokenModelError(f"the architecture has {shown(next(iter(said)))}: it means nothing")
    if dtype is not None and dtype not in ("float32", "float64"):
        raise BrokenModelError(f"dtype is null, float32 or float64, got {shown(dtype)}")
    return _layers(from_readable(layers), custom, BrokenModelError), dtype


def _check_format(number: Any) -> None:
    if type(number) is not int or number < 1:
        raise BrokenModelError(f"netts_network is the number of a format, {FORMAT}, got {number!r}")
    if number > FORMAT:
        raise NewerModelError(
            f"the architecture has format {number}, this netts reads {FORMAT}: install a newer one"
        )


def _layers(
    content: Any, custom: Iterable[Any], error: type[BrokenModelError | UnsavableError]
) -> tuple[Any, ...]:
    try:
        file = ModelFile("network", {"layers": content}, {}, {})
        return decode_model(file, dict[str, tuple[Any, ...]], registry(), custom)["layers"]
    except BrokenModelError as problem:
        raise error(f"the architecture cannot be read: {problem}") from problem


def _text(value: Any, indent: int = 0, taken: int = 0) -> str:
    """Return a value as JSON: in one line where it fits, else an item a line.

    Parameters
    ----------
    value
    indent
        Of the line that it begins in.
    taken
        How much of that line is taken, indent included.
    """
    line = json.dumps(value, allow_nan=False)
    if taken + len(line) < WIDTH or not value or not isinstance(value, list | dict):
        return line
    inner = indent + 2
    if isinstance(value, list):
        items = [_text(one, inner, inner) for one in value]
    else:
        keys = [f"{json.dumps(key)}: " for key in value]
        items = [
            key + _text(one, inner, inner + len(key))
            for key, one in zip(keys, value.values(), strict=True)
        ]
    start, end = "[]" if isinstance(value, list) else "{}"
    body = ",\n".join(" " * inner + item for item in items)
    return f"{start}\n{body}\n{' ' * indent}{end}"
