"""The drawing of one recording: tasks in their order from above, memory beside them.

On the left are lines of memory that outlives a run, in the middle tasks, on the right the memory
that transients share: the bar of a transient is as long as it lives, and lies beside those that it
lies beside in memory. A task reads by the upper of its horizontal lines, from open circles, and
writes by those below, to filled ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from netts.graph.description import Kind, MemoryNote, RecordingDescription, Use
from netts.graph.layout import MARGIN, PAD, SHARED, Layout, Row, label
from netts.graph.svg import LINE, arrow, element, hovered, line, text


def dot(x: float, y: float, kind: str, *, is_filled: bool) -> str:
    """Return the circle where a task touches memory: filled where it writes."""
    classes = f"{kind}-line {kind}" + ("" if is_filled else " open")
    return element("circle", cx=x, cy=y, r=3.5, kind=classes, stroke_width=1.5)


class RecordingDrawing:
    """A recording, placed and ready to be drawn.

    Attributes
    ----------
    width, height
        Of the drawing, in pixels, margins to the left and right included.
    """

    def __init__(self, recording: RecordingDescription, device: str) -> None:
        self._recording, self._memories = recording, recording.memories
        self._at = Layout(recording, device)
        self.width, self.height = self._at.width, self._at.bottom + PAD

    def drawn(self, y: float) -> str:
        """Return the drawing, moved down."""
        parts = [text(MARGIN, 0, (self._recording.heading, "name ink"))]
        parts += [*self._frame(), *self._lanes(), *self._bars()]
        for row in self._at.rows:
            parts += [*self._reads(row), *self._writes(row), *self._births(row), self._box(row)]
        return element("g", "\n".join(["", *parts, ""]), transform=f"translate(0 {y:.0f})")

    def _frame(self) -> Iterator[str]:
        """Yield the edge of the device, and what stands at it."""
        at, tasks = self._at, [row for row in self._at.rows if row.node.kind is Kind.TASK]
        if not tasks:
            return
        top, bottom = tasks[0].top - LINE - PAD, tasks[-1].bottom + PAD
        yield element(
            "rect", x=MARGIN - 8, y=top, width=self.width - 2 * MARGIN + 16, height=bottom - top,
            rx=8.0, kind="edge-line", stroke_dasharray="2 4",
        )  # fmt: skip
        yield text(at.box, top + LINE, (at.caption, "note muted"))
        if at.bars:
            yield text(at.shared, top + LINE, *SHARED)

    def _lanes(self) -> Iterator[str]:
        """Yield the lines of memory that is kept, each with its name above those further right."""
        for place, (k, x) in enumerate(self._at.lanes.items()):
            y, memory = LINE * (1.5 + place), self._memories[k]
            drawn = line(x, y - 8, x, self._at.bottom, f"{self._kind(k)}-line", stroke_width=1.5)
            yield hovered(drawn + text(x + 8, y, *label(memory)), _tip(memory))

    def _bars(self) -> Iterator[str]:
        for k, bar in self._at.bars.items():
            drawn = element(
                "rect", x=bar.x, y=bar.top, width=bar.width, height=bar.bottom - bar.top, rx=3.0,
                kind="transient-line transient bar",
            )  # fmt: skip
            yield hovered(drawn, _tip(self._memories[k]))

    def _reads(self, row: Row) -> Iterator[str]:
        """Yield the line by which a row reads, to either side of its box."""
        at, y = self._at, row.reads_at
        read = [use.memory for use in row.node.uses if use.is_read]
        left = [at.circle(k) for k in read if k in at.lanes]
        right = [at.circle(k) for k in read if k in at.bars]
        if left:
            yield line(min(left), y, at.box - 5, y, "edge-line")
            yield arrow(at.box, y, 1, "edge")
        if right:
            yield line(at.box_end + 5, y, max(right), y, "edge-line")
            yield arrow(at.box_end, y, -1, "edge")
        for k in read:
            yield dot(at.circle(k), y, self._kind(k), is_filled=False)

    def _writes(self, row: Row) -> Iterator[str]:
        """Yield the lines by which a row writes: to each height the longest, then the circles."""
        at = self._at
        written = {use.memory: row.writes_at(use.memory) for use in row.node.uses if use.is_written}
        starts: dict[tuple[float, float], float] = {}
        for k, y in written.items():
            start, x = at.box if k in at.lanes else at.box_end, at.circle(k)
            starts[start, y] = max(starts.get((start, y), x), x, key=lambda one: abs(one - start))
        for (start, y), x in starts.items():
            yield line(start, y, x, y, "edge-line")
        for k, y in written.items():
            yield dot(at.circle(k), y, self._kind(k), is_filled=True)

    def _births(self, row: Row) -> Iterator[str]:
        """Yield the names of the transients that begin in a row."""
        at = self._at
        for k in row.born:
            y, bar = row.writes_at(k), at.bars[k]
            end = bar.x + bar.width + 3
            yield line(end, y, at.labels - 4, y, "edge-line", stroke_dasharray="1 3")
            yield text(at.labels, y + 4, *label(self._memories[k]))

    def _box(self, row: Row) -> str:
        at, dashes = self._at, "none" if row.node.kind is Kind.TASK else "5 3"
        box = element(
            "rect", x=at.box, y=row.top, width=at.box_width, height=row.height, rx=4.0,
            kind="box edge-line", stroke_dasharray=dashes,
        )  # fmt: skip
        lines = [
            text(at.box + PAD - 4, row.top + PAD + 4 + LINE * number, *words)
            for number, words in enumerate(row.lines())
        ]
        return hovered(box + "".join(lines), _row_tip(row))

    def _kind(self, memory: int) -> str:
        return self._memories[memory].lifetime.value


def _tip(memory: MemoryNote) -> str:
    place = "" if memory.offset is None else f" from byte {memory.offset:,} on"
    return f"{memory.name}: {memory.lifetime.value}, {memory.nbytes:,} bytes{place}"


def _row_tip(row: Row) -> str:
    uses = [f"{_verb(use)} {', '.join(use.arguments)}" for use in row.node.uses if use.arguments]
    return "\n".join([f"{row.number} {row.node.title}".strip(), *uses, *row.node.order])


def _verb(use: Use) -> str:
    if use.is_read and use.is_written:
        return "reads and writes"
    return "reads" if use.is_read else "writes"
