"""Small products: with an operand turned, or cut below the size from which BLAS packs.

    python -m bench run small_products

The three products of dense layers on one thread, by the plan that is chosen and by the one that
would be if neither were known: no operand is turned, and packing by BLAS costs nothing. Both take
turns; medians of the rounds.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np

from netts.compiler import in_place
from netts.compiler.blas_library import blas_library
from netts.compiler.kernel import Kernel
from netts.compiler.plan import Plan
from netts.compiler.replayed import Replayed
from netts.layers import dense

ROUNDS = 15
ROUND_SECONDS = 0.5e-3

SIZES = (
    (112, 100, 3), (200, 100, 7), (200, 100, 10), (32, 64, 100), (32, 100, 50), (32, 50, 10),
    (16, 64, 64), (16, 256, 256), (32, 256, 256),
    (200, 30, 100), (1000, 20, 50), (64, 64, 64), (200, 64, 100), (128, 128, 10), (64, 256, 128),
    (128, 256, 128), (512, 64, 64), (1024, 32, 256), (200, 784, 100), (256, 256, 256),
)  # fmt: skip
"""Rows of a batch, inputs, units."""


def layer(dtype: str, rows: int, inputs: int, units: int) -> dict[str, tuple[Kernel, tuple]]:
    """Return the products of a layer with their arguments."""
    random = np.random.default_rng(0)
    x, weight, bias, y, grad = (
        random.standard_normal(shape).astype(dtype)
        for shape in ((rows, inputs), (inputs, units), (units,), (rows, units), (rows, units))
    )
    return {
        "forward": (dense.dense_forward, (x, weight, bias, y)),
        "grad_weight": (dense.dense_grad_weight, (x, grad, np.empty_like(weight))),
        "grad_input": (dense.dense_grad_input, (grad, weight, np.empty_like(x))),
    }


@contextlib.contextmanager
def as_before() -> Iterator[None]:
    """Let plans be chosen as if BLAS were as fast along the sum, and packed for nothing."""
    with (
        patch.object(in_place, "turnable", lambda _plan: (False, False)),
        patch.dict(in_place.BLAS_COPY, float32=0.0, float64=0.0),
    ):
        yield


def chosen(kernel: Kernel, arguments: tuple) -> Replayed:
    # A kernel of its own for each, as a kernel keeps what it has chosen.
    return Replayed(Kernel(kernel.function).specialise(arguments), arguments)


def in_words(replayed: Replayed) -> str:
    """Return what is special about the plan."""
    (plan,) = replayed.chosen.reasons.values()
    if not isinstance(plan, Plan):
        return "loops"
    blocks = f"{plan.split.blocks} blocks" if plan.split else ""
    turned = [one.operand.title for one in (plan.left, plan.right) if one.is_turned]
    return ", ".join(filter(None, (blocks, *(f"{one} turned" for one in turned))))


def compare(before: Replayed, after: Replayed) -> tuple[float, float]:
    """Return the median seconds of both."""
    slower = max(one.seconds(3, 1) for one in (before, after))
    times = max(1, math.ceil(ROUND_SECONDS / slower))
    found: tuple[list[float], list[float]] = [], []
    for round_ in range(ROUNDS):
        for each, one in list(zip(found, (before, after), strict=True))[:: 1 if round_ % 2 else -1]:
            each.append(one.seconds(times, 1))
    first, second = (statistics.median(one) for one in found)
    return first, second


def main() -> None:
    print(f"{blas_library().description}; one thread, microseconds.\n")
    header = ("product, rows x inputs x units", "before", "now", "before / now", "plan")
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    ratios: dict[str, list[float]] = {}
    for dtype, size in itertools.product(("float32", "float64"), SIZES):
        for name, (kernel, arguments) in layer(dtype, *size).items():
            with as_before():
                old = chosen(kernel, arguments)
            new = chosen(kernel, arguments)
            if in_words(old) == in_words(new):
                continue
            before, after = compare(old, new)
            ratios.setdefault(f"{dtype} {name}", []).append(before / after)
            print(
                f"| {dtype} {name}, {' x '.join(map(str, size))} | {before * 1e6:.3g} | "
                f"{after * 1e6:.3g} | {before / after:.2f} | {in_words(new)} |"
            )
    print("\nWhere the plan is the same as before it is left out. Geometric means:\n")
    for name, each in ratios.items():
        mean = statistics.geometric_mean(each)
        print(f"- {name}: {mean:.2f} of {len(each)}, {min(each):.2f} at worst")


if __name__ == "__main__":
    main()
