"""Plots of a page: how many times netts's time the others take, and curves where cases make one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from bench.errors import BenchError
from bench.measurements import OURS, Series

DOTS_PER_INCH = 80
COLORS = ("#0b6e4f", "#c8553d", "#3d5a98", "#8a6fb0", "#b08900", "#5f6b6d")
MARKERS = "osD^vP"


def plot(series: Sequence[Series]) -> bytes | None:
    """Return a PNG of a suite's series, None where there is nothing to compare.

    Raises
    ------
    BenchError
        If matplotlib is missing.
    """
    libraries = list(dict.fromkeys(one.library for one in series))
    if OURS not in libraries or len(libraries) < 2:
        return None
    axes = list(dict.fromkeys(one.axis for one in series if one.axis))
    return curves(series, libraries, axes) if axes else _ratios(series, libraries)


def figure(width: float, height: float) -> Any:
    """Return a figure of so many inches that is drawn without a display."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BenchError(
            "plots need matplotlib: `pip install matplotlib`, or leave --out away for tables alone"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def png(drawn: Any) -> bytes:
    """Return a figure as a PNG of few bytes, the same for the same figure."""
    written = io.BytesIO()
    drawn.savefig(written, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return written.getvalue()


def style(libraries: Sequence[str], library: str) -> dict[str, Any]:
    """Return colour, marker and label of a library."""
    n = libraries.index(library)
    return {
        "color": COLORS[n % len(COLORS)], "marker": MARKERS[n % len(MARKERS)], "label": library,
    }  # fmt: skip


def curves(series: Sequence[Series], libraries: Sequence[str], axes: Sequence[str]) -> bytes:
    """Return a panel for each axis, a curve for each library."""
    drawn = figure(2.6 * len(axes), 3.2)
    panels = drawn.subplots(1, len(axes), squeeze=False)[0]
    for panel, axis in zip(panels, axes, strict=True):
        for library in libraries:
            found = sorted(
                (one.point, one.median)
                for one in series
                if (one.axis, one.library) == (axis, library)
            )
            panel.loglog(*zip(*found, strict=True), **style(libraries, library), markersize=4)
        # The sizes that were measured, as powers of ten say little of four depths.
        points = sorted({one.point for one in series if one.axis == axis})
        points = points[:: 1 + len(points) // 6]  # more would run into each other
        panel.set_xticks(points, [f"{point:,.0f}" for point in points], fontsize=8)
        panel.tick_params(axis="x", which="minor", labelbottom=False)
        panel.set_xlabel(axis)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(series[0].unit)
    drawn.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(libraries)
    )
    return png(drawn)


def _ratios(series: Sequence[Series], libraries: Sequence[str]) -> bytes | None:
    ours = {one.case: one.median for one in series if one.library == OURS}
    cases = [case for case in dict.fromkeys(one.case for one in series) if ours.get(case)]
    drawn = figure(7.0, 1.4 + 0.26 * len(cases))
    panel = drawn.subplots()
    for library in libraries:
        points = [
            (one.median / ours[one.case], cases.index(one.case))
            for one in series
            if one.library == library != OURS and one.case in cases
        ]
        if points:
            panel.plot(*zip(*points, strict=True), **style(libraries, library), linestyle="")
    panel.axvline(1.0, color=COLORS[0], label=OURS)
    panel.set_xscale("log")
    panel.set_yticks(range(len(cases)), cases, fontsize=8)
    panel.invert_yaxis()
    panel.set_xlabel("times netts's " + ("time" if "seconds" in series[0].unit else series[0].unit))
    panel.grid(alpha=0.3)
    drawn.legend(
        *panel.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8
    )
    return png(drawn)
