"""Products that BLAS computes from operands as they lie, and what that changes of their time.

OpenBLAS does so with small ones where a processor has AVX-512, and packs the operands of others:
bench/results/small-products-2026-11-23.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netts.compiler.plan import Matrix, Plan

UNPACKED = 10**6
"""A product of so many multiplications or fewer is computed in place."""

NEAR_ELEMENTS = 1 << 15
"""An operand that each block reads again stays in a cache up to so many elements."""

TURNED_ELEMENTS = {"float32": 1 << 17, "float64": 1 << 14}
TURNED_ROWS, TURNED_COLUMNS = 16, 5
"""Up to how many elements, by dtype, an operand may be worth turning, and from how many rows of the
left one and columns of the right one on: with fewer BLAS is as fast along the sum."""

TURNED_NEAR = 1 << 13
TURNED_SPILL = 3
"""Turning more elements, which come from afar, is slower by such a factor."""

TURNED = 0.5
"""The part of a multiplication that is saved where one of two operands that lie along the sum is
turned ahead."""

TURNED_COPY, BLAS_COPY = 1.5, {"float32": 1.0, "float64": 2.5}
"""What turning an element costs, and what BLAS needs to pack one, as parts of `copy`."""


def turnable(plan: Plan) -> tuple[bool, bool]:
    """Say of the left and of the right operand whether turning it may be worth its time.

    Both lie along the sum then, and BLAS would read them in place.
    """
    m, n, k = plan.sides
    if m * n * k > UNPACKED or plan.column_step != 1 or not _is_along(plan):
        return False, False
    limit = TURNED_ELEMENTS[plan.frame.dtype]
    left, right = (_whole(plan, one) <= limit for one in (plan.rows, plan.columns))
    return m >= TURNED_ROWS and left, n >= TURNED_COLUMNS and right


def turning(plan: Plan, matrix: Matrix) -> float:
    """Return what turning an element takes, as a part of `copy`."""
    side = plan.rows if matrix is plan.left else plan.columns
    return TURNED_COPY * (TURNED_SPILL if _whole(plan, side) > TURNED_NEAR else 1)


def difference(plan: Plan) -> float:
    """Return how many nanoseconds a product takes more, or less, than its multiplications say."""
    (m, n, k), costs = plan.sides, plan.frame.costs
    found = 0.0
    if plan.left.is_turned or plan.right.is_turned:
        found -= m * n * k * costs.multiply_add * TURNED
    if _is_packed(plan):
        found += (m * k + k * n) * costs.copy * BLAS_COPY[plan.frame.dtype]
    return found


def _whole(plan: Plan, side: tuple[str, ...]) -> int:
    """Return the elements of an operand, of all blocks together."""
    return plan.frame.volume((*side, *plan.inner))


def _is_along(plan: Plan) -> bool:
    """Whether both operands are read in place, and lie along the sum."""
    return all(one.size == 0 and one.inner_step == 1 for one in (plan.left, plan.right))


def _is_packed(plan: Plan) -> bool:
    """Whether BLAS packs operands that lie in place, or might as well.

    What is packed here anyway, as of convolutions, is left to the other constants, which were
    fitted to it.
    """
    if any(one.size and not one.is_turned for one in (plan.left, plan.right)):
        return False
    m, n, k = plan.sides
    if m * n * k > UNPACKED:
        return True
    if plan.split is None:
        return False
    again = k * n if plan.split.index in plan.rows else m * k
    return again > NEAR_ELEMENTS or _is_along(plan)
