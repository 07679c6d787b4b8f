"""Where everything of a recording stands in its drawing, counted from the top of it, in pixels.

Nothing is searched for: nodes follow one another downwards, memory that outlives a run has a line
of its own on the left, and transients have bars on the right, in the order of their places in the
memory that they share.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from netts.graph.description import Kind, MemoryNote, Node, RecordingDescription
from netts.graph.svg import LINE, width

MARGIN, GAP, LANE = 20.0, 22.0, 14.0
"""Around a drawing, between its columns, and from one line of memory to the next."""

PAD = 12.0
"""Inside of a box, and from one box to the next."""

TITLE_CHARACTERS, NAME_CHARACTERS = 44, 48
"""After so many, names of fused kernels go on in another line, and that of memory is cut off."""

SHARED = (("memory that transients share", "note muted"),)

Words = tuple[tuple[str, str], ...]
"""A line of text: strings and their classes."""


@dataclass(frozen=True)
class Row:
    """A node in its place.

    Attributes
    ----------
    number
        Of a task, as profiles have it.
    born
        The transients that nothing before it uses.
    """

    node: Node
    number: str
    top: float
    born: tuple[int, ...]

    @property
    def height(self) -> float:
        """Of its box."""
        n_lines = max(len(list(self.lines())), 1 + len(self.born), 2)
        return LINE * n_lines + PAD

    @property
    def bottom(self) -> float:
        """Of its box."""
        return self.top + self.height

    @property
    def reads_at(self) -> float:
        """Where the line to what it reads is."""
        return self.top + PAD

    def writes_at(self, memory: int) -> float:
        """Return where the line to what it writes is; a line for each transient that it begins."""
        place = self.born.index(memory) if memory in self.born else 0
        return self.reads_at + LINE * (1 + place)

    def touches(self, memory: int) -> Iterator[float]:
        """Yield where lines to some memory are."""
        for use in self.node.uses:
            if use.memory == memory and use.is_read:
                yield self.reads_at
            if use.memory == memory and use.is_written:
                yield self.writes_at(memory)

    def lines(self) -> Iterator[Words]:
        """Yield the text of its box."""
        number = self.number
        for title in textwrap.wrap(self.node.title, TITLE_CHARACTERS):
            yield (f"{number} " if number else "", "note muted"), (title, "name ink")
            number = ""
        for detail in self.node.details:
            yield ((detail, "note muted"),)


@dataclass(frozen=True)
class Bar:
    """A transient in its place: across, where it lies in memory; down, as long as it lives."""

    x: float
    width: float
    top: float
    bottom: float


class Layout:
    """The places of a recording.

    Attributes
    ----------
    caption
        What stands at the edge of the device.
    rows
    lanes
        Where the lines of memory that outlives a run are, by the numbers of memories.
    box, box_width, box_end
        Of the boxes of nodes.
    bars
        Of transients, by the numbers of memories.
    labels, shared
        Where their names begin, and what stands above them.
    """

    def __init__(self, recording: RecordingDescription, device: str) -> None:
        self.memories = recording.memories
        kept = [k for k, one in enumerate(self.memories) if one.offset is None]
        n_tasks = sum(node.kind is Kind.TASK for node in recording.nodes)
        self.caption = f"on {device}: {n_tasks} task{'s' * (n_tasks != 1)}, {recording.mode}"
        self.lanes = {k: MARGIN + 6 + LANE * place for place, k in enumerate(kept)}
        self.rows = tuple(self._placed(recording.nodes))
        lines = [width(*words) for row in self.rows for words in row.lines()]
        self.box = MARGIN + LANE * len(kept) + GAP
        self.box_width = 2 * PAD + max(lines, default=0.0)
        self.box_end = self.box + self.box_width
        self.bars = self._bars()
        ends = [self.box_end, *(one.x + one.width for one in self.bars.values())]
        self.labels = GAP + max(ends)
        self.shared = GAP + max(self.box_end, self.box + width((self.caption, "note")))
        self.width = MARGIN + max(self._ends(recording.heading))
        self.bottom = self.rows[-1].bottom if self.rows else 0.0

    def circle(self, memory: int) -> float:
        """Return where across circles of some memory are."""
        return self.lanes[memory] if memory in self.lanes else self.bars[memory].x + LANE / 2 - 1.5

    def _placed(self, nodes: tuple[Node, ...]) -> Iterator[Row]:
        """Yield the nodes in their places, below the names of the memory that is kept."""
        y, before = LINE * (2 + len(self.lanes)), None
        known, n_tasks = set(self.lanes), 0
        for node in nodes:
            is_task = node.kind is Kind.TASK
            if node.kind is not before and Kind.TASK in (node.kind, before):
                y += LINE + PAD  # the edge of the device, and its name
            born = tuple(one.memory for one in node.uses if one.memory not in known)
            row = Row(node, str(n_tasks) if is_task else "", y, born)
            known.update(born)
            n_tasks, before, y = n_tasks + is_task, node.kind, row.bottom + PAD
            yield row

    def _bars(self) -> dict[int, Bar]:
        """Return the places of transients: what lies further on in memory is further right."""
        offsets = {k: one.offset for k, one in enumerate(self.memories) if one.offset is not None}
        steps = sorted(set(offsets.values()))
        bars = {}
        for k, offset in offsets.items():
            end = offset + self.memories[k].nbytes
            across = sum(offset <= one < max(end, offset + 1) for one in steps)
            touched = [y for row in self.rows for y in row.touches(k)]
            x = self.box_end + GAP + LANE * steps.index(offset)
            bars[k] = Bar(x, LANE * across - 3, min(touched) - 6, max(touched) + 6)
        return bars

    def _ends(self, heading: str) -> Iterator[float]:
        """Yield how far everything goes to the right."""
        yield self.box_end
        yield self.box + width((self.caption, "note"))
        yield MARGIN + width((heading, "name"))
        for k, x in self.lanes.items():
            yield x + 8 + width(*label(self.memories[k]))
        if self.bars:
            yield self.shared + width(*SHARED)
        for k in self.bars:
            yield self.labels + width(*label(self.memories[k]))


def label(memory: MemoryNote) -> Words:
    """Return what stands beside memory."""
    name = _cut(memory.name)
    kind = f"{memory.lifetime.value}, " if memory.offset is None else ""
    form = memory.form or "several arrays"
    joint = ", " if memory.is_whole or not memory.form else " of "
    return (f"{name} ", "note ink"), (f"{kind}{form}{joint}{size(memory.nbytes)}", "note muted")


def _cut(name: str) -> str:
    """Return a name in one line, of so many characters at most."""
    plain = " ".join(name.split())
    return plain if len(plain) <= NAME_CHARACTERS else f"{plain[: NAME_CHARACTERS - 3]}..."


def size(nbytes: int) -> str:
    """Return a number of bytes, rounded where it is large."""
    for unit, factor in (("MiB", 2**20), ("KiB", 2**10)):
        if nbytes >= 10 * factor:
            return f"{nbytes / factor:,.0f} {unit}"
    return f"{nbytes:,} byte{'s' * (nbytes != 1)}"
