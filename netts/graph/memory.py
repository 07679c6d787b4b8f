"""The memory plan: where each transient lies in the one allocation that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netts.devices.memory import PIECE_ALIGNMENT_BYTES, Buffer, align
from netts.errors import GraphError
from netts.graph.task import Task


@dataclass(frozen=True)
class Lifespan:
    """Between which tasks of a recording a transient holds something: first write, last use."""

    recording: str
    first: int
    last: int

    def overlaps(self, other: Lifespan) -> bool:
        """Whether both are alive at some task."""
        return (
            self.recording == other.recording
            and self.first <= other.last
            and other.first <= self.last
        )


@dataclass(frozen=True)
class MemoryPlan:
    """The offset of each transient, and the bytes of the allocation."""

    offsets: Mapping[Buffer, int]
    nbytes: int
    unshared_bytes: int
    """What the transients would take side by side."""


def lifespans(recordings: Mapping[str, Sequence[Task]]) -> dict[Buffer, list[Lifespan]]:
    """Return when each transient is alive in each recording.

    Raises
    ------
    GraphError
        Where a transient is read before the recording has written it.
    """
    found: dict[Buffer, list[Lifespan]] = {}
    for recording, tasks in recordings.items():
        spans: dict[Buffer, Lifespan] = {}
        for position, task in enumerate(tasks):
            for buffer in task.transients(task.kernel.needs):
                if buffer not in spans:
                    raise GraphError(
                        f"task {position} ({task.kernel.routine.name}) of recording {recording!r} "
                        f"reads the transient {buffer.name or 'buffer'!r} before anything wrote "
                        "it; a transient holds nothing from one run to the next, so write it first "
                        "or keep it in an Arena"
                    )
            for buffer in task.transients(task.kernel.reads | task.kernel.writes):
                first = spans[buffer].first if buffer in spans else position
                spans[buffer] = Lifespan(recording, first, position)
        for buffer, span in spans.items():
            found.setdefault(buffer, []).append(span)
    return found


def pack(alive: Mapping[Buffer, Sequence[Lifespan]]) -> MemoryPlan:
    """Give each transient the lowest offset that no transient alive with it occupies.

    Largest first, the greedy-by-size rule of Pisarchyk and Lee, "Efficient Memory Management for
    Deep Neural Net Inference" (2020), section 5.2.
    """
    offsets: dict[Buffer, int] = {}
    end = 0
    for buffer in sorted(alive, key=lambda one: -one.nbytes):
        neighbours = sorted(
            (offsets[other], _size(other))
            for other in offsets
            if any(a.overlaps(b) for a in alive[buffer] for b in alive[other])
        )
        offset = 0
        for start, size in neighbours:
            if offset + _size(buffer) <= start:
                break
            offset = max(offset, start + size)
        offsets[buffer] = offset
        end = max(end, offset + _size(buffer))
    return MemoryPlan(offsets, end, sum(_size(buffer) for buffer in alive))


def _size(buffer: Buffer) -> int:
    return align(buffer.nbytes, PIECE_ALIGNMENT_BYTES)
