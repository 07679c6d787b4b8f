"""A plan as a drawing: an SVG document of its recordings, one below the other."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from netts.devices.memory import Lifetime
from netts.errors import ParameterError
from netts.graph.description import PlanDescription
from netts.graph.layout import GAP, MARGIN
from netts.graph.recording_drawing import RecordingDrawing, dot
from netts.graph.svg import LINE, STYLE, element, escaped, line, text, width
from netts.persistence import replace_file

LEAST_WIDTH = 560.0
"""Of a drawing, so that what stands above its recordings has room."""


@dataclass(frozen=True, repr=False)
class Drawing:
    """An SVG drawing, which notebooks show.

    Attributes
    ----------
    svg : str
        It needs nothing from elsewhere, and nothing in it runs.
    title : str
        What it is a drawing of.
    """

    svg: str
    title: str = "a plan"

    def __repr__(self) -> str:
        return f"<drawing of {self.title}>"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an SVG file; one that is there is replaced as a whole.

        Raises
        ------
        ParameterError
            Where the name does not end in ".svg".
        ModelFileError
            Where the file cannot be written.
        """
        if Path(path).suffix.lower() != ".svg":
            raise ParameterError(f"a drawing is SVG: give it a name that ends in .svg, not {path}")
        replace_file(path, self.svg.encode())


def draw(plan: PlanDescription) -> Drawing:
    """Return the drawing of a plan."""
    sections = [RecordingDrawing(one, plan.device) for one in plan.recordings]
    wide = max([LEAST_WIDTH, *(one.width for one in sections)])
    facts = [*_wrapped(plan.title, "name ink", wide)]
    facts += [word for fact in plan.facts for word in _wrapped(fact, "note muted", wide)]
    parts, y = [], MARGIN + 10
    for words in facts:
        parts.append(text(MARGIN, y, words))
        y += LINE
    parts.append(_legend(y + 4))
    y += LINE + GAP
    for section in sections:
        parts.append(section.drawn(y))
        y += section.height + 2 * GAP
    return Drawing(_document(plan, parts, wide, y - GAP), f"a plan on {plan.device}")


def _document(plan: PlanDescription, parts: Sequence[str], wide: float, high: float) -> str:
    said = "\n".join([*plan.facts, *(one.heading for one in plan.recordings)])
    content = [
        element("title", escaped(plan.title)),
        element("desc", escaped(said)),
        element("style", STYLE),
        element("rect", width=wide, height=high, rx=6.0, kind="page"),
        *parts,
    ]
    return element(
        "svg", "\n".join(["", *content, ""]), xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {wide:.0f} {high:.0f}", width=f"{wide:.0f}", height=f"{high:.0f}", role="img",
        style="max-width: 100%; height: auto", kind="netts-plan",
    ) + "\n"  # fmt: skip


def _wrapped(words: str, kind: str, wide: float) -> Iterator[tuple[str, str]]:
    for one in textwrap.wrap(words, int((wide - 2 * MARGIN) / width(("m", kind)))):
        yield one, kind


def _legend(y: float) -> str:
    """Return what circles and colours mean."""
    parts, x = [], MARGIN + 4
    for is_written, what in ((False, "reads"), (True, "writes")):
        parts.append(dot(x, y - 4, "ink", is_filled=is_written))
        parts.append(text(x + 8, y, (what, "note muted")))
        x += 8 + width((what, "note")) + 16
    for lifetime in Lifetime:
        name = lifetime.value
        parts.append(line(x - 4, y - 4, x + 8, y - 4, f"{name}-line", stroke_width=3.0))
        parts.append(text(x + 14, y, (name, "note muted")))
        x += 14 + width((name, "note")) + 16
    return "".join(parts)
