"""How a contraction is computed on a GPU: as few and as large products as possible.

Indices of both operands, and as many of the outermost ones of each as pay, become the batch of one
call of cuBLAS, where a step of them is a constant step in both operands and in the result; where it
is not, they become several calls. The others collapse into rows, columns and sums. An operand that
is no matrix view is packed, for all indices at once. All ways to do so are tried on paper and the
one with the least estimated time is taken (`cost`): whether the images of a convolution are rows of
one product, say, or a batch of products with the same weights.

Everything depends on shapes alone, so the bits of a result do too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

from netts.compiler.cuda import cost
from netts.compiler.cuda.cost import ProductRule
from netts.compiler.cuda.product_plan import Factor, Layout, ProductPlan
from netts.compiler.grouping import Groups, inner_order, ordered, packed_order, result_of
from netts.compiler.operand import Frame, Operand, Steps
from netts.compiler.pairing import pairs
from netts.compiler.views import collapsed, dense_steps, readable


def choose(frame: Frame, rule: ProductRule) -> tuple[ProductPlan, ...] | str:
    """Return how to compute a contraction, block by block, or why its loops are left alone."""
    every = list(plans(frame))
    if not every:
        return "the factors do not make two operands with an index of the sum in common"
    matrices = [
        one
        for one in every
        if min(one.sizes[:2]) >= rule.least_side and one.n_calls <= rule.most_products
    ]
    if not matrices:
        return f"loops are faster here: a factor has less than {rule.least_side} rows or columns"
    matrices += [one for whole in matrices for one in _with_parts(whole, rule)]
    best = min(matrices, key=_rank)
    if best.multiply_adds < rule.least_multiply_adds:
        return (
            f"loops are faster here: {best.multiply_adds} multiplications, and cuBLAS pays from "
            f"{rule.least_multiply_adds} on"
        )
    if rule.missing is not None:
        return f"cuBLAS would do it, but {rule.missing}"
    return _blocks(best, rule.scratch_bytes)


def _rank(plan: ProductPlan) -> tuple[float, int]:
    return cost.plan_seconds(plan), plan.scratch_bytes


def plans(frame: Frame) -> Iterator[ProductPlan]:
    """Yield the ways to compute a contraction."""
    inner = {one.index for one in frame.contraction.inner}
    for left, right in pairs(frame):
        if not left.indices & right.indices & inner:
            continue
        groups = Groups.of(frame, left, right)
        for n_rows, n_columns, is_direct in itertools.product(
            range(len(groups.rows) + 1), range(len(groups.columns) + 1), (True, False)
        ):
            layout = Layout(left.factors, n_rows, n_columns, is_direct)
            plan = _laid_out(frame, left, right, layout)
            if plan is None:
                continue
            yield plan
            if plan.n_calls > 1:
                for packs in ((True, False), (False, True), (True, True)):
                    other = _laid_out(frame, left, right, replace(layout, packs=packs))
                    assert other is not None
                    yield other


def _with_parts(plan: ProductPlan, rule: ProductRule) -> Iterator[ProductPlan]:
    """Yield a plan with its sums divided, where they are long and a nest does nothing but use them.

    A block of threads adds up the parts of a sum, so the nest has to be of one iteration for each.
    """
    nest_wide = all(
        plan.frame.extents[one.index].is_parallel for one in plan.frame.contraction.outer
    )
    *_, length = plan.sizes
    parts = _divisor(length, max(1, min(rule.most_parts, length // rule.least_part)))
    if plan.is_direct or not nest_wide or length < rule.least_divided or parts == 1:
        return
    calls = (*plan.calls, *plan.batch)
    layout = replace(plan.layout, parts=parts)
    divided = replace(plan, layout=layout, calls=calls, batch=())
    if divided.n_calls <= rule.most_products and divided.scratch_bytes <= rule.scratch_bytes:
        yield divided


def _divisor(number: int, most: int) -> int:
    """Return the largest divisor of a number up to so many."""
    return next(one for one in range(most, 0, -1) if number % one == 0)


def _laid_out(frame: Frame, left: Operand, right: Operand, layout: Layout) -> ProductPlan | None:
    """Return a contraction in a layout, None where the result cannot be written like that."""
    groups, extents = Groups.of(frame, left, right), frame.extents
    out = result_of(frame, groups) if layout.is_direct else None
    if layout.is_direct and out is None:
        return None
    around = (
        *groups.batch, *groups.batched,
        *groups.rows[: layout.hoisted_rows], *groups.columns[: layout.hoisted_columns],
    )  # fmt: skip
    around = ordered(around, out or left.view or right.view)
    rows = ordered(groups.rows[layout.hoisted_rows :], out or left.view)
    columns = ordered(groups.columns[layout.hoisted_columns :], out or right.view)
    inner = inner_order(groups.inner, (left, right), extents)
    first = _factor(frame, left, around, rows, inner, layout.packs[0])
    second = _factor(frame, right, around, columns, inner, layout.packs[1])
    if out is None:
        # Neighbouring threads differ in the innermost index, and should find neighbouring sums.
        is_turned = frame.contraction.outer[-1].index in rows
        names = (*around, *columns, *rows) if is_turned else (*around, *rows, *columns)
        out = Steps("", 0, dense_steps(names, {one: extents[one].count for one in names}))
    elif not _is_matrix(frame, out, rows, columns) or not groups.parallel.issuperset(around):
        # Steps of a serial index may come back to an element, as along diagonals.
        return None
    batch = _batch(frame, around, (first.steps, second.steps, out))
    calls = tuple(one for one in around if one not in batch)
    return ProductPlan(frame, layout, calls, batch, rows, columns, inner, first, second, out)


def _factor(
    frame: Frame,
    operand: Operand,
    around: tuple[str, ...],
    outer: tuple[str, ...],
    inner: tuple[str, ...],
    is_packed: bool,
) -> Factor:
    """Return an operand in place where it is a matrix there and need not be packed, else packed."""
    if not is_packed and operand.view is not None and _is_matrix(frame, operand.view, outer, inner):
        return Factor(operand, (), operand.view, 0)
    mine = tuple(one for one in around if one in operand.indices)
    order = (*mine, *packed_order(operand, outer, inner, frame.extents))
    steps = dense_steps(order, {one: frame.extents[one].count for one in order})
    return Factor(operand, order, Steps("", 0, steps), frame.volume(order))


def _is_matrix(frame: Frame, place: Steps, rows: tuple[str, ...], columns: tuple[str, ...]) -> bool:
    down, along = (collapsed(one, place.of, frame.extents) for one in (rows, columns))
    return readable(down, frame.volume(rows), along, frame.volume(columns)) is not None


def _batch(
    frame: Frame, around: tuple[str, ...], places: tuple[Steps, Steps, Steps]
) -> tuple[str, ...]:
    """Return the most of some indices that are a constant step in operands and result."""
    chosen: tuple[str, ...] = ()
    for size in range(1, len(around) + 1):
        for some in itertools.combinations(around, size):
            steps = [collapsed(some, one.of, frame.extents) for one in places]
            if all(one is not None and one >= 0 for one in steps) and (
                frame.volume(some) >= frame.volume(chosen)
            ):
                chosen = some
    return chosen


# ---------------------------------------------------------------- blocks


def _blocks(plan: ProductPlan, most_bytes: int) -> tuple[ProductPlan, ...] | str:
    """Return a plan in as few blocks as keep scratch small."""
    if plan.scratch_bytes <= most_bytes:
        return (plan,)
    found = [
        _divided(plan, index, block)
        for index in _divisible(plan)
        if (block := _largest_block(plan, index, most_bytes)) is not None
    ]
    if not found:
        return f"it would take {plan.scratch_bytes} bytes of scratch, more than {most_bytes}"
    return min(found, key=lambda blocks: sum(map(cost.plan_seconds, blocks)))


def _divided(plan: ProductPlan, index: str, block: int) -> tuple[ProductPlan, ...]:
    """Return a plan in blocks of so many values of an index; those of a sum add to one another."""
    count, is_summed = plan.frame.extents[index].count, index in plan.inner
    every = []
    for low in range(0, count, block):
        one = _within(plan, index, low, min(block, count - low))
        assert one is not None
        every.append(replace(one, continues=is_summed and low > 0))
    return tuple(every)


def _largest_block(plan: ProductPlan, index: str, most_bytes: int) -> int | None:
    """Return how many values of an index fit scratch at once, None where no single one does."""
    block = plan.frame.extents[index].count
    while block > 1:
        block = -(-block // 2)
        first = _within(plan, index, 0, block)
        if first is not None and first.scratch_bytes <= most_bytes:
            return block
    return None


def _divisible(plan: ProductPlan) -> Iterator[str]:
    """Yield the outermost index of each axis, where the nest may run in blocks of it."""
    extents = plan.frame.extents
    for group in (plan.calls, plan.batch, plan.rows, plan.columns, plan.inner):
        long = [one for one in group if extents[one].count > 1]
        if long and (extents[long[0]].is_parallel or group == plan.inner):
            yield long[0]


def _within(plan: ProductPlan, index: str, low: int, count: int) -> ProductPlan | None:
    """Return the part of a plan in which an index takes some of its values."""
    whole = plan.frame.extents[index]
    part = replace(whole, first=whole.first + low * whole.step, count=count)
    extents: Mapping = {**plan.frame.extents, index: part}
    frame = replace(plan.frame, extents=extents)
    for left, right in pairs(frame):
        if left.factors == plan.layout.left_factors:
            return _laid_out(frame, left, right, plan.layout)
    return None


def is_same(factor: Factor, plan: ProductPlan, other: ProductPlan) -> bool:
    """Whether an operand of one block is packed alike for another."""
    ranges = [[one.frame.extents[index] for index in factor.order] for one in (plan, other)]
    return factor in (other.left, other.right) and ranges[0] == ranges[1]
