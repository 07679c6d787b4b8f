"""Machine code of generated functions: compiled by numba once, then loaded from the cache.

What is kept is the object code alone. Loading it takes about a millisecond and neither type
inference nor numba's lowering registries, and a read-only cache directory can serve it, which
numba's own `cache=True` cannot.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
from numba import cfunc
from numba.core.registry import cpu_target

from netts.compiler import cache as code_cache

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
    library
        What keeps it loaded.
    """

    address: int
    was_cached: bool
    seconds: float
    library: Any = field(repr=False)


_loaded: dict[str, Native] = {}
_lock = threading.RLock()  # a signal handler may fork

if hasattr(os, "register_at_fork"):  # a child forked while a thread compiles would wait for ever
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def load(text: str, build: Callable[[], Callable[..., Any]], signature: Any) -> Native:
    """Return the machine code of a function, from memory, from the cache, or compiled now.

    Parameters
    ----------
    text
        Everything that decides what the function computes, apart from netts's own sources.
    build
        Makes the Python function to compile; called only where it has to be compiled.
    signature
        Its numba signature.
    """
    key = hashlib.sha256(f"{fingerprint()}\n{signature}\n{text}".encode()).hexdigest()
    with _lock:
        if key not in _loaded:
            _loaded[key] = _from_cache(key) or _compiled(key, build(), signature)
        return _loaded[key]


@cache
def fingerprint() -> str:
    """Return what machine code depends on besides the generated text."""
    here = Path(__file__).parent
    sources = b"".join((here / name).read_bytes() for name in _RUNTIME_SOURCES)
    parts = (
        hashlib.sha256(sources).hexdigest(),
        f"numba {numba.__version__}",
        f"llvmlite {llvmlite.__version__}",
        f"Python {platform.python_version()}",
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        str(sorted(FASTMATH)),
    )
    return "\n".join(parts)


_RUNTIME_SOURCES = (
    "runtime.py",
    "parts.py",
    "walking.py",
    "vector_math.py",
    "bits.py",
    "native.py",
)
"""The modules whose functions are linked into generated code."""


def _compiled(key: str, function: Callable[..., Any], signature: Any) -> Native:
    start = time.perf_counter()
    # Nothing here allocates. Without `_nrt=False` numba refers to its allocator all the same, whose
    # symbols a process that only loads code does not have: LLVM would end it.
    with interrupts_deferred():
        compiled = cfunc(
            signature, nopython=True, _nrt=False, error_model="numpy", fastmath=set(FASTMATH)
        )(function)
        name, kind, (code, bitcode) = compiled._library.serialize_using_object_code()
    header = {
        "name": name,
        "kind": kind,
        "symbol": compiled._wrapper_name,
        "code_bytes": len(code),
    }
    code_cache.write(key, json.dumps(header).encode() + b"\n" + code + bitcode)
    return Native(compiled.address, False, time.perf_counter() - start, compiled)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block, a compilation of some tenths of a second.

    LLVM hands over object code in a callback, where Python drops exceptions: an interrupt there
    would leave numba without the code, and a caller with an error that means nothing.
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
    line, _, body = content.partition(b"\n")
    header = json.loads(line)
    code, bitcode = body[: header["code_bytes"]], body[header["code_bytes"] :]
    codegen = cpu_target.target_context.codegen()
    library = codegen.unserialize_library((header["name"], header["kind"], (code, bitcode)))
    address = library.get_pointer_to_function(header["symbol"])
    return Native(address, True, time.perf_counter() - start, library)
