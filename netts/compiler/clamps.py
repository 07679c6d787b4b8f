"""Clamps of loop bounds that do nothing with given shapes, as `max(top, 0)` where top is positive.

A pooling window that lies inside of every image has loops of a fixed length once its clamps are
gone, and the code around them vectorises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netts.compiler.access import Access, Range, Scope
from netts.compiler.affine import Polynomial, at
from netts.compiler.bounds import Ranges
from netts.compiler.nest import Apply, Expr


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
    seen: set[int] = set()
    for one in touched:
        for place, loop in enumerate(one.scope):
            if not isinstance(loop, Range) or id(loop) in seen:
                continue
            seen.add(id(loop))
            for bound, known, above in (
                (loop.low, loop.lowers, True),
                (loop.high, loop.uppers, False),
            ):
                if not _is_clamp(bound, known, above):
                    continue
                chosen = _dominant(one.scope[:place], known, symbols, above=above)
                # An expression that stands in several loops is settled only if it is in all.
                if settled.setdefault(id(bound), chosen) != chosen:
                    settled[id(bound)] = None
    return {node: chosen for node, chosen in settled.items() if chosen is not None}


def _is_clamp(bound: Expr | None, known: tuple[Polynomial, ...], above: bool) -> bool:
    if not isinstance(bound, Apply) or bound.function != ("max" if above else "min"):
        return False
    return len(known) == len(bound.arguments) == 2


def _dominant(
    scope: Scope, known: tuple[Polynomial, ...], symbols: Mapping[Expr, int], *, above: bool
) -> int | None:
    """Return which of two bounds is never the weaker one, None where neither is."""
    forms = [at(one, symbols) for one in known]
    first, second = forms
    if first is None or second is None:
        return None
    ranges = Ranges(scope, symbols)
    difference = first.combined(second, -1)
    low, high = ranges.bound(difference, below=True), ranges.bound(difference, below=False)
    if low is not None and low >= 0:
        return 0 if above else 1
    if high is not None and high <= 0:
        return 1 if above else 0
    return None
