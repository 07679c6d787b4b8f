"""Long sums of small results, whole and divided: the experiment behind `ProductRule.most_parts`.

    PYTHONPATH=. python bench/gpu/divided_sums.py

For each shape products of whole sums and of sums in parts, with the launch that adds the parts up,
are captured and take turns, as in `contraction_rule`. Printed are the medians, what the estimates
of `cuda.cost` say, and which way the rule takes.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from unittest.mock import patch

from contraction_rule import ALWAYS, ROUNDS, Way, drawn, zeros

from netts import accelerate, parallel
from netts.compiler.cuda import cost, products
from netts.compiler.cuda.cost import RULE
from netts.compiler.cuda.product_plan import ProductPlan
from netts.compiler.cuda.program import GEOMETRY
from netts.compiler.cuda.specialise import specialise
from netts.devices.cuda import device

SHAPES = [
    (25, 6, 100_352), (150, 16, 12_800), (9, 32, 100_352), (288, 64, 25_088),
    (25, 6, 802_816), (150, 16, 102_400), (9, 32, 802_816), (288, 64, 200_704),
    (784, 10, 60_000), (128, 10, 20_480), (576, 128, 50_176), (32, 32, 12_800),
]  # fmt: skip
"""Rows, columns and terms: gradients of weights of LeNet-5 and of conv32-conv64, at batches of 128
and 1,024, and some others."""

PARTS = (1, 16, 64, 128, 256, 512)


@accelerate
def multiplied(x, y, out):
    """out[i, j] = sum over k of x[i, k] * y[j, k]."""
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k] * y[j, k]
        out[i, j] = total


def most_parts(plan: ProductPlan) -> tuple[float, int]:
    """Rank the plan of the most parts first."""
    return -plan.parts, plan.scratch_bytes


def chosen(arguments: tuple) -> ProductPlan:
    """Return what the rule takes."""
    rule = replace(RULE, least_multiply_adds=0, missing=None)
    special = multiplied.specialised(arguments, lambda bound: specialise(bound, GEOMETRY, rule))
    (plan,) = special.reasons[0]
    return plan


def main() -> None:
    gpu = device()
    print(f"{gpu.name}: a sum in {', '.join(map(str, PARTS))} parts, in microseconds")
    for m, n, k in SHAPES:
        arguments = drawn(m, k), drawn(n, k), zeros(m, n)
        taken = chosen(arguments)
        with ExitStack() as stack:
            ways = {}
            for parts in PARTS:
                rule = replace(ALWAYS, most_parts=parts, least_part=1, least_divided=1)
                if k % parts == 0:
                    with patch.object(products, "_rank", most_parts):
                        ways[parts] = Way(gpu, stack, multiplied, arguments, rule)
            for _ in range(ROUNDS):
                for way in ways.values():
                    way.measure()
            found = {parts: way.seconds for parts, way in ways.items()}
        times = ", ".join(f"{parts}: {one * 1e6:.1f}" for parts, one in found.items())
        loss = found.get(taken.parts, float("nan")) / min(found.values())
        print(
            f"{m} x {n}, sums of {k:,}: {times}; takes {taken.parts}, estimate "
            f"{cost.plan_seconds(taken) * 1e6:.1f}, {loss:.2f} of the best",
            flush=True,
        )


if __name__ == "__main__":
    main()
