"""How a contraction is computed with given shapes: which loops go around the products.

Some indices are hoisted: loops around the product, so that operands become matrix views, scratch
stays small, and there is something to share between threads. Every choice is tried on paper and
the one with the least estimated time is taken (`cost`). Choices depend on shapes alone, and so do
the blocks of rows that one product computes: the bits of a result do not depend on the number of
threads.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from netts.compiler import cost, in_place
from netts.compiler.grouping import Groups, inner_order, ordered, packed_order, result_of
from netts.compiler.operand import Frame, Operand, Steps
from netts.compiler.pairing import pairs
from netts.compiler.views import collapsed, dense_steps, readable

BLOCKS = (1, 2, 4, 8, 16)
"""Into how many blocks the rows of a product may be cut."""

LARGEST = 2**31 - 1
"""BLAS counts in 32 bits."""

LINE = 16
"""Scratch matrices start at multiples of so many elements, 64 bytes or more."""


@dataclass(frozen=True)
class Matrix:
    """An operand as BLAS reads it: in place, or packed into scratch.

    Attributes
    ----------
    order
        The indices in the order in which a packed matrix stores them, outermost first.
    outer_step, inner_step
        How far apart neighbours are, along the result's axis and along the sum.
    size
        The elements of scratch that it needs, 0 for a view.
    is_turned
        Whether it could be read in place, and is packed with its axes exchanged.
    """

    operand: Operand
    order: tuple[str, ...]
    outer_step: int
    inner_step: int
    size: int
    is_turned: bool = False


@dataclass(frozen=True)
class Split:
    """The index whose range is cut into blocks."""

    index: str
    block: int
    blocks: int


@dataclass(frozen=True)
class Plan:
    """A contraction ready to be printed.

    Attributes
    ----------
    hoisted
        Parallel indices; each combination of their values is a unit of work, times the blocks.
    batched, repeated
        Serial indices around the product: of the result, and of the sum.
    rows, columns, inner
        The indices that are collapsed into the axes of the product.
    total
        The place of each sum: in an array where `is_direct`, else in scratch.
    """

    frame: Frame
    hoisted: tuple[str, ...]
    split: Split | None
    batched: tuple[str, ...]
    repeated: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    inner: tuple[str, ...]
    left: Matrix
    right: Matrix
    total: Steps
    row_step: int
    column_step: int
    is_direct: bool
    seconds: float

    @property
    def units(self) -> int:
        """How many pieces of work there are; each always computes the same bits."""
        return self.frame.volume(self.hoisted) * (self.split.blocks if self.split else 1)

    @property
    def total_size(self) -> int:
        """The elements of scratch for the sums of a unit."""
        if self.is_direct:
            return 0
        sizes = [self.counted(one) for one in (*self.batched, *self.rows, *self.columns)]
        return math.prod(sizes)

    def counted(self, index: str) -> int:
        """Return how many values of an index one product covers at most."""
        if self.split is not None and self.split.index == index:
            return self.split.block
        return self.frame.extents[index].count

    @property
    def sides(self) -> tuple[int, int, int]:
        """The rows, columns and terms of one product."""
        m, n, k = (
            math.prod(self.counted(one) for one in group)
            for group in (self.rows, self.columns, self.inner)
        )
        return m, n, k

    @property
    def is_plain(self) -> bool:
        """Whether nothing is left to do after the products."""
        return self.is_direct and self.frame.contraction.is_plain

    @property
    def scratch_elements(self) -> int:
        """The elements of scratch that one unit needs."""
        return sum(_rounded(one) for one in (self.left.size, self.right.size, self.total_size))


def choose(frame: Frame) -> Plan | str:
    """Return the best way to compute a contraction, or the reason to leave the loops alone."""
    best = min(plans(frame), key=cost.rank, default=None)
    if best is None:
        return "the factors do not make two operands with an index of the sum in common"
    if cost.is_direct_faster(best):
        direct, product = cost.direct_seconds(frame) * 1e6, cost.plan_seconds(best) * 1e6
        return f"loops are faster here: about {direct:.2g} us, and {product:.2g} us by BLAS"
    return best


def plans(frame: Frame) -> Iterator[Plan]:
    """Yield the ways to compute a contraction."""
    found = frame.contraction
    for left, right in pairs(frame):
        if not left.indices & right.indices & {one.index for one in found.inner}:
            continue
        yield from _Planner(frame, left, right).plans()


LEAST_BLOCK = 128
"""Rows that a block of a result should have that the nest reads again in place. 512 of 1024, into
the result and not into scratch, save a tenth of the time (bench/test_kernels.py, one core)."""


class _Planner:
    """Plans for one pair of operands."""

    def __init__(self, frame: Frame, left: Operand, right: Operand) -> None:
        self.frame, self.left, self.right = frame, left, right
        self.groups = Groups.of(frame, left, right)
        self.out = result_of(frame, self.groups)

    def plans(self) -> Iterator[Plan]:
        groups = self.groups
        row_prefixes = self._prefixes(groups.rows, groups.parallel)
        column_prefixes = self._prefixes(groups.columns, groups.parallel)
        inner_prefixes = self._prefixes(groups.inner, frozenset(groups.inner))
        for n_rows, n_columns, n_inner in itertools.product(
            row_prefixes, column_prefixes, inner_prefixes
        ):
            for out in (self.out, None) if self.out else (None,):
                for blocks in BLOCKS:
                    plan = self._plan(n_rows, n_columns, n_inner, out, blocks)
                    if plan is not None:
                        yield plan
                        yield from self._with_one_turned(plan)

    @staticmethod
    def _prefixes(indices: tuple[str, ...], allowed: frozenset[str]) -> range:
        count = 0
        while count < len(indices) and indices[count] in allowed:
            count += 1
        return range(count + 1)

    def _plan(
        self, n_rows: int, n_columns: int, n_inner: int, out: Steps | None, blocks: int
    ) -> Plan | None:
        frame, groups = self.frame, self.groups
        hoisted = (*groups.batch, *groups.rows[:n_rows], *groups.columns[:n_columns])
        repeated = groups.inner[:n_inner]
        rows = ordered(groups.rows[n_rows:], out or self.left.view)
        columns = ordered(groups.columns[n_columns:], out or self.right.view)
        inner = inner_order(groups.inner[n_inner:], (self.left, self.right), frame.extents)
        split = self._split(rows, columns, inner, out, blocks)
        if split is None and blocks > 1:
            return None
        if (
            split is not None
            and out is not None
            and not frame.contraction.is_plain
            and (split.index not in rows or split.block < LEAST_BLOCK)
        ):
            # Blocks of a result that the nest reads again in place: their rows are far apart in
            # memory, or the products are low. 128 x 10 x 1024 took 310 us, or 100 in one piece.
            return None
        left = self._matrix(self.left, rows, inner, split)
        right = self._matrix(self.right, columns, inner, split)
        counts = {one: frame.extents[one].count for one in (*rows, *columns, *inner)}
        if split is not None:
            counts[split.index] = split.block
        m, n = math.prod(counts[one] for one in rows), math.prod(counts[one] for one in columns)
        if out is not None:
            down, right_step = (
                collapsed(group, out.of, frame.extents) for group in (rows, columns)
            )
            steps = readable(down, m, right_step, n)
            if steps is None:
                return None
            total, (row_step, column_step) = out, steps
        else:
            # The nest reads the sums with its innermost index running fastest.
            is_turned = frame.contraction.outer[-1].index in rows
            names = (*columns, *rows) if is_turned else (*rows, *columns)
            row_step, column_step = (1, m) if is_turned else (n, 1)
            sizes = counts | {one: frame.extents[one].count for one in groups.batched}
            total = Steps("", 0, dense_steps((*groups.batched, *names), sizes))
        plan = Plan(
            frame, hoisted, split, groups.batched, repeated, rows, columns, inner,
            left, right, total, row_step, column_step, out is not None, 0.0,
        )  # fmt: skip
        k = math.prod(counts[one] for one in inner)
        steps_of = [step for one in (left, right) for step in (one.outer_step, one.inner_step)]
        reach = max(m, n, k, row_step, column_step, *steps_of)
        is_small = reach <= LARGEST and plan.scratch_elements <= cost.SCRATCH_ELEMENTS
        return plan if is_small else None

    @staticmethod
    def _with_one_turned(plan: Plan) -> Iterator[Plan]:
        """Yield the plan with one operand turned, where that may be worth its time."""
        left, right = in_place.turnable(plan)
        if left:
            yield replace(plan, left=_turned(plan, plan.left, plan.rows))
        if right:
            yield replace(plan, right=_turned(plan, plan.right, plan.columns))

    def _split(
        self, rows: tuple[str, ...], columns: tuple[str, ...], inner: tuple[str, ...],
        out: Steps | None, blocks: int,
    ) -> Split | None:  # fmt: skip
        """Return the outermost parallel index of the longer side, cut into blocks."""
        if blocks == 1:
            return None
        extents = self.frame.extents
        sides = (columns, rows) if self._turns_columns(columns, inner, out) else (rows, columns)
        for group in sorted(sides, key=self.frame.volume, reverse=True):
            long = [one for one in group if extents[one].count > 1]
            if long and long[0] in self.groups.parallel and extents[long[0]].count >= blocks:
                block = -(-extents[long[0]].count // blocks)
                return Split(long[0], block, -(-extents[long[0]].count // block))
        return None

    def _turns_columns(
        self, columns: tuple[str, ...], inner: tuple[str, ...], out: Steps | None
    ) -> bool:
        """Whether BLAS packs the right operand in a way that should be done once.

        It packs it anew for each block of rows, and turns it where both operands run along the
        sum. In float32 blocks of columns then take some 10 % less, in float64, where multiplying
        takes twice as long, no less (bench/results/blas-libraries-2026-11-23.md).
        """
        if out is None or self.frame.dtype != "float32" or self.frame.volume(inner) == 1:
            return False
        seen = [one.view.of if one.view else None for one in (self.left, self.right)]
        along = [one is not None and collapsed(inner, one, self.frame.extents) == 1 for one in seen]
        return all(along) and collapsed(columns, out.of, self.frame.extents) == 1

    def _matrix(
        self, operand: Operand, outer: tuple[str, ...], inner: tuple[str, ...], split: Split | None
    ) -> Matrix:
        extents = self.frame.extents
        counts = {one: extents[one].count for one in (*outer, *inner)}
        if split is not None and split.index in counts:
            counts[split.index] = split.block
        m, k = math.prod(counts[one] for one in outer), math.prod(counts[one] for one in inner)
        if operand.view is not None:
            down, along = (collapsed(group, operand.view.of, extents) for group in (outer, inner))
            steps = readable(down, m, along, k)
            if steps is not None:
                return Matrix(operand, (), *steps, 0)
        order = packed_order(operand, outer, inner, extents)
        steps = (k, 1) if order == (*outer, *inner) else (1, m)
        return Matrix(operand, order, *steps, m * k)


def _turned(plan: Plan, matrix: Matrix, side: tuple[str, ...]) -> Matrix:
    """Return an operand that lies along the sum as it is packed with its axes exchanged."""
    order = (*plan.inner, *side)
    count = math.prod(plan.counted(one) for one in side)
    size = math.prod(plan.counted(one) for one in order)
    return Matrix(matrix.operand, order, 1, count, size, is_turned=True)


def _rounded(elements: int) -> int:
    return -(-elements // LINE) * LINE
