"""Loops against BLAS by shape: the experiment behind the constants of `netts.compiler.cost`.

    python bench/contraction_rule.py

One thread. For each shape the time of the loops and of the product, as measured and as estimated,
and what the wrong choices cost: the estimated choice's time over that of the better one.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
from replays import Replayed

from netts import parallel
from netts.compiler import cost
from netts.compiler.kernel import Kernel
from netts.compiler.plan import Plan


def row_times_column(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = total


def row_times_row(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[j, k]
        out[i, j] = total


def columns_inside(a, b, out):
    for i in parallel(out.shape[0]):
        for k in range(a.shape[1]):
            for j in range(out.shape[1]):
                out[i, j] += a[i, k] * b[k, j]


def matrix_times_vector(a, b, out):
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k]
        out[i] = total


def depthwise(a, b, out):
    for n, y, x in parallel(out.shape[0], out.shape[1], out.shape[2]):
        total = 0.0
        for ky in range(b.shape[1]):
            for kx in range(b.shape[2]):
                total += a[n, y + ky, x + kx] * b[n, ky, kx]
        out[n, y, x] = total


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
        found.append((depthwise, ((n, size + 2, size + 2), (n, 3, 3), (n, size, size))))
    return found


def timed(function: Callable, arguments: tuple[Any, ...], *, by_loops: bool) -> tuple[float, Plan]:
    plans: list[Plan] = []

    def is_direct(plan: Plan) -> bool:
        plans.append(plan)
        return by_loops

    with patch.object(cost, "is_direct_faster", is_direct):
        run = Replayed(Kernel(function).specialise(arguments), arguments)
    times = run.repetitions(2e-3, 1)
    return statistics.median(run.seconds(times, 1) for _ in range(9)), plans[0]


def main() -> None:
    print("kernel, shapes: loops us (estimated), BLAS us (estimated), loss")
    losses, wrong = [], 0
    for function, every in shapes():
        arguments = tuple(np.ones(shape, np.float32) for shape in every)
        loops, plan = timed(function, arguments, by_loops=True)
        product, _ = timed(function, arguments, by_loops=False)
        chosen = loops if cost.is_direct_faster(plan) else product
        loss = chosen / min(loops, product)
        losses.append(loss)
        wrong += loss > 1.3
        print(
            f"{function.__name__} {every}: {loops * 1e6:.2f} "
            f"({cost.direct_seconds(plan.frame) * 1e6:.2f}), {product * 1e6:.2f} "
            f"({cost.plan_seconds(plan) * 1e6:.2f}), {loss:.2f}",
            flush=True,
        )
    mean = math.exp(statistics.fmean(map(math.log, losses)))
    print(f"{len(losses)} shapes, geometric mean of the losses {mean:.3f}, {wrong} above 1.3")


if __name__ == "__main__":
    main()
