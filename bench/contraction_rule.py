"""Loops against BLAS by shape: the experiment behind the constants of `netts.compiler.cost`.

    python bench/contraction_rule.py

One thread. For each shape the time of the loops and of the product, and what wrong choices cost by
the default constants and by those that `netts.calibrate` measured here: the time of the choice over
that of the best way.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netts import calibrate, parallel
from netts.compiler.calibration import using
from netts.compiler.cost_constants import DEFAULTS, CostConstants
from netts.compiler.kernel import Kernel
from netts.compiler.plan import Plan
from netts.compiler.probes import (
    BY_LOOPS,
    columns_inside,
    row_times_column,
    row_times_row,
    window,
)
from netts.compiler.replayed import Replayed

ROUNDS = 15
ROUND_SECONDS = 0.5e-3

Shapes = tuple[tuple[int, ...], ...]


def matrix_times_vector(a, b, out):
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k]
        out[i] = total


def shapes() -> list[tuple[Callable, tuple[tuple[int, ...], ...]]]:
    found: list[tuple[Callable, tuple[tuple[int, ...], ...]]] = []
    for n, k, m in itertools.product((1, 4, 16, 64, 256), (1, 4, 16, 64, 256), (1, 4, 16, 64, 256)):
        if n * k * m <= 1 << 20:
            found += [
                (row_times_column, ((n, k), (k, m), (n, m))),
                (row_times_row, ((n, k), (m, k), (n, m))),
                (columns_inside, ((n, k), (k, m), (n, m))),
            ]
    for n, k in itertools.product((4, 16, 64, 256, 1024), repeat=2):
        found.append((matrix_times_vector, ((n, k), (k,), (n,))))
    for n, size in itertools.product((1, 8, 64), (6, 14, 28)):
        found.append((window, ((n, size + 2, size + 2), (n, 3, 3), (n, size, size))))
    return found


@dataclass(frozen=True)
class Way:
    """A way to compute a contraction: by BLAS as a plan has it, or by the loops, without a plan."""

    run: Replayed
    plan: Plan | None

    @property
    def name(self) -> str:
        return self.run.chosen.source + str([one.template for one in self.run.chosen.operations])


def way(kernel: Kernel, arguments: tuple[Any, ...], costs: CostConstants) -> Way:
    with using(costs):
        chosen = kernel.specialise(arguments)
    (reason,) = chosen.reasons.values()
    return Way(Replayed(chosen, arguments), reason if isinstance(reason, Plan) else None)


def median_seconds(ways: Iterable[Way]) -> list[float]:
    """Time ways that take turns."""
    every = [(one.run, one.run.repetitions(ROUND_SECONDS, 1)) for one in ways]
    rounds = [[run.seconds(times, 1) for run, times in every] for _ in range(ROUNDS)]
    return [statistics.median(one) for one in zip(*rounds, strict=True)]


def losses(function: Callable, shapes: Shapes, every: dict[str, CostConstants]) -> dict[str, float]:
    """Return what the choice by each set of constants costs: its time over that of the best way."""
    kernel = Kernel(function)
    arguments = tuple(np.ones(shape, np.float32) for shape in shapes)
    taken = {name: way(kernel, arguments, costs) for name, costs in every.items()}
    # Each set of constants has a best plan of its own.
    choices = [BY_LOOPS, *(replace(costs, loop=1e12) for costs in every.values())]
    ways = [way(kernel, arguments, one) for one in choices]
    seconds = dict(zip([one.name for one in ways], median_seconds(ways), strict=True))
    best = min(seconds.values())
    line = [f"{function.__name__} {shapes}: loops {seconds[ways[0].name] * 1e6:.3g} us"]
    found = {}
    for (name, one), product in zip(taken.items(), ways[1:], strict=True):
        found[name] = seconds[one.name] / best
        by = "BLAS" if one.plan else "loops"
        line.append(f"{name}: BLAS {seconds[product.name] * 1e6:.3g} us, {by}, {found[name]:.2f}")
    print("; ".join(line), flush=True)
    return found


def main() -> None:
    every = {"defaults": DEFAULTS, "calibrated": calibrate()}
    if every["calibrated"] == DEFAULTS:
        raise SystemExit("the calibration is not kept, or NETTS_COSTS is set")
    for name, costs in every.items():
        print(f"{name}: {costs}, {costs.numbers()}")
    found = [losses(function, one, every) for function, one in shapes()]
    for name in every:
        of = sorted(one[name] for one in found)
        mean = math.exp(statistics.fmean(map(math.log, of)))
        print(
            f"{name}: {len(of)} shapes, geometric mean of the losses {mean:.3f}, "
            f"{sum(one > 1.3 for one in of)} above 1.3, the worst {of[-3]:.2f}, {of[-2]:.2f}, "
            f"{of[-1]:.2f}"
        )


if __name__ == "__main__":
    main()
