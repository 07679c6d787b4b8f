"""Which BLAS generated code calls: one that is loaded anyway, the same one in every process.

That of NumPy where NumPy's package brings its own, as its wheels do: products then take as long as
NumPy's, where SciPy's took up to 17 % longer (bench/results/blas-libraries-2026-11-23.md). Where
NumPy shares a library with other packages, or uses one of the system (conda, Linux distributions,
MKL, Accelerate), it is what SciPy calls, by the addresses that SciPy gives away.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import threadpoolctl

ROUTINES = ("sgemm", "dgemm")

_NAMES_IN_NUMPY = ("scipy_{}_64_", "scipy_{}_")
"""What the packages scipy-openblas64 and scipy-openblas32, which NumPy's wheels are built with,
call their routines."""


@dataclass(frozen=True)
class BlasLibrary:
    """A BLAS that is loaded.

    Attributes
    ----------
    owner
        The package that is asked for it.
    addresses
        Of `ROUTINES`, with Fortran's arguments. Integers have 32 or 64 bits: `netts.compiler.blas`
        writes them so that either reads them.
    controllers
        threadpoolctl's, of the threads that it may use: none where it cannot be asked.
    """

    owner: str
    addresses: Mapping[str, int]
    controllers: tuple[Any, ...]

    @property
    def description(self) -> str:
        """Whose it is, its kind, its version, and the processors that it was built for."""
        known = ("internal_api", "version", "architecture")
        every = [one.info() for one in self.controllers]
        return ", ".join(
            [
                f"{self.owner}'s",
                *(" ".join(str(one[name]) for name in known if one.get(name)) for one in every),
            ]
        )


@cache
def blas_library() -> BlasLibrary:
    """Return the BLAS to call."""
    return _numpys_own(_loaded()) or as_scipy_calls_it()


def _numpys_own(libraries: Sequence[Any]) -> BlasLibrary | None:
    """Return the BLAS that NumPy's package brings, None where it is none that can be called."""
    if sys.byteorder != "little":
        return None  # integers are written with 32 bits there, and these may have 64
    for one in _brought_by(np, libraries):
        for name in _NAMES_IN_NUMPY:
            addresses = {routine: _address(one, name.format(routine)) for routine in ROUTINES}
            if all(addresses.values()):
                return BlasLibrary("NumPy", addresses, (one,))
    return None


def as_scipy_calls_it() -> BlasLibrary:
    """Return the BLAS of SciPy, its own or the one that all packages share.

    `scipy.linalg`, a fifth of a second, is imported where it is called, and not before.
    """
    given = importlib.import_module("scipy.linalg.cython_blas").__pyx_capi__
    libraries = _loaded()
    own = _brought_by(importlib.import_module("scipy"), libraries)
    addresses = {routine: _capsule_address(given[routine]) for routine in ROUTINES}
    return BlasLibrary("SciPy", addresses, tuple(own or libraries))


def _loaded() -> list[Any]:
    """Return the controllers of every BLAS in this process."""
    every = threadpoolctl.ThreadpoolController().lib_controllers
    return [one for one in every if one.user_api == "blas"]


def _brought_by(package: ModuleType, libraries: Sequence[Any]) -> list[Any]:
    """Return those that a package's wheel has put inside of it, or into `package.libs` beside."""
    assert package.__file__ is not None
    inside = Path(package.__file__).resolve().parent
    folders = {inside, inside.with_name(f"{inside.name}.libs")}
    return [one for one in libraries if folders & set(Path(one.filepath).resolve().parents)]


def _address(library: Any, symbol: str) -> int:
    """Return the address of a symbol, 0 where a library has none of that name."""
    function = getattr(library.dynlib, symbol, None)
    return ctypes.cast(function, ctypes.c_void_p).value or 0 if function else 0


def _capsule_address(capsule: object) -> int:
    return int(_capsule_pointer(capsule, _capsule_name(capsule)))


_capsule_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
    ("PyCapsule_GetName", ctypes.pythonapi)
)
_capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
