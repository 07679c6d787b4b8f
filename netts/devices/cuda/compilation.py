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
from netts.errors import DeviceError

_ENTRY = re.compile(r"\.visible \.entry (\w+)\(")
_TOO_MUCH_SHARED = re.compile(r"too much shared data \(0x(\w+) bytes, 0x(\w+) max\)")
_UNKNOWN_GPU = re.compile(r"compute capability|_ARCH\b|Unsupported \.version|is not defined for")
_lock = threading.RLock()


@dataclass(frozen=True)
class KernelCode:
    """A kernel as generated: the text of a function `entry`, and the types of its parameters.

    Attributes
    ----------
    types
        "*float32" is a pointer to float32; "int32", "int64", "float32", "float64" and "bool".
    title
        What it is called in messages.
    """

    text: str
    types: tuple[str, ...]
    title: str = "entry"


@dataclass(frozen=True)
class KernelImage:
    """A kernel compiled for a compute capability: what a driver loads.

    Attributes
    ----------
    name
        Of the kernel in its cubin.
    types
        Of its parameters, as in `KernelCode`.
    title
        What it is called in messages.
    """

    name: str
    types: tuple[str, ...]
    cubin: bytes = field(repr=False)
    title: str = "entry"


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


def compile_kernel(
    code: KernelCode, capability: tuple[int, int], max_registers: int | None = None
) -> KernelImage:
    """Return the machine code of a kernel.

    Parameters
    ----------
    max_registers
        How many registers a thread may have, what it needs besides lies in memory; by default as
        many as there are.

    Raises
    ------
    DeviceError
        Where the packages know no such GPU, or a block would need more shared memory than it has.
    """
    try:
        return _compiled(code, capability, max_registers)
    except packages.compiler_error_classes() as error:
        raise DeviceError(_refusal(code, capability, str(error).strip())) from error


def _compiled(
    code: KernelCode, capability: tuple[int, int], max_registers: int | None
) -> KernelImage:
    core, ptx = packages.core(), compile_ptx(code, capability)
    found = _ENTRY.search(ptx)
    assert found is not None
    options = core.LinkerOptions(
        arch=f"sm_{capability[0]}{capability[1]}", max_register_count=max_registers
    )
    with _lock:
        linked = core.Linker(core.ObjectCode.from_ptx(ptx.encode()), options=options).link("cubin")
    return KernelImage(found[1], code.types, bytes(linked.code), code.title)


def _refusal(code: KernelCode, capability: tuple[int, int], text: str) -> str:
    """Return what to do where a kernel cannot be compiled."""
    what = f"kernel {code.title!r} cannot be compiled for compute capability "
    what += f"{capability[0]}.{capability[1]} by {packages.versions()}"
    shared = _TOO_MUCH_SHARED.search(text)
    if shared:
        asked, most = (int(one, 16) for one in shared.groups())
        return (
            f"{what}: a block needs {asked:,} bytes of shared memory and has {most:,}. It takes so "
            "much for the sums that its threads share: write it as several kernels of fewer sums"
        )
    if _UNKNOWN_GPU.search(text):
        return (
            f"{what}: they do not know such a GPU ({text}). A newer one needs newer packages, one "
            "that is too old for the extra 'cuda13' may do with 'cuda12'"
        )
    return f"{what}: {text}"


@functools.cache
def fingerprint(capability: tuple[int, int]) -> str:
    """Return what machine code depends on besides its text: versions and the kind of GPU."""
    return f"{packages.versions()}\nsm {capability}"
