"""How much of a suite runs: all of it, or a smoke test that shows that it works.

A smoke test has the smallest sizes, one round, and netts beside one peer that netts itself needs.
Its times mean nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TypeVar

VARIABLE = "NETTS_BENCH"
SMOKE = "smoke"

PACKAGES = {"PyTorch": "torch", "JAX": "jax", "scikit-learn": "sklearn"}
"""What a library's name begins with, and what has to be installed for it."""

Value = TypeVar("Value")


def is_smoke() -> bool:
    """Return whether a smoke test was asked for."""
    return os.environ.get(VARIABLE) == SMOKE


def sized(full: Value, smoke: Value) -> Value:
    """Return one of two: of a measurement, or of a smoke test."""
    return smoke if is_smoke() else full


def installed(libraries: Iterable[str]) -> list[str]:
    """Return the libraries that can be measured here; of a smoke test those that netts needs."""
    return [one for one in libraries if _is_installed(one)]


def _is_installed(library: str) -> bool:
    package = next((PACKAGES[name] for name in PACKAGES if library.startswith(name)), None)
    if is_smoke():
        return package in (None, "sklearn")
    return package is None or find_spec(package) is not None
