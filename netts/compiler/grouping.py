"""Which indices of a contraction are rows, which are columns, and where its product may be put."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netts.compiler.operand import Extent, Frame, Operand, Steps
from netts.compiler.views import collapsed


@dataclass(frozen=True)
class Groups:
    """The indices of a contraction by the operands that vary with them, outermost first.

    Attributes
    ----------
    rows, columns
        Of the left operand alone, and of the right one.
    batch, batched
        Of both and of the result: parallel ones, and serial ones.
    inner
        Those that are summed over.
    parallel
        All parallel indices.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    batch: tuple[str, ...]
    batched: tuple[str, ...]
    inner: tuple[str, ...]
    parallel: frozenset[str]

    @staticmethod
    def of(frame: Frame, left: Operand, right: Operand) -> Groups:
        """Group the indices of a contraction for a pair of operands."""
        outer = [one.index for one in frame.contraction.outer]
        both = left.indices & right.indices
        shared = [one for one in outer if one in both]
        parallel = frozenset(one for one in outer if frame.extents[one].is_parallel)
        return Groups(
            tuple(one for one in outer if one in left.indices - both),
            tuple(one for one in outer if one in right.indices - both),
            tuple(one for one in shared if one in parallel),
            tuple(one for one in shared if one not in parallel),
            tuple(one.index for one in frame.contraction.inner),
            parallel,
        )


def result_of(frame: Frame, groups: Groups) -> Steps | None:
    """Return where the product may be put directly, None where it may not."""
    found = frame.contraction
    if found.result is None or groups.batched:
        return None
    if frame.arrays[found.result.array].dtype != frame.dtype:
        return None
    # The product writes every element of a box, all of which the nest has to write too.
    if not all(one.is_box for one in found.outer):
        return None
    if not frame.is_in_range(found.result, ()):
        return None
    out = frame.steps(found.result)
    known = {*groups.rows, *groups.columns, *groups.batch}
    long = [one for one in known if frame.extents[one].count > 1]
    if known != {one.index for one in found.outer} or not all(map(out.of.get, long)):
        return None
    return out


def ordered(indices: Sequence[str], by: Steps | None) -> tuple[str, ...]:
    """Return indices in the order in which an array stores them."""
    if by is None:
        return tuple(indices)
    return tuple(sorted(indices, key=lambda one: -by.of.get(one, 0)))


def inner_order(
    inner: Sequence[str], operands: Sequence[Operand], extents: Mapping[str, Extent]
) -> tuple[str, ...]:
    """Return the summed indices in the order that leaves most operands in place."""
    views = [one.view for one in operands]

    def collapses(order: tuple[str, ...]) -> int:
        found = [collapsed(order, one.of, extents) for one in views if one is not None]
        return sum(one is not None for one in found)

    return max((ordered(inner, one) for one in views), key=collapses)


def packed_order(
    operand: Operand, outer: tuple[str, ...], inner: tuple[str, ...], extents: Mapping[str, Extent]
) -> tuple[str, ...]:
    """Return the order of a packed matrix: what lies closest in memory runs fastest."""
    steps = next((one for one in operand.steps if one is not None), None)
    if steps is None:
        return (*outer, *inner)

    def closeness(group: tuple[str, ...]) -> tuple[int, int]:
        last = next((one for one in reversed(group) if extents[one].count > 1), None)
        step = abs(steps.of.get(last, 0)) if last is not None else 0
        return step or 1 << 62, -extents[last].count if last is not None else 0

    is_outer_last = closeness(outer) < closeness(inner)
    return (*inner, *outer) if is_outer_last else (*outer, *inner)
