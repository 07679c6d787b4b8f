"""How many threads a block has that shares an iteration, and how many blocks share one.

Where iterations are too few to fill a GPU even with a block each, and their sums are very long, as
in the gradient of a convolution's bias, several blocks each take a part of every sum.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from netts.compiler.affine import evaluate
from netts.compiler.bound import Bound
from netts.compiler.cuda.program import Geometry
from netts.compiler.nest import Loop, Nest, stores

WARP = 32
"""Threads of a block at least: so many run together in any case."""

TURNS = 2
"""Iterations of its longest loop that a thread should have, where blocks can be that small."""


@dataclass(frozen=True)
class Shared:
    """A loop that the threads of a block share.

    Attributes
    ----------
    reductions
        The scalars that it reduces, and how.
    inner
        The only thing in it, a loop that is shared together with it: threads take pairs of both
        indices.
    is_repeated
        Whether it stands in a loop that every thread runs.
    """

    reductions: Mapping[str, str]
    inner: Loop | None
    is_repeated: bool


@dataclass(frozen=True)
class Rows:
    """A nest whose iterations are shared by blocks.

    Attributes
    ----------
    shared
        The loops that threads share, by id.
    threads
        Of a block.
    divided
        Which of these loops, in order, several blocks share.
    parts
        How many blocks.
    iterations
        Of the nest, where its loops are divided.
    """

    shared: Mapping[int, Shared]
    threads: int
    divided: tuple[Loop, ...] = ()
    parts: int = 1
    iterations: int = 0


def count_iterations(bound: Bound, nest: Nest) -> int | None:
    """Return how many iterations a nest has, None where data decide."""
    extents = [evaluate(axis.extent, bound.symbols) for axis in nest.axes]
    known = [max(one, 0) for one in extents if one is not None]
    return math.prod(known) if len(known) == len(extents) else None


def are_apart(bound: Bound, number: int) -> bool:
    """Whether a thread for each iteration would read memory far from its neighbours', by itself.

    Then threads of a block read it better together, however many iterations there are.
    """
    nest = bound.kernel.routine.phases[number]
    assert isinstance(nest, Nest)
    axes = set(nest.indices)
    for one in bound.kernel.accesses[number]:
        indices = [frozenset[str]() if s is None else s.indices for s in one.subscripts]
        own = axes & frozenset[str]().union(*indices)
        unit = bound.binding.unit_axes[one.array]
        if None in one.subscripts or unit is None or nest.indices[-1] in indices[unit]:
            return False
        if own and own != axes:  # neighbours read some of the same, which a cache has
            return False
    return True


def block_threads(longest: int, most: int) -> int:
    """Return of how many threads a block is that shares loops; a power of two."""
    threads = most
    while threads > WARP and threads * TURNS > longest:
        threads //= 2
    return threads


def divided(bound: Bound, nest: Nest, rows: Rows, count: int, geometry: Geometry) -> Rows:
    """Return how several blocks share an iteration, where one for each would leave a GPU idle.

    They share what only sums: before they have, nothing is stored.
    """
    divided: list[Loop] = []
    parts = geometry.row_blocks // count
    for statement in nest.body:
        if any(stores((statement,))):
            break
        if not isinstance(statement, Loop) or id(statement) not in rows.shared:
            continue
        inner = rows.shared[id(statement)].inner
        length = length_of(bound, statement) * (1 if inner is None else length_of(bound, inner))
        possible = min(parts, length // geometry.part_terms)
        if possible > 1:
            divided.append(statement)
            parts = possible
    if not divided:
        return rows
    return dataclasses.replace(rows, divided=tuple(divided), parts=parts, iterations=count)


def length_of(bound: Bound, loop: Loop) -> int:
    """Return how often a loop runs, 0 where data decide."""
    start, stop = (evaluate(one, bound.symbols) for one in (loop.start, loop.stop))
    return 0 if start is None or stop is None else len(range(start, stop, loop.step))
