"""Loops against BLAS by shape: the experiment behind the constants of `netts.compiler.cost`.

    python -m bench run contraction_rule

One thread. For each shape the time of the loops and of the product, and what wrong choices cost by
the default constants and by those that `netts.calibrate` measured here: the time of the choice over
that of the best way. All ways of all shapes take turns for some rounds; of these the medians, and
the least times, which say more where other work takes the cores away.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
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
Statistic = Callable[[list[float]], float]


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


class Way:
    """A way to compute a contraction, by BLAS or by the loops, and its times."""

    def __init__(self, kernel: Kernel, arguments: tuple[Any, ...], costs: CostConstants) -> None:
        with using(costs):
            chosen = kernel.specialise(arguments)
        (reason,) = chosen.reasons.values()
        self.by = "BLAS" if isinstance(reason, Plan) else "loops"
        # Plans of the same code and the same numbers in its argument blocks are one way.
        self.name = chosen.source + str([one.template.tolist() for one in chosen.operations])
        self.run = Replayed(chosen, arguments)
        self.times = self.run.repetitions(ROUND_SECONDS, 1)
        self.rounds: list[float] = []

    def measure(self) -> None:
        self.rounds.append(self.run.seconds(self.times, 1))


class Shape:
    """A contraction: every way that one of the sets of constants would take, and the other way."""

    def __init__(self, function: Callable, shapes: Shapes, every: dict[str, CostConstants]) -> None:
        kernel, self.title = Kernel(function), f"{function.__name__} {shapes}"
        arguments = tuple(np.ones(shape, np.float32) for shape in shapes)
        # Each set of constants has a best plan of its own.
        choices = [BY_LOOPS, *every.values(), *(replace(one, loop=1e12) for one in every.values())]
        ways = [Way(kernel, arguments, one) for one in choices]
        self.ways = {one.name: one for one in ways}
        self.taken = {name: self.ways[way.name] for name, way in zip(every, ways[1:], strict=False)}

    def losses(self, of: Statistic) -> dict[str, float]:
        """Return what each choice costs: its time over that of the best way."""
        best = min(of(one.rounds) for one in self.ways.values())
        return {name: of(one.rounds) / best for name, one in self.taken.items()}

    def __str__(self) -> str:
        ways = self.ways.values()
        times = ", ".join(f"{one.by} {statistics.median(one.rounds) * 1e6:.3g} us" for one in ways)
        losses = self.losses(statistics.median)
        taken = ", ".join(f"{name} {way.by} {losses[name]:.2f}" for name, way in self.taken.items())
        return f"{self.title}: {times}; {taken}"


def main() -> None:
    every = {"defaults": DEFAULTS, "calibrated": calibrate()}
    if every["calibrated"] == DEFAULTS:
        raise SystemExit("the calibration is not kept, or NETTS_COSTS is set")
    for name, costs in every.items():
        print(f"{name}: {costs}, {costs.numbers()}")
    found = [Shape(function, one, every) for function, one in shapes()]
    for _ in range(ROUNDS):  # a busy moment hits one round of some shapes, not all rounds of one
        for shape in found:
            for one in shape.ways.values():
                one.measure()
    print(*found, sep="\n")
    for what, statistic in (("medians", statistics.median), ("least times", min)):
        losses = [one.losses(statistic) for one in found]
        for name in every:
            of = sorted((one[name] for one in losses), reverse=True)
            mean = math.exp(statistics.fmean(map(math.log, of)))
            worst = ", ".join(f"{one:.2f}" for one in of[:5])
            print(
                f"{what}, {name}: {len(of)} shapes, geometric mean of the losses {mean:.3f}, "
                f"{sum(one > 1.3 for one in of)} above 1.3, the worst {worst}"
            )


if __name__ == "__main__":
    main()
