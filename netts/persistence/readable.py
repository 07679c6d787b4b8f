"""JSON for people: what `encode` gives without arrays, short enough to read and to write by hand.

An object is a dictionary with its class under "class", fields at their defaults left out; a list is
a tuple. All other forms stay as `netts.persistence.forms` has them, so each way is the other's
inverse: a list that is a list is marked, and so is a dictionary with a "class" of its own.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from netts.errors import BrokenModelError
from netts.persistence.encoding import encode
from netts.persistence.forms import MARK, MAX_DEPTH, Registry
from netts.persistence.places import Place

CLASS = "class"

_LIST = "list"


def readable(content: Any, registry: Registry) -> Any:
    """Return what `encode` gave, as people read it.

    Parameters
    ----------
    content
        JSON values.
    registry : mapping of str to class or function
        Every class that `content` names, for its defaults.
    """
    if isinstance(content, list):
        return {MARK: _LIST, "items": [readable(one, registry) for one in content]}
    if not isinstance(content, dict):
        return content
    if content.get(MARK) == "tuple":
        return [readable(one, registry) for one in content["items"]]
    if content.get(MARK) == "object":
        fields = _without_defaults(registry[content[CLASS]], content["fields"], registry)
        return {CLASS: content[CLASS], **_each(fields, registry)}
    if content.get(MARK) == "dict":
        return {MARK: "dict", "items": _each(content["items"], registry)}
    if MARK in content:
        return content
    items = _each(content, registry)
    return {MARK: "dict", "items": items} if CLASS in items else items


def _each(items: dict[str, Any], registry: Registry) -> dict[str, Any]:
    return {key: readable(one, registry) for key, one in items.items()}


def _without_defaults(kind: Any, fields: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """Return the fields of an object that say more than its class."""
    defaults = {
        one.name: encode(one.default, registry, is_open=True).content
        for one in dataclasses.fields(kind)
        if one.default is not dataclasses.MISSING
    }
    return {
        name: one for name, one in fields.items() if name not in defaults or one != defaults[name]
    }


def from_readable(content: Any, at: Place | None = None) -> Any:
    """Return what `readable` was given, for `decode`; what it says is not checked here.

    Raises
    ------
    BrokenModelError
        Where it is nested deeper than any value of a model.
    """
    at = at or Place()
    if at.depth > MAX_DEPTH:
        raise BrokenModelError(f"{at} lies more than {MAX_DEPTH} values deep")
    if isinstance(content, list):
        items = [from_readable(one, at.below(k)) for k, one in enumerate(content)]
        return {MARK: "tuple", "items": items}
    if not isinstance(content, dict):
        return content
    if content.get(MARK) == _LIST and isinstance(content.get("items"), list):
        return [from_readable(one, at.below(k)) for k, one in enumerate(content["items"])]
    if content.get(MARK) == "dict" and isinstance(content.get("items"), dict):
        return {MARK: "dict", "items": _back(content["items"], at)}
    if MARK in content:
        return content
    if CLASS not in content:
        return _back(content, at)
    fields = {key: one for key, one in content.items() if key != CLASS}
    return {MARK: "object", CLASS: content[CLASS], "fields": _back(fields, at)}


def _back(items: dict[str, Any], at: Place) -> dict[str, Any]:
    return {key: from_readable(one, at.below(key)) for key, one in items.items()}
