"""What the scripts of this folder share: the machine in words, tables, JSON, a budget of time."""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.machine import gpu, processor, versions

PACKAGES = (
    "numpy", "scipy", "numba", "numba-cuda", "cuda-core", "cuda-bindings", "nvmath-python",
    "torch", "jax",
)  # fmt: skip
OUTPUT_VARIABLE = "OUT"


class Budget:
    """Seconds that a script may take; what is begun is finished, what is left out is named."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.start = seconds, time.perf_counter()
        self.skipped: list[str] = []

    @property
    def left(self) -> float:
        """The seconds left, negative when overdrawn."""
        return self.seconds - (time.perf_counter() - self.start)

    def allows(self, what: str, seconds: float = 0.0) -> bool:
        """Return whether there is time for something of about so many seconds; note it if not."""
        if self.left > seconds:
            return True
        self.skipped.append(what)
        return False

    def __str__(self) -> str:
        spent = f"{time.perf_counter() - self.start:.0f} of {self.seconds:.0f} s"
        return f"{spent}; not run: {', '.join(self.skipped)}" if self.skipped else spent


def machine(packages: Sequence[str] = PACKAGES) -> str:
    """Return GPU, driver, processor, versions and date."""
    found = ", ".join(f"{name} {version}" for name, version in versions(packages).items())
    return (
        f"{gpu()}; {processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"{found}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    )


def quotient(numerator: float | None, denominator: float | None) -> float | None:
    """Return a ratio where both are known."""
    return numerator / denominator if numerator and denominator else None


def save(name: str, data: Any) -> None:
    """Write JSON into the folder that the variable OUT names, if it names one."""
    folder = output_folder()
    if folder is not None:
        (folder / f"{name}.json").write_text(json.dumps(data, indent=1, default=str))


def output_folder() -> Path | None:
    """Return the folder for results, None where the environment names none."""
    named = os.environ.get(OUTPUT_VARIABLE)
    return Path(named) if named else None


def in_words(error: BaseException) -> str:
    """Return an error on one line of bounded length."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(text.split())[:200]
