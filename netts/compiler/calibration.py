"""Which cost constants hold in this process: the defaults, or what was measured for this machine.

Constants decide between ways to compute that round differently, so they have to be the same in
every run. They are therefore measured only when asked for (`measuring.calibrate`), once for each
machine, and kept in a file of the cache directory. A process looks for it when it first compiles
and stays with what it found. Where the file is missing, broken or for another machine, the defaults
hold; what cannot be kept is not used either, since the next process would measure something else.

`records` says what the file is like. What a GPU costs is kept beside it (`cuda.gpu_calibration`).
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numpy as np
import scipy

from netts.compiler import native, records
from netts.compiler.blas_library import blas_library
from netts.compiler.cost_constants import DEFAULTS, CostConstants
from netts.compiler.measured import Measured
from netts.errors import ParameterError

VARIABLE = "NETTS_COSTS"
"""Set to "defaults", whatever was measured is left alone."""

Constants = TypeVar("Constants", bound=Measured)

_process: dict[str, CostConstants] = {}
_chosen: ContextVar[CostConstants | None] = ContextVar("netts_costs", default=None)


def current() -> CostConstants:
    """Return the constants that kernels are compiled by: of `using`, else of this process."""
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    return _process.get("costs") or _process.setdefault("costs", _find())


@contextlib.contextmanager
def using(constants: CostConstants) -> Iterator[CostConstants]:
    """Compile by other constants in this context: in experiments and tests."""
    token = _chosen.set(constants)
    try:
        yield constants
    finally:
        _chosen.reset(token)


def adopt(constants: CostConstants) -> None:
    """Compile by other constants in this process from now on."""
    _process["costs"] = constants


def _find() -> CostConstants:
    return DEFAULTS if is_off() else recorded() or DEFAULTS


def is_off() -> bool:
    """Whether the environment asks for the defaults.

    Raises
    ------
    ParameterError
        Where it asks for something else.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", "defaults"):
        raise ParameterError(f"{VARIABLE} is 'defaults' or not set, got {asked!r}")
    return bool(asked)


# ---------------------------------------------------------------- the file


def recorded() -> CostConstants | None:
    """Return what was measured for this machine; None where there is nothing that is whole."""
    if not records.directory().is_dir():  # as mostly; the name of the file takes milliseconds
        return None
    return records.read(_key(), _parse)


def record(measured: Mapping[str, float], *, anew: bool) -> CostConstants:
    """Keep what was measured, and return what is kept.

    Parameters
    ----------
    anew
        Whether to replace what another process, or an earlier one, has kept.

    Raises
    ------
    OSError
        Where the directory refuses it.
    """
    numbers = CostConstants.settled(measured, "").numbers()
    return records.write(_key(), dated(machine(), numbers), _parse, anew=anew)


def dated(machine: str, numbers: Mapping[str, float]) -> dict[str, Any]:
    """Return the content of a file: what was measured, and when."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"machine": machine, "measured": today, "costs": dict(numbers)}


def parsed(kind: type[Constants], content: Any) -> Constants:
    """Return the constants in the content of a file.

    Raises
    ------
    ValueError, TypeError, KeyError
        Where they are not such as are written.
    """
    origin = f"calibrated on {content['measured']} for {content['machine']}"
    found = kind(**content["costs"], origin=origin)
    if not found.is_sane:
        raise ValueError(f"{found.numbers()} are not measured on any machine")
    return found


def _parse(content: Any) -> CostConstants:
    return parsed(CostConstants, content)


def machine() -> str:
    """Return what was measured, in words."""
    return f"{llvm.get_host_cpu_name()}, {os.cpu_count()} cores"


@cache
def _key() -> str:
    """Return a name for all that a measurement depends on.

    Not for how many threads may run, by affinity or setting: the bits of a result must not depend
    on that.
    """
    parts = (
        native.fingerprint(),
        fingerprint_of_sources("cost.py", "cost_constants.py", "measured.py", "measuring.py"),
        f"numpy {np.__version__}",
        f"scipy {scipy.__version__}",
        blas_library().description,
        f"{os.cpu_count()} cores",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def fingerprint_of_sources(*names: str) -> str:
    """Return a digest of modules of this folder that say what is measured, and what for."""
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / name).read_bytes() for name in names)).hexdigest()
