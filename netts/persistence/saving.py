"""Save a model: describe, try the description, and replace the file."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any

from netts import __version__
from netts.errors import BrokenModelError, UnsavableError
from netts.persistence.container import ModelFile, to_bytes
from netts.persistence.decoding import decode
from netts.persistence.encoding import encode
from netts.persistence.files import replace_file
from netts.persistence.forms import Registry

PACKAGES = ("numpy", "numba", "scikit-learn")
"""Whose versions stand in a model file."""


def save_model(
    path: str | os.PathLike[str],
    kind: str,
    value: Any,
    registry: Registry,
    *,
    is_open: bool = False,
) -> None:
    """Write a model file, in place of the one that may be there.

    Parameters
    ----------
    path : str or path
    kind : str
        One of `netts.persistence.loading.LOADERS`.
    value : dataclass
        What describes the model.
    registry : mapping of str to class or function
        What `value` may hold.
    is_open : bool
        Whether it may hold classes and functions besides, which `netts.load` must then be given.

    Raises
    ------
    UnsavableError
        Where the model holds what a file cannot, or what could not be loaded again.
    ModelFileError
        Where the file cannot be written; what was there is untouched.
    """
    content, arrays, own = encode(value, registry, is_open=is_open)
    try:
        decode(content, arrays, {**registry, **own}, type(value))
    except BrokenModelError as error:
        raise UnsavableError(f"the model could not be loaded again: {error}") from error
    replace_file(path, to_bytes(ModelFile(kind, content, arrays, versions())))


def versions() -> dict[str, str]:
    """Return the versions of netts, Python and what netts computes with, where installed."""
    found = {"netts": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
