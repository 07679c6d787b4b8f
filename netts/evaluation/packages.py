"""The packages of the extra `report`, imported when a page is made and nowhere else."""

from __future__ import annotations

import importlib
from typing import Any

from netts.errors import MissingPackageError

NEEDED = ("jinja2", "matplotlib")


def imported(name: str) -> Any:
    """Return a module of the extra `report`.

    Raises
    ------
    MissingPackageError
        Where it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f"an HTML report needs {' and '.join(NEEDED)}, and there is no {error.name or name}: "
            "pip install 'netts-engine[report]'"
        ) from error


def check_packages() -> None:
    """Raise unless a page can be made: before the time for what it is about is spent.

    Raises
    ------
    MissingPackageError
    """
    for name in NEEDED:
        imported(name)
