"""Where everything that a plan's kernels touch lies on a device with memory of its own.

- A buffer that outlives the plan (arena, constant) has a mirror, shared by all plans that use it.
  Before a run goes up what the host has written of those that the run touches, and nothing else;
  what the run writes stays on the device until the host asks for it.
- Transients and scratch are one allocation, by the offsets of the memory plan.
- What lies on the device only, such as another library's array, stays where it is: nothing goes up.
- The caller's own arrays are one allocation. They go up at every run that touches them and come
  down behind every run that writes them, as NumPy tells nobody of reads and writes.

All addresses are fixed when a plan is made, and nothing that is launched has others.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netts.compiler.arguments import ArrayInfo, describe
from netts.devices.memory import ALIGNMENT_BYTES, Buffer, BufferView, align
from netts.devices.mirrors import DeviceMirror, mirror_of
from netts.devices.transfers import Machine, Memory, Pinned
from netts.graph.access import Access, Span, Written, first_element
from netts.graph.memory import MemoryPlan
from netts.graph.task import Task

WORD_BYTES = 8


@dataclass(frozen=True)
class Needs:
    """What a plan's operations need besides their arrays.

    Attributes
    ----------
    scratch_bytes
        Of the operation that needs most: they run one after the other.
    fault_words
        Of all operations together.
    """

    scratch_bytes: int
    fault_words: int


class Residence:
    """The memory of one plan on a device; given back when nobody holds it any more.

    Attributes
    ----------
    machine
    scratch : int
        The address of scratch memory.
    faults : Pinned
        The words where tests leave their marks: the host sees them without a download.
    """

    def __init__(
        self,
        machine: Machine,
        recordings: Mapping[str, Sequence[Task]],
        memory: MemoryPlan,
        needs: Needs,
    ) -> None:
        self.machine = machine
        self._offsets = memory.offsets
        values = [pair for tasks in recordings.values() for pair in _values(tasks)]
        self._buffers = {
            one.buffer: None
            for one, _ in values
            if isinstance(one, BufferView) and one.buffer not in memory.offsets
        }
        arrays = [(describe(one), writes) for one, writes in values if isinstance(one, np.ndarray)]
        self._spans = _placed(
            (info.start, info.stop, writes)
            for info, writes in arrays
            if info.start < info.stop and self._owner(info) is None
        )
        given: list[Memory | Pinned] = []
        fresh = [one for one in self._buffers if one.mirror is None]
        try:
            self._allocate(memory, needs, given)
        except BaseException:
            for buffer in fresh:
                buffer.mirror = None
            _give_back(given)
            raise
        # Without `atexit`: the process returns its memory as it ends, when the driver may be gone.
        weakref.finalize(self, _give_back, given).atexit = False

    def _allocate(self, memory: MemoryPlan, needs: Needs, given: list[Memory | Pinned]) -> None:
        machine, scratch = self.machine, align(memory.nbytes, ALIGNMENT_BYTES)
        self.mirrors = {buffer: mirror_of(buffer, machine) for buffer in self._buffers}
        transients = machine.allocate(scratch + needs.scratch_bytes)
        given.append(transients)
        self._transients, self.scratch = transients.address, transients.address + scratch
        if self._spans:
            end = self._spans[-1].address + self._spans[-1].room
            arrays = machine.allocate(end)
            given.append(arrays)
            self._spans = [
                replace(one, address=arrays.address + one.address, block=arrays.address)
                for one in self._spans
            ]
        self.faults = machine.pin(WORD_BYTES * needs.fault_words)
        given.append(self.faults)

    def address(self, value: np.ndarray | BufferView) -> int:
        """Return where the first element of an array lies on the device."""
        if isinstance(value, BufferView):
            return self._start(value.buffer) + value.offset
        if not value.size:
            return self._transients
        info, first = describe(value), first_element(value)
        owner = self._owner(info)
        if owner is not None:
            return self._start(owner) + first - owner.address
        span = self._span(info)
        return span.address + first - span.start

    def access(self, tasks: Sequence[Task]) -> Access:
        """Return what a recording touches."""
        touched: dict[Buffer, DeviceMirror] = {}
        written: dict[DeviceMirror, None] = {}
        held: dict[Buffer, None] = {}
        spans: dict[Span, None] = {}
        results = []
        for task in tasks:
            for name, value in task.arrays():
                if name not in task.kernel.reads | task.kernel.writes or not value.size:
                    continue
                buffer = self._buffer(value)
                if buffer is None:
                    span = self._span(describe(value))
                    spans[span] = None
                    if name in task.kernel.writes:
                        assert isinstance(value, np.ndarray)
                        results.append(Written(value, span))
                elif buffer not in self._offsets:
                    touched[buffer] = self.mirrors[buffer]
                    if name in task.kernel.writes:
                        written[self.mirrors[buffer]] = None
                    if isinstance(value, np.ndarray):
                        held[buffer] = None
        return Access(
            self.machine, tuple(touched.items()), tuple(written), tuple(held), tuple(spans),
            tuple(results),
        )  # fmt: skip

    def _start(self, buffer: Buffer) -> int:
        if buffer in self._offsets:
            return self._transients + self._offsets[buffer]
        return self.mirrors[buffer].address

    def _buffer(self, value: np.ndarray | BufferView) -> Buffer | None:
        return value.buffer if isinstance(value, BufferView) else self._owner(describe(value))

    def _owner(self, info: ArrayInfo) -> Buffer | None:
        """Return the buffer that an array of the caller's is part of, such as `view.array`."""
        for buffer in self._buffers:
            if not buffer.is_attached:
                continue  # it lies on the device only
            if buffer.address <= info.start < info.stop <= buffer.address + buffer.nbytes:
                return buffer
        return None

    def _span(self, info: ArrayInfo) -> Span:
        return next(one for one in self._spans if one.start <= info.start < one.stop)


def _values(tasks: Sequence[Task]) -> list[tuple[np.ndarray | BufferView, bool]]:
    """Return the arrays of tasks, and whether they are written."""
    return [(value, name in one.kernel.writes) for one in tasks for name, value in one.arrays()]


def _placed(ranges: Iterable[tuple[int, int, bool]]) -> list[Span]:
    """Return ranges of the caller's memory, joined where they meet, each with its place.

    Those that are written come last, so that they come down together. A place is as far from a
    multiple of the alignment as the caller's memory is, so that elements are aligned on the device
    if they are on the host.
    """
    joined: list[tuple[int, int, bool]] = []
    for start, stop, writes in sorted(ranges):
        if joined and start <= joined[-1][1]:
            first, last, before = joined[-1]
            joined[-1] = first, max(stop, last), writes or before
        else:
            joined.append((start, stop, writes))
    joined.sort(key=lambda one: one[2])
    places, end = [], 0
    for start, stop, _ in joined:
        places.append(end + (start - end) % ALIGNMENT_BYTES)
        end = align(places[-1] + stop - start, ALIGNMENT_BYTES)
    ends = [*places[1:], end]
    return [
        Span(start, stop, place, following - place)
        for (start, stop, _), place, following in zip(joined, places, ends, strict=False)
    ]


def _give_back(given: list[Memory | Pinned]) -> None:
    for one in given:
        one.free()
    given.clear()
