"""What a change did: the rounds of one file beside those of another."""

from __future__ import annotations

from bench.errors import BenchError
from bench.markdown import ratio, table
from bench.measurements import Measured, Series, described
from bench.page import SMOKE_REMARK, quantity

HEADER = ("question", "case", "library", "A", "B", "B / A", "verdict")


def comparison(a: Measured, b: Measured) -> str:
    """Return a page: medians of both, their ratio, and whether they differ by more than the spread.

    Raises
    ------
    BenchError
        If they have no case in common.
    """
    in_a, in_b = ({one.key: one for one in side.series} for side in (a, b))
    common = [key for key in in_a if key in in_b and in_a[key].unit == in_b[key].unit]
    if not common:
        raise BenchError(
            "the two files have no case in common: "
            f"A has {_first(a)} and others, B has {_first(b)} and others"
        )
    lines = [f"- {name}: {_about(side)}" for name, side in (("A", a), ("B", b))]
    if (a.machine, a.packages) != (b.machine, b.packages):
        lines.append("- **They differ in machine or versions, not only in commits.**")
    if a.is_smoke or b.is_smoke:
        lines.append(f"- {SMOKE_REMARK}")
    rows = [_row(in_a[key], in_b[key]) for key in common]
    left_out = len(in_a.keys() ^ in_b.keys())
    end = [f"{left_out} cases are in one of the two only."] if left_out else []
    return "\n\n".join(["\n".join(lines), table(HEADER, rows), *end])


def _about(side: Measured) -> str:
    return f"commit {side.commit}, {side.date}; {described(side)}"


def _first(side: Measured) -> str:
    suite, case, library = side.series[0].key
    return f"{suite}: {case}, {library}"


def _row(a: Series, b: Series) -> list[str]:
    medians = [quantity(one.median, one.unit) for one in (a, b)]
    quotient = ratio(b.median / a.median) if a.median else ""
    return [*a.key, *medians, quotient, verdict(a, b)]


def verdict(a: Series, b: Series) -> str:
    """Return in a word whether B is less than A, or more, by more than rounds differ.

    It is where medians are further apart than the quartiles of the rounds of either.
    """
    if a.spread is None or b.spread is None:
        return "one round: unknown"
    difference = b.median - a.median
    if abs(difference) <= max(a.spread, b.spread):
        return "within the spread"
    if a.unit.startswith("seconds"):
        return "faster" if difference < 0 else "slower"
    return "less" if difference < 0 else "more"
