"""JSON without its loose ends: no key twice, no NaN, no bottomless nesting."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

from netts.errors import BrokenModelError

MAX_DIGITS = 300
"""Of a whole number, so that it fits a float: there they end at 1.8e308."""


def parse(text: str | bytes, what: str) -> Any:
    """Return the value of a JSON text.

    Parameters
    ----------
    text : str or bytes
        Bytes are UTF-8.
    what : str
        The beginning of the message: "has a header that".

    Raises
    ------
    BrokenModelError
        Where it is not JSON, or not as RFC 8259 would have it.
    """
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
        )
    except RecursionError:
        raise BrokenModelError(f"{what} is nested too deep") from None
    except ValueError as error:  # of the text, of UTF-8, or one from below
        raise BrokenModelError(f"{what} is not JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        name, count = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{name!r} is there {count} times")
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"it has a whole number of {len(digits)} digits, of at most {MAX_DIGITS}")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
