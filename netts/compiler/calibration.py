"""Which cost constants hold in this process: the defaults, or what was measured for this machine.

Constants decide between ways to compute that round differently, so they have to be the same in
every run. They are therefore measured only when asked for (`measuring.calibrate`), once for each
machine, and kept in a file of the cache directory. A process looks for it when it first compiles
and stays with what it found. Where the file is missing, broken or for another machine, the defaults
hold; what cannot be kept is not used either, since the next process would measure something else.

The file has a name made of all that a measurement depends on, so versions and machines that share a
directory do not meet. It holds a line with a format, a line with a digest of what follows, and
JSON. It is written whole, beside its place, and linked there: of several processes that calibrate
at once the first one wins, and all of them go on with its constants.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import scipy

from netts.compiler import engine, native
from netts.compiler.cache import cache_directory
from netts.compiler.cost_constants import DEFAULTS, CostConstants, is_sane, settled
from netts.errors import ParameterError

VARIABLE = "NETTS_COSTS"
"""Set to "defaults", whatever was measured is left alone."""

_SUFFIX = ".netts-costs"
_UNFINISHED = ".netts-unfinished"
_FORMAT = b"netts-costs 1\n"

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


def directory() -> Path:
    """Return where constants are kept: apart from code, which is dropped when it gets too much."""
    return cache_directory() / "costs"


def recorded() -> CostConstants | None:
    """Return what was measured for this machine; None where there is nothing that is whole."""
    if not directory().is_dir():  # as mostly; the name of the file takes milliseconds
        return None
    try:
        content = _path().read_bytes()
    except OSError:
        return None
    header, _, body = content.partition(b"\n{")
    body = b"{" + body
    return _read(body) if header == _header(body) else None


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
    body = json.dumps(
        {
            "machine": machine(),
            "measured": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "costs": settled(measured, "").numbers(),
        },
        indent=1,
    ).encode()
    directory().mkdir(parents=True, exist_ok=True)
    temporary = directory() / f"{uuid.uuid4().hex}{_UNFINISHED}"
    try:
        temporary.write_bytes(_header(body) + b"\n" + body)
        if anew or not _is_linked(temporary, _path()):
            temporary.replace(_path())
    finally:
        temporary.unlink(missing_ok=True)
    kept = recorded()
    if kept is None:
        raise OSError(f"{_path()} does not hold what was written")
    return kept


def _is_linked(temporary: Path, path: Path) -> bool:
    """Give a file its name, unless another has it that is whole; False where neither is so."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return recorded() is not None
    except OSError:  # a file system without links
        return recorded() is not None
    return True


def forget() -> int:
    """Delete what was measured, for every machine, and return for how many that was."""
    deleted = 0
    for path in _files():
        with contextlib.suppress(OSError):
            path.unlink()
            deleted += path.suffix == _SUFFIX
    with contextlib.suppress(OSError):
        directory().rmdir()
    return deleted


def count_recorded() -> int:
    """Return for how many machines constants are kept."""
    return sum(path.suffix == _SUFFIX for path in _files())


def machine() -> str:
    """Return what was measured, in words."""
    return f"{llvm.get_host_cpu_name()}, {os.cpu_count()} cores"


def _read(body: bytes) -> CostConstants | None:
    """Return the constants in the JSON of a file, None where they are not such as are written."""
    try:
        content = json.loads(body)
        origin = f"calibrated on {content['measured']} for {content['machine']}"
        found = CostConstants(**content["costs"], origin=origin)
        return found if is_sane(found) else None
    except (ValueError, TypeError, KeyError):
        return None


def _header(body: bytes) -> bytes:
    return _FORMAT + hashlib.sha256(body).hexdigest().encode()


def _files() -> list[Path]:
    """Return every file of ours, those that a killed process left unfinished included."""
    try:
        return [one for one in directory().iterdir() if one.suffix in (_SUFFIX, _UNFINISHED)]
    except OSError:
        return []


def _path() -> Path:
    return directory() / f"{_key()}{_SUFFIX}"


@cache
def _key() -> str:
    """Return a name for all that a measurement depends on.

    Not for how many threads may run, by affinity or setting: the bits of a result must not depend
    on that.
    """
    here = Path(__file__).parent
    sources = b"".join((here / name).read_bytes() for name in _SOURCES)
    parts = (
        native.fingerprint(),
        hashlib.sha256(sources).hexdigest(),
        f"numpy {np.__version__}",
        f"scipy {scipy.__version__}",
        engine.describe_blas(),
        f"{os.cpu_count()} cores",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


_SOURCES = ("cost.py", "cost_constants.py", "measuring.py")
"""The modules that say what is measured, and what for."""
