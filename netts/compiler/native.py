"""Machine code of generated functions: compiled by numba once, then loaded from the cache.

What is kept is the object code alone. Loading it takes less than a millisecond and nothing of
numba, which is not even imported where everything is in the cache; and a read-only cache directory
can serve it, which numba's own `cache=True` cannot.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite.binding as llvm

from netts.compiler import cache as code_cache
from netts.compiler import loading

FASTMATH = frozenset({"reassoc", "nsz", "contract"})
"""Sums may be reordered and fused, so reductions vectorise; NaN and infinity keep their meaning.
Not "arcp": x / y as x * (1 / y) is inexact where the quotient of small integers is exact."""


@dataclass(frozen=True)
class Native:
    """A loaded function.

    Attributes
    ----------
    was_cached
        Whether it came from the cache.
    seconds
        How long compiling or loading it took.
    """

    address: int
    was_cached: bool
    seconds: float


_loaded: dict[str, Native] = {}
_lock = threading.RLock()  # a signal handler may fork

if hasattr(os, "register_at_fork"):  # a child forked while a thread compiles would wait for ever
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def load(text: str, build: Callable[[], Callable[..., Any]], signature: str) -> Native:
    """Return the machine code of a function, from memory, from the cache, or compiled now.

    Parameters
    ----------
    text
        Everything that decides what the function computes, apart from netts's own sources.
    build
        Makes the Python function to compile; called only where it has to be compiled.
    signature
        Its numba signature, as numba writes it.
    """
    key = hashlib.sha256(f"{fingerprint()}\n{signature}\n{text}".encode()).hexdigest()
    with _lock:
        if key not in _loaded:
            _loaded[key] = _from_cache(key) or _compiled(key, build, signature)
        return _loaded[key]


@cache
def fingerprint() -> str:
    """Return what machine code depends on besides the generated text."""
    here = Path(__file__).parent
    sources = b"".join((here / name).read_bytes() for name in _RUNTIME_SOURCES)
    parts = (
        hashlib.sha256(sources).hexdigest(),
        *(f"{name} {importlib.metadata.version(name)}" for name in ("numba", "llvmlite")),
        f"Python {platform.python_version()}",
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        str(sorted(FASTMATH)),
    )
    return "\n".join(parts)


_RUNTIME_SOURCES = (
    "compiling.py",
    "masking.py",
    "runtime.py",
    "blas.py",
    "pool.py",
    "parts.py",
    "walking.py",
    "vector_math.py",
    "bits.py",
    "native.py",
)
"""The modules that compile generated code, and those whose functions are linked into it."""


def _compiled(key: str, build: Callable[[], Callable[..., Any]], signature: str) -> Native:
    start = time.perf_counter()
    symbol = f"netts_{key}"
    with interrupts_deferred():
        made = _compiler().compiled(build(), signature, symbol, FASTMATH)
    header = {"symbol": symbol, "externals": made.externals}
    code_cache.write(key, json.dumps(header).encode() + b"\n" + made.code)
    return Native(loading.load(made.code, symbol), False, time.perf_counter() - start)


def _compiler() -> ModuleType:
    """Import the module that imports numba, half a second that only compiling is worth."""
    return importlib.import_module("netts.compiler.compiling")


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block, a compilation of a tenth of a second.

    An interrupt in the midst of it could leave half of numba imported, or tables of its compiler
    half filled, and the next compilation with an error that means nothing.
    """
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    if not is_main or not callable(handler):
        yield
        return
    seen: list[tuple[int, Any]] = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if seen:
        handler(*seen[0])


def _from_cache(key: str) -> Native | None:
    content = code_cache.read(key)
    if content is None:
        return None
    start = time.perf_counter()
    line, _, code = content.partition(b"\n")
    header = json.loads(line)
    if loading.missing(header["externals"]):
        _compiler().define_symbols()
        if loading.missing(header["externals"]):
            return None
    address = loading.load(code, header["symbol"])
    return Native(address, True, time.perf_counter() - start)
