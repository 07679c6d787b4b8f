"""Turn a pytest-benchmark file into a Markdown table: medians over rounds, and ratios to netts."""

from __future__ import annotations

import json
import platform
import statistics
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("numpy", "scipy", "numba", "scikit-learn", "torch", "jax")


def machine(report: dict) -> str:
    cpu = report["machine_info"]["cpu"]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{cpu.get('brand_raw', cpu.get('brand'))}, {cpu['count']} cores, Python "
        f"{platform.python_version()}, {versions}; {report['datetime'][:10]}"
    )


def step_table(report: dict) -> list[str]:
    """Return time per step: a row for each case, a column for each library that has a time."""
    seconds: dict[str, dict[str, list[float]]] = {}
    for one in report["benchmarks"]:
        info = one["extra_info"]
        per_step = one["stats"]["min"] / info["steps"]
        seconds.setdefault(info["case"], {}).setdefault(info["library"], []).append(per_step)
    libraries = list(dict.fromkeys(library for found in seconds.values() for library in found))
    lines = ["| case | " + " | ".join(libraries) + " |", "|---" * (len(libraries) + 1) + "|"]
    for case, found in seconds.items():
        medians = {library: statistics.median(times) for library, times in found.items()}
        cells = [_cell(medians.get(library), medians["netts"], library) for library in libraries]
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return lines


def _cell(median: float | None, ours: float, library: str) -> str:
    if median is None:
        return ""
    return f"{median * 1e6:,.1f} us" + (f" ({median / ours:.1f}x)" if library != "netts" else "")


def startup_table(report: dict) -> list[str]:
    """Return the seconds that a fresh process waits."""
    seconds: dict[str, list[tuple[float, float]]] = {}
    for one in report["benchmarks"]:
        info = one["extra_info"]
        both = info["seconds"], info["processor_seconds"]
        seconds.setdefault(info["case"], []).append(both)
    rows = []
    for case, both in seconds.items():
        passed, worked = zip(*both, strict=True)
        medians = f"{statistics.median(passed):.3f} s | {statistics.median(worked):.3f} s"
        rows.append(f"| {case} | {medians} | {max(passed):.3f} s |")
    return ["| fresh process | median | processor | slowest |", "|---|---|---|---|", *rows]


if __name__ == "__main__":
    loaded = json.loads(Path(sys.argv[1]).read_text())
    measures_steps = "steps" in loaded["benchmarks"][0]["extra_info"]
    print(machine(loaded), "", sep="\n")
    print(*(step_table if measures_steps else startup_table)(loaded), sep="\n")
