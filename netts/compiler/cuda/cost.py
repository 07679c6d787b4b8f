"""What a sum of products costs on a GPU: policy and constants for the choice between ways.

Estimates are of operations in a captured graph. They decide between layouts of one product, so what
counts is how they compare, not what they say in microseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netts.compiler.cuda.product_plan import ProductPlan

KERNEL_SECONDS = 1.2e-6
"""A kernel that does nothing; measured on an H100."""

PRODUCT_SECONDS = 3.2e-6
"""A product of 64 x 64 x 64; measured on an H100."""

MULTIPLY_ADD_SECONDS = 4e-14
"""2048 x 2048 x 2048 in 340 us; measured on an H100, in float32 without TF32."""

BYTE_SECONDS = 4.3e-13
"""Copied by a plain kernel at 2.3 TB/s; measured on an H100."""

TERM_SECONDS = 2e-9
LONG_SUM_SECONDS = 2.5e-5
"""What a product of few tiles waits for its sums: so much for each term, and no more in all, as
cuBLAS then divides them itself. Between 25 x 6 and 288 x 64 results of 12,800 to 802,816 terms took
30 to 250 us on an H100: this much more than tiles and calls, within 25 % in six cases of eight
(`bench/gpu/divided_sums.py`, from which all constants of divided sums come)."""

PART_TERM_SECONDS = 3e-8
"""A term of a product of a batch, which a block adds up alone: 9 x 32 results of 12,544 terms each
take 379 us. Other sizes take less."""

READ_SECONDS = 7e-13
"""A byte of the operands of a batch of products: 5.4 to 7.8e-13 where they fill the device."""

PARTIAL_SECONDS = 7.5e-12
"""A partial sum: written, and read by a thread whose neighbours read other lines of the cache."""

TILE = 64
"""Rows and columns that a block of threads computes together, at least: fewer take as long. Not
measured; cuBLAS has tiles of many sizes."""


@dataclass(frozen=True)
class ProductRule:
    """When cuBLAS does a sum of products, and with how much memory.

    Attributes
    ----------
    least_multiply_adds
        Smaller products are loops. On an H100 wrong choices cost 9 % in the geometric mean of 411
        shapes, and 12 % from 2**18 or 14 % from 2**22 on (`bench/gpu/contraction_rule.py`).
    least_side
        Rows and columns that a result has at least: less is a matrix times a vector, which loops
        do as fast as memory allows. To be measured too.
    scratch_bytes
        The most that packed operands and products of one nest may take; what needs more is
        computed in blocks.
    most_products
        Calls of cuBLAS that one nest may take at most.
    most_parts
        Parts that a sum is divided into at most: a batch of products, whose results a launch adds
        up. Of 802,816 terms 512 parts took 68 us and 256 took 101; more were not measured.
    least_part
        Terms of a part at least: 12,800 terms took 13 us in parts of 200 and 24 us in parts of 25.
    least_divided
        Sums of fewer terms are not divided: shorter ones were not measured.
    missing
        Why there is no cuBLAS, and how to get it; None where there is.
    """

    least_multiply_adds: int = 2**20
    least_side: int = 2
    scratch_bytes: int = 2**30
    most_products: int = 64
    most_parts: int = 512
    least_part: int = 200
    least_divided: int = 12_800
    missing: str | None = None


RULE = ProductRule()


def plan_seconds(plan: ProductPlan) -> float:
    """Return about how long it takes to pack, multiply and run the rest of a nest.

    A product over all images at once fills its tiles better than one for each image; one for each
    may spare the packing of an operand, or the rest of the nest. This weighs them.
    """
    seconds = plan.n_calls * PRODUCT_SECONDS + _multiply_seconds(plan)
    moved = 2 * plan.item_bytes * BYTE_SECONDS
    for factor in (plan.left, plan.right):
        if factor.size:
            seconds += KERNEL_SECONDS + factor.size * moved
    if not plan.is_plain:
        outer = [one.index for one in plan.frame.contraction.outer]
        seconds += KERNEL_SECONDS + plan.frame.volume(outer) * moved
    return seconds


def _multiply_seconds(plan: ProductPlan) -> float:
    """Return about how long multiplying takes, and adding up the parts of divided sums."""
    m, n, k = plan.sizes
    times = plan.frame.volume((*plan.calls, *plan.batch))
    if plan.parts == 1:
        tiles = math.ceil(m / TILE) * math.ceil(n / TILE) * times
        waiting = min(k * TERM_SECONDS, LONG_SUM_SECONDS)
        return tiles * TILE**2 * k * MULTIPLY_ADD_SECONDS + waiting
    slowest = max(
        times * (m + n) * k * plan.item_bytes * READ_SECONDS,
        plan.multiply_adds * MULTIPLY_ADD_SECONDS,
        plan.n_calls * k // plan.parts * PART_TERM_SECONDS,
    )
    return slowest + plan.total_size * PARTIAL_SECONDS
