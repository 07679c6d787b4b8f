"""What the scripts of this folder share: the machine in words, tables, JSON, a budget of time."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

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
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    return (
        f"{_gpu()}; {_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"{versions}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def _gpu() -> str:
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return "no GPU"
    name, _, driver = found.stdout.splitlines()[0].partition(", ")
    return f"{name}, driver {driver}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    lines += ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def duration(seconds: float | None) -> str:
    """Return a time with three digits, an empty text for None."""
    if seconds is None:
        return ""
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000 or (unit == "ms" and seconds < 10):
            return f"{_three_digits(seconds * scale)} {unit}"
    return f"{_three_digits(seconds)} s"


def ratio(value: float | None) -> str:
    """Return how many times, an empty text for None."""
    return "" if value is None else f"{_three_digits(value)}x"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


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
