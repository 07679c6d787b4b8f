"""Arrays seen as matrices: whether several indices make one axis, and what BLAS can read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from netts.compiler.operand import Extent


def collapsed(
    indices: Sequence[str], steps: Mapping[str, int], extents: Mapping[str, Extent]
) -> int | None:
    """Return the step of an axis that several indices make, None where there is no single one."""
    long = [one for one in indices if extents[one].count > 1]
    for outer, inner in itertools.pairwise(long):
        if steps.get(outer, 0) != extents[inner].count * steps.get(inner, 0):
            return None
    return steps.get(long[-1], 0) if long else 1


def readable(
    row: int | None, rows: int, column: int | None, columns: int
) -> tuple[int, int] | None:
    """Return steps that BLAS takes: one of them 1, the other no shorter than a row.

    The step of an axis of one element is free.
    """
    if row is None or column is None:
        return None
    if (column == 1 or columns == 1) and (rows == 1 or row >= columns):
        return (columns if rows == 1 else row), 1
    if (row == 1 or rows == 1) and (columns == 1 or column >= rows):
        return 1, (rows if columns == 1 else column)
    return None


def dense_steps(order: Sequence[str], counts: Mapping[str, int]) -> dict[str, int]:
    """Return the steps of a dense array with these axes."""
    steps, size = {}, 1
    for one in reversed(order):
        steps[one] = size
        size *= counts[one]
    return steps
