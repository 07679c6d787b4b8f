"""Which iterations of one nest belong to which of another, so that both can run as one.

Either the nests have the same axes, or the second is element-wise over an array that the first
writes: then its indices run over that array's dimensions. So an activation of (sample, feature)
rows runs inside a convolution over (sample, group, channel, row, column).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from netts.compiler.affine import evaluate
from netts.compiler.arguments import ArrayInfo, Checked, describe
from netts.compiler.bound import symbols_of
from netts.compiler.loops import Loops
from netts.compiler.nest import (
    Expr,
    Extent,
    Index,
    Load,
    Nest,
    Set,
    Store,
    all_expressions,
    body_of,
    children,
    expressions,
    loads,
    stores,
    walk_statements,
)
from netts.devices.memory import Buffer, BufferView


class NotFusableError(Exception):
    """Why two kernels stay two."""


def only_nest(loops: Loops) -> Nest | None:
    """Return a kernel's nest if nothing but scalars stands before it and nothing behind."""
    *before, last = loops.routine.phases
    is_only = isinstance(last, Nest) and all(isinstance(one, Set) for one in before)
    return last if is_only and isinstance(last, Nest) else None


@dataclass(frozen=True)
class Bound:
    """A kernel with its arguments, in the order of its parameters."""

    loops: Loops
    arguments: tuple[Any, ...]

    @cached_property
    def checked(self) -> Checked:
        """Its arguments, checked once; which of them are the same does not change."""
        return self.loops.checked(self.arguments)

    @property
    def arrays(self) -> dict[str, ArrayInfo]:
        """Its arrays, described: as they lie now, where they have got their memory meanwhile."""
        if any(buffer.is_attached for buffer in self._unplaced):
            return described(self.loops, self.arguments)
        return self.checked.arrays

    @cached_property
    def _unplaced(self) -> tuple[Buffer, ...]:
        """The buffers that had no memory when the arguments were checked."""
        arrays = self.checked.arrays
        named = zip(self.loops.parameters, self.arguments, strict=True)
        return tuple(
            value.buffer for name, value in named if name in arrays and not arrays[name].is_placed
        )

    @cached_property
    def symbols(self) -> dict[Expr, int]:
        """The values of everything in it that is known and integer."""
        return symbols_of(
            self.loops.routine, self.arrays, self.checked.numbers, self.loops.constants()
        )

    @cached_property
    def nest(self) -> Nest:
        """Its only nest."""
        nest = only_nest(self.loops)
        if nest is None:
            raise NotFusableError(f"{self.loops.routine.name} is more than one nest")
        return nest

    @cached_property
    def extents(self) -> tuple[int, ...]:
        """How far the axes of its nest run."""
        found = [evaluate(axis.extent, self.symbols) for axis in self.nest.axes]
        if None in found:
            raise NotFusableError(f"an extent of {self.loops.routine.name} depends on data")
        return tuple(one for one in found if one is not None)


Correspondence = tuple[tuple[str, tuple[str, ...]], ...]
"""For each parallel index of the second nest the indices of the first that take its place: several
where it ran over several dimensions laid out as one."""


def same_axes(first: Bound, second: Bound) -> Correspondence | None:
    """Return the correspondence of nests with the same axes, None where they are not."""
    if first.extents != second.extents:
        return None
    pairs = zip(second.nest.indices, first.nest.indices, strict=True)
    return tuple((one, (other,)) for one, other in pairs)


def over_array(
    first: Bound, second: Bound, array: str
) -> tuple[Correspondence, tuple[Any, ...]] | None:
    """Return how a nest runs over an array that another writes, None where it does not.

    Returns
    -------
    tuple of Correspondence and tuple
        And the arguments of the second under the shapes that its indices have now.
    """
    owners = _owners(first, array)
    over = None if owners is None else over_shape(second, first.arrays[array].shape)
    if owners is None or over is None:
        return None
    dimensions, arguments = over
    found = tuple((index, tuple(owners[d] for d in group)) for index, group in dimensions)
    return found, arguments


Dimensions = tuple[tuple[str, tuple[int, ...]], ...]
"""For each parallel index of a nest the dimensions of an array that it runs over."""


def over_shape(second: Bound, shape: Sequence[int]) -> tuple[Dimensions, tuple[Any, ...]] | None:
    """Return how a nest runs over the elements of an array of a shape, None where it does not.

    Returns
    -------
    tuple of Dimensions and tuple
        And its arguments under the shapes that its indices have then.
    """
    groups = _grouped(shape, second.extents)
    if groups is None:
        return None
    grouped = tuple(
        (index, tuple(group)) for index, group in zip(second.nest.indices, groups, strict=True)
    )
    sizes = {index: tuple(shape[d] for d in group) for index, group in grouped if len(group) > 1}
    if not _stand_alone(second, sizes):
        return None
    return grouped, tuple(_divided(second, sizes))


def _owners(first: Bound, array: str) -> list[str] | None:
    """Return which parallel index each dimension of an array is, None where some are not one."""
    extents = dict(zip(first.nest.indices, first.extents, strict=True))
    owners: set[tuple[str, ...]] = set()
    for one in stores(first.nest.body):
        if one.array == array:
            owners.add(tuple(s.name for s in one.subscripts if isinstance(s, Index)))
    if len(owners) != 1:
        return None
    (names,) = owners
    shape = first.arrays[array].shape
    is_whole = sorted(names) == sorted(extents) and tuple(map(extents.get, names)) == shape
    return list(names) if is_whole else None


def _grouped(shape: Sequence[int], extents: Sequence[int]) -> list[list[int]] | None:
    """Return which dimensions each extent is the product of, None where it is of none."""
    groups: list[list[int]] = []
    d = 0
    for extent in extents:
        group: list[int] = []
        while d < len(shape) and (not group or math.prod(shape[one] for one in group) < extent):
            group.append(d)
            d += 1
        if math.prod(shape[one] for one in group) != extent or not group:
            return None
        groups.append(group)
    if any(extent != 1 for extent in shape[d:]) or not groups:
        return None
    groups[-1] += range(d, len(shape))
    return groups


def _stand_alone(second: Bound, sizes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the indices that become several stand alone in subscripts only."""
    divided = {
        one.array
        for one in _elements(second)
        if any(isinstance(s, Index) and s.name in sizes for s in one.subscripts)
    }
    every = [e for phase in second.loops.routine.phases for e in all_expressions(body_of(phase))]
    if any(isinstance(one, Extent) and one.array in divided for one in every):
        return False
    return not any(
        isinstance(one, Index) and one.name in sizes
        for statement in walk_statements(second.nest.body)
        for expr in expressions(statement)
        for one in _outside_of_subscripts(expr, is_subscript=_is_subscript(statement, expr))
    )


def _is_subscript(statement: Any, expr: Expr) -> bool:
    return isinstance(statement, Store) and any(expr is one for one in statement.subscripts)


def _outside_of_subscripts(expr: Expr, *, is_subscript: bool) -> Iterator[Expr]:
    """Yield an expression's parts, but for an index that is a whole subscript."""
    if is_subscript and isinstance(expr, Index):
        return
    yield expr
    for child in children(expr):
        yield from _outside_of_subscripts(child, is_subscript=isinstance(expr, Load))


def _elements(second: Bound) -> Iterator[Load | Store]:
    """Yield every element that the body of a nest reads or writes."""
    yield from loads(second.nest.body)
    yield from stores(second.nest.body)


def _divided(second: Bound, sizes: Mapping[str, tuple[int, ...]]) -> Iterator[Any]:
    """Yield the arguments, with the dimensions divided that divided indices run over."""
    for name, value in zip(second.loops.parameters, second.arguments, strict=True):
        forms = {
            tuple(sizes.get(s.name) if isinstance(s, Index) else None for s in one.subscripts)
            for one in _elements(second)
            if one.array == name
        }
        if len(forms) > 1:
            raise NotFusableError(f"{name} is read in several ways")
        yield _view(value, forms.pop()) if forms else value


def _view(
    value: np.ndarray | BufferView, sizes: Sequence[tuple[int, ...] | None]
) -> np.ndarray | BufferView:
    """Return an array under a shape in which some of its dimensions are several."""
    if not any(sizes):
        return value
    shape: list[int] = []
    strides: list[int] = []
    for extent, stride, parts in zip(value.shape, value.strides, sizes, strict=True):
        parts = parts or (extent,)
        if math.prod(parts) != extent:
            raise NotFusableError("an array is longer than the loop over it")
        shape += parts
        strides += (stride * math.prod(parts[d + 1 :]) for d in range(len(parts)))
    return laid_out(value, (tuple(shape), tuple(strides)))


Layout = tuple[tuple[int, ...], tuple[int, ...]]
"""The shape of an array, and its strides in bytes."""


def laid_out(value: np.ndarray | BufferView, layout: Layout) -> np.ndarray | BufferView:
    """Return the memory of an array under another layout."""
    shape, strides = layout
    if isinstance(value, BufferView):
        return dataclasses.replace(value, shape=shape, strides=strides)
    return np.lib.stride_tricks.as_strided(value, shape, strides, writeable=value.flags.writeable)


def is_same(one: ArrayInfo, other: ArrayInfo) -> bool:
    """Whether two arrays are the same elements; the stride of a single element is nothing."""

    def layout(info: ArrayInfo) -> tuple[Any, ...]:
        steps = [s for s, n in zip(info.strides, info.shape, strict=True) if n > 1]
        return info.space, info.start, info.shape, info.dtype, steps

    return layout(one) == layout(other)


def described(loops: Loops, arguments: Sequence[Any]) -> dict[str, ArrayInfo]:
    """Return the arrays among arguments, described."""
    values = zip(loops.parameters, arguments, strict=True)
    return {name: describe(value) for name, value in values if name in loops.routine.ranks}
