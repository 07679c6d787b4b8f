"""From generated text to what a driver loads; needs CUDA's packages, but no GPU.

numba-cuda turns text into PTX and no more, nvJitLink makes machine code of it: not the driver,
which may be older than the PTX.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import linecache
import math
import re
import threading
from dataclasses import dataclass, field
from typing import Any

from netts.devices.cuda import packages

_ENTRY = re.compile(r"\.visible \.entry (\w+)\(")
_lock = threading.RLock()


@dataclass(frozen=True)
class KernelCode:
    """A kernel as generated: the text of a function `entry`, and the types of its parameters.

    Attributes
    ----------
    types
        "*float32" is a pointer to float32; "int32", "int64", "float32", "float64" and "bool".
    """

    text: str
    types: tuple[str, ...]


@dataclass(frozen=True)
class KernelImage:
    """A kernel compiled for a compute capability: what a driver loads.

    Attributes
    ----------
    name
        Of the kernel in its cubin.
    types
        Of its parameters, as in `KernelCode`.
    """

    name: str
    types: tuple[str, ...]
    cubin: bytes = field(repr=False)


def compile_ptx(code: KernelCode, capability: tuple[int, int]) -> str:
    """Return the PTX of a kernel."""
    cuda, numba = packages.numba_cuda(), importlib.import_module("numba")
    signature = tuple(_numba_type(numba.types, name) for name in code.types)
    with _lock:
        ptx, _ = cuda.compile(
            python_function(code.text, device_names(cuda, numba)), signature,
            device=False, abi="numba", cc=capability, output="ptx",
        )  # fmt: skip
    return str(ptx)


def python_function(text: str, names: dict[str, Any]) -> Any:
    """Return the function `entry` of generated text, which sees the names it is given."""
    file = f"<netts cuda {hashlib.sha256(text.encode()).hexdigest()[:12]}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    namespace = {"__name__": "netts_generated", **names}
    exec(compile(text, file, "exec"), namespace)
    return namespace["entry"]


def device_names(cuda: Any, numba: Any) -> dict[str, Any]:
    """Return the names that generated text uses."""
    types = ("bool_", "uint8", "int32", "int64", "uint32", "uint64", "float32", "float64")
    return {
        "cuda": cuda,
        "math": math,
        # Inlined before types are inferred: compiled by itself, it would ask for a current device.
        "device": functools.partial(cuda.jit, device=True, inline="always"),
        **{name: getattr(numba, name) for name in types},
    }


def _numba_type(types: Any, name: str) -> Any:
    if name.startswith("*"):
        return types.CPointer(getattr(types, name[1:]))
    return types.boolean if name == "bool" else getattr(types, name)


def compile_kernel(code: KernelCode, capability: tuple[int, int]) -> KernelImage:
    """Return the machine code of a kernel."""
    core, ptx = packages.core(), compile_ptx(code, capability)
    found = _ENTRY.search(ptx)
    assert found is not None
    options = core.LinkerOptions(arch=f"sm_{capability[0]}{capability[1]}")
    with _lock:
        linked = core.Linker(core.ObjectCode.from_ptx(ptx.encode()), options=options).link("cubin")
    return KernelImage(found[1], code.types, bytes(linked.code))


@functools.cache
def fingerprint(capability: tuple[int, int]) -> str:
    """Return what machine code depends on besides its text: versions and the kind of GPU."""
    version_of = importlib.import_module("importlib.metadata").version
    names = ("numba", "numba-cuda", "cuda-core", "cuda-bindings")
    versions = [f"{name} {version_of(name)}" for name in names]
    linker = packages.nvjitlink().version()
    return "\n".join([*versions, f"nvjitlink {linker}", f"sm {capability}"])
