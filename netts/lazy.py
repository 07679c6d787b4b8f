"""Names that a package loads when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, Iterable[str]], modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package, whose `__all__` is what it shows.

    Parameters
    ----------
    package : str
        Its `__name__`.
    homes : mapping of str to iterable of str
        The names that each module defines, by the module's name.
    modules : iterable of str
        Modules of the package that are names of it themselves.

    Examples
    --------
    >>> get, show = lazy_names("netts", {"netts.layers.conv": ("Conv2D",)}, modules=("errors",))
    >>> get("Conv2D").__module__, get("errors").__name__
    ('netts.layers.conv', 'netts.errors')
    """
    home_of = {name: module for module, names in homes.items() for name in names}
    public_modules = frozenset(modules)

    def load(name: str) -> Any:
        if name in public_modules:
            return importlib.import_module(f"{package}.{name}")
        if name not in home_of:
            # With name and obj, Python adds which name may have been meant.
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package]
            )
        value = getattr(importlib.import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def shown() -> list[str]:
        return sorted({*sys.modules[package].__all__, *public_modules})

    return load, shown
