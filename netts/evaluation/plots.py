"""Plots as SVG text, drawn by matplotlib: the same bytes for the same data."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from netts.evaluation.curves import Curve
from netts.evaluation.packages import imported
from netts.evaluation.svg import COLOR_OF, SERIES, inline

WIDTH = 5.0
"""Inches, 72 units of SVG each: with text of 10 units it can be read in 330 pixels of a phone."""

STYLE = {
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": COLOR_OF["muted"],
    "axes.labelcolor": COLOR_OF["ink"],
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": COLOR_OF["grid"],
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": COLOR_OF["ink"],
    "lines.linewidth": 1.8,
    "text.color": COLOR_OF["ink"],
    "text.parse_math": False,  # a class may be called $x$
    "text.usetex": False,
    "xtick.color": COLOR_OF["muted"],
    "ytick.color": COLOR_OF["muted"],
    "xtick.labelcolor": COLOR_OF["ink"],
    "ytick.labelcolor": COLOR_OF["ink"],
    "axes.unicode_minus": True,
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's font
    "svg.hashsalt": "netts",
    "path.simplify": True,
}

DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1)), (0, (8, 2)))
"""One for each colour, for those who print in black or see few colours."""

MAX_SERIES = 5
"""Lines of a plot that have a colour of their own; six cannot be told apart at a glance."""

MAX_OTHERS = 20
"""Lines in grey behind them."""

MAX_SCATTERED = 1000
"""Points of a scatter plot: 0.1 MB of SVG, and more would only hide one another."""

MAX_NAME, MAX_BAR_NAME = 22, 32
"""Characters of a name in a plot; the tables beside it have all of them."""

MAX_CELLS_WITH_NUMBERS = 12
MAX_CELLS_WITH_NAMES = 30
"""Classes of a confusion matrix whose cells have room for numbers, and rows for names."""

CHARACTERS_IN_A_ROW = 55
"""Of names below a confusion matrix; longer ones are turned."""

MAX_BARS = 12


@dataclass(frozen=True)
class Plot:
    """A plot and what it is called.

    Attributes
    ----------
    title : str
    svg : str
        An element to put in a page as it is.
    """

    title: str
    svg: str


def line_plot(
    name: str,
    title: str,
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    labels: tuple[str, str],
    *,
    is_logarithmic: bool = False,
) -> Plot:
    """Draw lines over whole numbers, each by its name."""

    def draw(axes: Any) -> None:
        for k, (line, (x, y)) in enumerate(lines.items()):
            marker = "o" if len(x) == 1 else None
            axes.plot(x, y, color=SERIES[k], linestyle=DASHES[k], label=shown(line), marker=marker)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        axes.xaxis.set_major_locator(imported("matplotlib.ticker").MaxNLocator(integer=True))
        if is_logarithmic:
            axes.set_yscale("log")
        if len(lines) > 1:
            axes.legend()

    return _plot(name, title, f"{labels[1]} over {labels[0]}: {', '.join(lines)}", draw)


def share_plot(
    name: str,
    title: str,
    curves: Sequence[tuple[str, Curve]],
    labels: tuple[str, str],
    *,
    has_diagonal: bool = False,
    marker: str | None = None,
    drawstyle: str = "default",
) -> Plot:
    """Draw curves between 0 and 1, the first in colour and those behind them in grey."""
    few = MAX_SERIES if len(curves) > len(SERIES) else len(SERIES)

    def draw(axes: Any) -> None:
        if has_diagonal:
            axes.plot([0, 1], [0, 1], color=COLOR_OF["muted"], linewidth=1, linestyle=DASHES[2])
        for k, (label, curve) in enumerate(curves[:few]):
            found = curve.thinned()
            axes.plot(
                found.x, found.y, color=SERIES[k], linestyle=DASHES[k], label=shown(label),
                marker=marker, markersize=4, drawstyle=drawstyle, zorder=3,
            )  # fmt: skip
        _draw_others(axes, [curve for _, curve in curves[few:]], drawstyle)
        axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_aspect("equal")
        if curves:
            axes.legend(loc="best", fontsize=9)

    return _plot(name, title, f"{labels[1]} over {labels[0]}", draw, height=4.6)


def _draw_others(axes: Any, curves: Sequence[Curve], drawstyle: str) -> None:
    """Draw curves in grey, at most `MAX_OTHERS`, under one name that says how many they are."""
    drawn = curves[:MAX_OTHERS]
    of_how_many = f" of {len(curves)}" if len(curves) > len(drawn) else ""
    for k, curve in enumerate(drawn):
        found = curve.thinned()
        axes.plot(
            found.x, found.y, color=COLOR_OF["muted"], linewidth=0.8, alpha=0.5,
            drawstyle=drawstyle, label=None if k else f"{len(drawn)}{of_how_many} other classes",
        )  # fmt: skip


def confusion_plot(name: str, title: str, matrix: np.ndarray, labels: Sequence[str]) -> Plot:
    """Draw a confusion matrix: each cell as strong in colour as its share of its row."""
    n_classes = len(labels)

    def draw(axes: Any) -> None:
        _draw_cells(axes, matrix)
        if n_classes <= MAX_CELLS_WITH_NUMBERS:
            for (row, column), count in np.ndenumerate(matrix):
                axes.text(
                    column, row, f"{count:,.6g}", color=COLOR_OF["ink" if count else "muted"],
                    ha="center", va="center", fontsize=10 if n_classes <= 8 else 8,
                )  # fmt: skip
        axes.set(
            xlabel="predicted", ylabel="true", aspect="equal",
            xlim=(-0.5, n_classes - 0.5), ylim=(n_classes - 0.5, -0.5),
        )  # fmt: skip
        if n_classes <= MAX_CELLS_WITH_NAMES:
            names = [shown(label) for label in labels]
            is_wide = n_classes * (max(map(len, names)) + 2) > CHARACTERS_IN_A_ROW
            axes.set_xticks(range(n_classes), names, rotation=90 if is_wide else 0, fontsize=9)
            axes.set_yticks(range(n_classes), names, fontsize=9)
        axes.tick_params(length=0)
        axes.grid(visible=False)

    description = f"the confusion matrix of {n_classes} classes, rows true, columns predicted"
    return _plot(name, title, description, draw, height=4.6)


def _draw_cells(axes: Any, matrix: np.ndarray) -> None:
    """Fill the cells that are not zero, those of the diagonal in a colour of their own."""
    rectangle = imported("matplotlib.patches").Rectangle
    totals = matrix.sum(axis=1)
    for row, column in zip(*np.nonzero(matrix), strict=True):
        share = float(matrix[row, column] / totals[row])
        axes.add_patch(
            rectangle(
                (column - 0.5, row - 0.5), 1, 1, linewidth=0,
                facecolor=SERIES[0 if row == column else 1], alpha=0.1 + 0.6 * share,
            )
        )  # fmt: skip


def scatter_plot(
    name: str,
    title: str,
    x: np.ndarray,
    y: np.ndarray,
    labels: tuple[str, str],
    *,
    reference: str,
) -> Plot:
    """Draw points, some of many, and a line where they should lie: "diagonal" or "zero"."""
    if len(x) > MAX_SCATTERED:
        some = np.random.default_rng(0).choice(len(x), MAX_SCATTERED, replace=False)
        x, y = x[np.sort(some)], y[np.sort(some)]

    def draw(axes: Any) -> None:
        axes.plot(
            x, y, linestyle="none", marker="o", markersize=4, markeredgewidth=0,
            color=SERIES[0], alpha=0.5,
        )  # fmt: skip
        if reference == "diagonal":
            axes.axline((float(x[0]), float(x[0])), slope=1, color=COLOR_OF["muted"], linewidth=1)
        else:
            axes.axhline(0, color=COLOR_OF["muted"], linewidth=1)
        axes.set(xlabel=labels[0], ylabel=labels[1])

    return _plot(name, title, f"{labels[1]} over {labels[0]}, {len(x):,} points", draw)


def histogram_plot(name: str, title: str, values: np.ndarray, labels: tuple[str, str]) -> Plot:
    """Draw how often values fall in which range."""

    def draw(axes: Any) -> None:
        axes.hist(values, bins=_bins(values), color=SERIES[0], alpha=0.7)
        # Numbers as long as -150000 stand side by side.
        axes.locator_params(axis="x", nbins=5)
        axes.axvline(0, color=COLOR_OF["muted"], linewidth=1)
        axes.set(xlabel=labels[0], ylabel=labels[1])

    return _plot(name, title, f"{labels[1]} by {labels[0]}", draw)


def _bins(values: np.ndarray) -> int | list[float]:
    """Return how many ranges of equal width; one around values that hardly differ."""
    middle, spread = float(values.mean()), float(np.ptp(values))
    width = max(abs(middle) * 1e-6, 1e-300)
    if spread < width:
        return [middle - width, middle + width]
    return min(30, max(5, int(len(values) ** 0.5)))


def bar_plot(name: str, title: str, bars: Mapping[str, float], label: str) -> Plot:
    """Draw horizontal bars, the first one on top; those beyond `MAX_BARS` as one."""
    named = list(bars.items())
    if len(named) > MAX_BARS:
        rest = named[MAX_BARS - 1 :]
        named = [*named[: MAX_BARS - 1], (f"{len(rest)} others", sum(value for _, value in rest))]

    def draw(axes: Any) -> None:
        places = range(len(named))
        axes.barh(places, [value for _, value in named], color=SERIES[0], alpha=0.8, height=0.7)
        axes.set_yticks(places, [shown(bar, MAX_BAR_NAME) for bar, _ in named], fontsize=9)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set(xlabel=label)

    return _plot(name, title, f"{label} of {len(bars)} operations", draw, height=1 + len(named) / 4)


def shown(text: str, most: int = MAX_NAME) -> str:
    r"""Return a name as a plot has it: on one line, not too long, and without control characters.

    Examples
    --------
    >>> shown("virginica"), shown("a\nb\0"), shown("la" * 100)
    ('virginica', 'a b�', 'lalalalalalalalalalal…')
    """
    clean = "".join(
        one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in str(text)
    )
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"


def _plot(
    name: str, title: str, description: str, draw: Callable[[Any], None], height: float = 3.6
) -> Plot:
    styles, figures = imported("matplotlib.style"), imported("matplotlib.figure")
    out = io.StringIO()
    with styles.context(["default", STYLE]), _without_complaints():
        figure = figures.Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(out, format="svg", metadata=nothing, transparent=True)
    return Plot(title, inline(out.getvalue(), name, title, description))


@contextmanager
def _without_complaints() -> Iterator[None]:
    """Draw whatever numbers, and characters that matplotlib's font lacks: the page's has them."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield
