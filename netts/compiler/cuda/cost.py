"""What a sum of products costs on a GPU: policy and constants for the choice between ways.

Estimates are of operations in a captured graph. They decide between layouts of one product, so what
counts is how they compare, not what they say in microseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netts.compiler.cuda.products import ProductPlan

KERNEL_SECONDS = 1.2e-6
"""A kernel that does nothing; measured on an H100."""

PRODUCT_SECONDS = 3.2e-6
"""A product of 64 x 64 x 64; measured on an H100."""

MULTIPLY_ADD_SECONDS = 4e-14
"""2048 x 2048 x 2048 in 340 us; measured on an H100, in float32 without TF32."""

BYTE_SECONDS = 4.3e-13
"""Copied by a plain kernel at 2.3 TB/s; measured on an H100."""

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
    missing
        Why there is no cuBLAS, and how to get it; None where there is.
    """

    least_multiply_adds: int = 2**20
    least_side: int = 2
    scratch_bytes: int = 2**30
    most_products: int = 64
    missing: str | None = None


RULE = ProductRule()


def plan_seconds(plan: ProductPlan) -> float:
    """Return about how long it takes to pack, multiply and run the rest of a nest.

    A product over all images at once fills its tiles better than one for each image; one for each
    may spare the packing of an operand, or the rest of the nest. This weighs them.
    """
    m, n, k = plan.sizes
    volume = plan.frame.volume
    tiles = math.ceil(m / TILE) * math.ceil(n / TILE) * volume((*plan.calls, *plan.batch))
    seconds = plan.n_calls * PRODUCT_SECONDS + tiles * TILE**2 * k * MULTIPLY_ADD_SECONDS
    moved = 2 * plan.item_bytes * BYTE_SECONDS
    for factor in (plan.left, plan.right):
        if factor.size:
            seconds += KERNEL_SECONDS + factor.size * moved
    if not plan.is_plain:
        outer = [one.index for one in plan.frame.contraction.outer]
        seconds += KERNEL_SECONDS + volume(outer) * moved
    return seconds
