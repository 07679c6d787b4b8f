"""Kernels of a user's own on every device: the same results, and how long they take. Markdown.

    PYTHONPATH=. python bench/gpu/own_kernels.py --seconds 60
    PYTHONPATH=. python bench/gpu/own_kernels.py --device cpu --tiny

"call" is `kernel.on(device)(...)` on NumPy arrays, which on a GPU pays for its copies; "resident"
is a step of a plan that runs many, the copies at its ends subtracted. All have the same source.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from report import Budget, in_words, machine, quotient, save

from bench.markdown import duration, ratio, table
from bench.user_kernels import OWN_KERNELS, OwnKernel
from netts import TaskGraph

CALLS = 5
STEPS = 20


def copied(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(one.copy() if isinstance(one, np.ndarray) else one for one in arguments)


def error_of(case: OwnKernel, dtype: type, device: str) -> float:
    """Return the largest difference from the interpreter in float64, in roundings of the sum."""
    exact = tuple(
        one.astype(np.float64) if isinstance(one, np.ndarray) else one
        for one in case.arguments(dtype, *case.small)
    )
    case.kernel.on("reference")(*exact)
    found = case.arguments(dtype, *case.small)
    case.kernel.on(device)(*found)
    worst = 0.0
    for position in case.outputs:
        scale = np.finfo(dtype).eps * float(np.abs(exact[position]).max())
        difference = float(np.abs(found[position] - exact[position]).max())
        worst = max(worst, difference / (scale * case.terms(*case.small)))
    return worst if np.isfinite(worst) else float("inf")


ROUNDINGS = 4.0
"""As many of each term of the longest sum, of the largest result."""


def is_same_twice(case: OwnKernel, device: str) -> bool:
    """Return whether two calls give the same bits."""
    first = case.arguments(np.float32, *case.small)
    second = copied(first)
    case.kernel.on(device)(*first)
    case.kernel.on(device)(*second)
    pairs = ((first[one], second[one]) for one in case.outputs)
    return all(np.array_equal(*pair) for pair in pairs)


def seconds_of(call: Callable[[], Any], times: int) -> float:
    """Return the median time of a call, one before not counted."""
    call()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def resident_seconds(case: OwnKernel, arguments: tuple[Any, ...], device: str) -> float:
    """Return the time of a step: more steps less few, over their difference."""
    graph = TaskGraph()
    with graph.recording():
        case.kernel(*arguments)
    plan = graph.compile(device=device)
    few, many = (seconds_of(lambda steps=steps: plan.run(steps), CALLS) for steps in (1, 1 + STEPS))
    return max(many - few, 0.0) / STEPS


def run_case(case: OwnKernel, device: str, is_tiny: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"kernel": case.name, "sizes": case.small if is_tiny else case.large}
    result["errors"] = {
        np.dtype(dtype).name: error_of(case, dtype, device) for dtype in (np.float32, np.float64)
    }
    result["is_same_twice"] = is_same_twice(case, device)
    small = case.arguments(np.float32, *case.small)
    start = time.perf_counter()
    case.kernel.on("reference")(*small)
    result["reference"] = time.perf_counter() - start
    result["cpu, same sizes"] = seconds_of(lambda: case.kernel.on("cpu")(*small), CALLS)
    arguments = case.arguments(np.float32, *result["sizes"])
    result["cpu"] = seconds_of(lambda: case.kernel.on("cpu")(*arguments), CALLS)
    result["call"] = seconds_of(lambda: case.kernel.on(device)(*arguments), CALLS)
    try:
        result["resident"] = resident_seconds(case, arguments, device)
    except Exception as error:  # noqa: BLE001 - a missing time, said in the table
        result["failure"] = f"resident: {in_words(error)}"
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tiny", action="store_true", help="time small sizes only")
    options = parser.parse_args()
    budget, results, device = Budget(options.seconds), [], options.device
    for case in OWN_KERNELS:
        if budget.allows(case.name):
            try:
                results.append(run_case(case, device, options.tiny))
            except Exception as error:  # noqa: BLE001 - its row says so, the rest goes on
                results.append({"kernel": case.name, "failure": in_words(error)})
    text = machine()
    save("own_kernels", {"machine": text, "results": results, "skipped": budget.skipped})
    print(text, f"budget: {budget}", "", sep="\n")
    header = ["kernel", "sizes", "roundings fp32, fp64", "right", "same twice", "reference (small)",
              "cpu (small)", "cpu", f"{device} call", f"{device} resident", "cpu / call",
              "cpu / resident"]  # fmt: skip
    print(table(header, [_row(one) for one in results]))
    is_right = all(_is_right(one) for one in results)
    return 0 if results and is_right else 1


def _is_right(result: dict[str, Any]) -> bool:
    errors = result.get("errors", {}).values()
    is_close = bool(errors) and max(errors) <= ROUNDINGS
    return is_close and result["is_same_twice"] and "failure" not in result


def _row(result: dict[str, Any]) -> list[str]:
    if "errors" not in result or "call" not in result:
        return [result["kernel"], result["failure"], *[""] * 10]
    times = {key: result.get(key) for key in ("cpu", "call", "resident")}
    errors = result["errors"].values()
    return [
        result["kernel"],
        " x ".join(map(str, result["sizes"])),
        ", ".join(f"{one:.2g}" for one in errors),
        "yes" if max(errors) <= ROUNDINGS else "NO",
        "yes" if result["is_same_twice"] else "NO",
        duration(result["reference"]),
        duration(result["cpu, same sizes"]),
        *map(duration, times.values()),
        ratio(quotient(times["cpu"], times["call"])),
        ratio(quotient(times["cpu"], times["resident"])) or result.get("failure", ""),
    ]


if __name__ == "__main__":
    sys.exit(main())
