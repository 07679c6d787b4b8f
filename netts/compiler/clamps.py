"""Clamps of loop bounds that do nothing with given shapes, as `max(top, 0)` where top is positive.

A pooling window that lies inside of every image has loops of a fixed length once its clamps are
gone, and the code around them vectorises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from netts.compiler.access import Access, Clamp, Range, Scope
from netts.compiler.affine import at
from netts.compiler.bounds import Ranges
from netts.compiler.nest import Expr


def settled_clamps(touched: Iterable[Access], symbols: Mapping[Expr, int]) -> dict[int, int]:
    """Return, by the id of a `max` or `min` in a loop's bounds, which argument it always is.

    Parameters
    ----------
    touched
        The accesses of a kernel, with the loops around them.
    symbols
        The values of everything that is known and integer.
    """
    settled: dict[int, int | None] = {}
    for scope, clamp in _clamps(touched):
        chosen = _dominant(scope, clamp, symbols)
        # An expression that stands in several loops is settled only if it is in all.
        if settled.setdefault(id(clamp.node), chosen) != chosen:
            settled[id(clamp.node)] = None
    return {node: chosen for node, chosen in settled.items() if chosen is not None}


def _clamps(touched: Iterable[Access]) -> Iterator[tuple[Scope, Clamp]]:
    """Yield each clamp of each loop, with what stands around that loop."""
    seen: set[int] = set()
    for one in touched:
        for place, loop in enumerate(one.scope):
            if isinstance(loop, Range) and id(loop) not in seen:
                seen.add(id(loop))
                for clamp in loop.clamps:
                    yield one.scope[:place], clamp


def _dominant(scope: Scope, clamp: Clamp, symbols: Mapping[Expr, int]) -> int | None:
    """Return which of two arguments a clamp always is, None where it may be either."""
    first, second = clamp.arguments
    difference = None if first is None or second is None else at(first - second, symbols)
    if difference is None:
        return None
    ranges = Ranges(scope, symbols)
    low, high = ranges.bound(difference, below=True), ranges.bound(difference, below=False)
    is_max = clamp.node.function == "max"
    if low is not None and low >= 0:
        return 0 if is_max else 1
    if high is not None and high <= 0:
        return 1 if is_max else 0
    return None
