"""What a bug report needs: versions, devices, threads, BLAS, costs."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from netts import __version__
from netts.compiler import calibration
from netts.compiler.blas_library import blas_library
from netts.compiler.threads import most_threads
from netts.devices import available

PACKAGES = (
    "numpy", "scipy", "scikit-learn", "numba", "llvmlite", "safetensors", "threadpoolctl",
    "numba-cuda", "cuda-core", "nvmath-python", "matplotlib",
)  # fmt: skip


def versions() -> str:
    """Return versions of Python, netts and its packages, devices, BLAS and costs, as text."""
    lines = ["System:"]
    lines += [f"    python: {sys.version.split()[0]}", f"   machine: {platform.platform()}"]
    lines += ["", "Packages:", f"{'netts':>14}: {__version__}"]
    lines += [f"{name:>14}: {_version(name)}" for name in PACKAGES]
    lines += ["", "Devices:"]
    for device in available():
        state = "" if device.is_available else "not available, "
        lines.append(f"{device.name:>14}: {state}{device.description}")
    lines += [f"{'threads':>14}: {most_threads()}", f"{'BLAS':>14}: {blas_library().description}"]
    lines += [f"{'costs':>14}: {calibration.current()}"]
    return "\n".join(lines)


def show_versions() -> None:
    """Print what a bug report needs: versions, devices, threads, BLAS and costs.

    Examples
    --------
    >>> import netts
    >>> netts.show_versions()  # doctest: +ELLIPSIS
    System:
        python: 3...
    """
    print(versions())  # noqa: T201 - as scikit-learn's does


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
