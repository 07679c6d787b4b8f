"""The page of a machine: a table for each question, medians and spread, and ratios to netts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from bench.markdown import duration, ratio, table, three_digits
from bench.measurements import OURS, Measured, Series, described
from bench.questions import QUESTIONS

EXPLANATION = (
    "Medians over rounds in which the libraries take turns, each in a process of its own; ± is "
    "half the distance between the quartiles, and the ratio in brackets is to netts: above 1x "
    "netts is faster, or takes less memory."
)

SMOKE_REMARK = "**Of a smoke test: these numbers mean nothing.**"


def page(measured: Measured, command: str, plots: dict[str, str], title: str) -> str:
    """Return the page of what was measured.

    Parameters
    ----------
    measured : Measured
    command : str
        What made the page.
    plots : dict of str to str
        File of the plot by suite.
    title : str
    """
    parts = [
        f"# {title}",
        *([SMOKE_REMARK] if measured.is_smoke else []),
        f"`{command}`",
        f"{described(measured)}; commit {measured.commit}; {measured.date}.",
        EXPLANATION,
    ]
    for suite, series in by_suite(measured.series).items():
        parts += [f"## {heading(suite)}", f"`python -m bench run {suite}`"]
        parts += tables(series)
        if suite in plots:
            parts.append(f"![{heading(suite)}]({plots[suite]})")
    return "\n\n".join(parts) + "\n"


def heading(suite: str) -> str:
    """Return what a suite asks, in a line."""
    asks = QUESTIONS[suite].asks if suite in QUESTIONS else suite
    return asks[0].upper() + asks[1:]


def by_suite(series: Iterable[Series]) -> dict[str, list[Series]]:
    """Return the series of each suite, in the order of the questions."""
    found: dict[str, list[Series]] = {name: [] for name in QUESTIONS}
    for one in series:
        found.setdefault(one.suite, []).append(one)
    return {suite: all_ for suite, all_ in found.items() if all_}


def tables(series: Sequence[Series]) -> list[str]:
    """Return the tables of a suite, one for each unit, what netts is behind in, and details."""
    parts = []
    for unit, all_ in itertools.groupby(sorted(series, key=_unit), key=_unit):
        parts.append(_medians(unit, list(all_)))
    behind = [line for one in series if (line := _behind(one, series))]
    if any(one.library == OURS for one in series) and len({one.library for one in series}) > 1:
        parts.append("netts is behind in: " + ("; ".join(behind) if behind else "none") + ".")
    noted = [one for one in series if one.details]
    return [*parts, _noted(noted)] if noted else parts


def _unit(one: Series) -> str:
    return one.unit


def _medians(unit: str, series: Sequence[Series]) -> str:
    libraries = list(dict.fromkeys(one.library for one in series))
    libraries.sort(key=lambda library: library != OURS)
    cells: dict[str, dict[str, Series]] = {}
    for one in series:
        cells.setdefault(one.case, {})[one.library] = one
    header = [f"{unit}", *libraries]
    rows = [
        [case, *(_cell(found.get(library), found.get(OURS)) for library in libraries)]
        for case, found in cells.items()
    ]
    return table(header, rows)


def _cell(one: Series | None, ours: Series | None) -> str:
    if one is None:
        return ""
    text = quantity(one.median, one.unit)
    if one.spread is not None and one.median:
        text += f" ± {one.spread / 2 / one.median:.0%}".replace("%", " %")
    if ours is None or one.library == OURS or not ours.median:
        return text
    return f"{text} ({ratio(one.median / ours.median)})"


def quantity(value: float, unit: str) -> str:
    """Return a number in its unit, seconds in the one that is read best."""
    return duration(value) if unit.startswith("seconds") else f"{three_digits(value)} {unit}"


def _behind(one: Series, series: Sequence[Series]) -> str:
    ours = next((s for s in series if (s.case, s.library) == (one.case, OURS)), None)
    if ours is None or one.library == OURS or one.median >= ours.median:
        return ""
    return f"{one.case} ({one.library} {ratio(one.median / ours.median)})"


def _noted(series: Sequence[Series]) -> str:
    names = list(dict.fromkeys(name for one in series for name in one.details))
    rows = [
        [one.case, one.library, *(_detail(one.details.get(name)) for name in names)]
        for one in series
    ]
    return table(["noted beside", "library", *names], rows)


def _detail(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
