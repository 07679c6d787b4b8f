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
