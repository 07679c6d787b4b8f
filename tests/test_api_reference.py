"""docs/api describes every public name of netts."""

from __future__ import annotations

import importlib
import re
import types
from pathlib import Path
from typing import Any

import netts

PAGES = Path(__file__).parents[1] / "docs" / "api"

API_MODULES = ("netts", *(f"netts.{name}" for name in netts._MODULES))
API_MODULES += ("netts.compiler", "netts.devices", "netts.graph")  # what names of netts give


def public_names() -> dict[str, Any]:
    """Return every public name of netts with what it stands for."""
    found: dict[str, Any] = {}
    for part in API_MODULES:
        module = importlib.import_module(part)
        kinds = type if part == "netts.errors" else (type, types.FunctionType)
        own = [n for n, one in vars(module).items() if getattr(one, "__module__", "") == part]
        own = [name for name in own if isinstance(getattr(module, name), kinds) and name[0] != "_"]
        names = getattr(module, "__all__", own)
        found |= {f"{part}.{name}": getattr(module, name) for name in names if name[0] != "_"}
    return found


def documented() -> dict[str, Any]:
    """Return every name that the API reference describes with what it stands for."""
    found: dict[str, Any] = {}
    for page in PAGES.glob("*.rst"):
        part = ""
        for kind, name in re.findall(r"^\.\. (\w+):: (\S+)$", page.read_text(), re.MULTILINE):
            if kind == "currentmodule":
                part = name
            elif kind.startswith("auto"):
                found[f"{part}.{name}"] = getattr(importlib.import_module(part), name)
    return found


def test_every_public_name_is_in_the_api_reference():
    described = list(documented().values())
    missing = [
        name for name, one in public_names().items() if not any(one is other for other in described)
    ]
    assert missing == []


def test_the_tables_of_the_api_reference_list_what_follows_them():
    for page in PAGES.glob("*.rst"):
        text = page.read_text()
        for table, rest in re.findall(
            r"autosummary::\n   :nosignatures:\n\n((?:   \w+\n)+)(.*?)(?=\n-+\n|\Z)",
            text,
            re.DOTALL,
        ):
            assert table.split() == re.findall(r"^\.\. auto\w+:: (\w+)$", rest, re.MULTILINE), page
