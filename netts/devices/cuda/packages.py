"""CUDA's packages: the one module that imports numba.cuda, cuda.* and nvmath, when CUDA is used."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np


@functools.cache
def numba_cuda() -> Any:
    """Return numba.cuda."""
    if not hasattr(np, "row_stack"):  # gone from NumPy 2.5; numba-cuda 0.30 still asks for it
        setattr(np, "row_stack", np.vstack)  # noqa: B010 - ruff would have us call vstack
    return importlib.import_module("numba.cuda")


def core() -> Any:
    """Return cuda.core: linking, loading, launching, capturing."""
    return importlib.import_module("cuda.core")


def driver() -> Any:
    """Return the driver's functions: memory, copies, events."""
    return importlib.import_module("cuda.bindings.driver")


def nvjitlink() -> Any:
    """Return nvJitLink's functions; `core` links by them."""
    return importlib.import_module("cuda.bindings.nvjitlink")


def cublas() -> Any:
    """Return cuBLAS's functions."""
    return importlib.import_module("nvmath.bindings.cublas")


@functools.cache
def error_classes() -> tuple[type[Exception], ...]:
    """Return what these packages raise where CUDA fails; their own classes have no common base."""
    errors = importlib.import_module("cuda.core._utils.cuda_utils")
    own = (getattr(errors, name, RuntimeError) for name in ("CUDAError", "nvJitLinkError"))
    return (*own, RuntimeError, ValueError, ImportError, OSError)


@functools.cache
def compiler_error_classes() -> tuple[type[Exception], ...]:
    """Return what they raise where a kernel cannot be compiled."""
    numba, nvvm = importlib.import_module("numba.core.errors"), numba_cuda().cudadrv.error
    return (*error_classes(), numba.NumbaError, nvvm.NvvmError)


def versions() -> str:
    """Return the packages that make machine code, with their versions."""
    version_of = importlib.import_module("importlib.metadata").version
    names = ("numba", "numba-cuda", "cuda-core", "cuda-bindings")
    made = ", ".join(f"{name} {version_of(name)}" for name in names)
    return f"{made}, nvjitlink {'.'.join(map(str, nvjitlink().version()))}"
