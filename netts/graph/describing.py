"""From a replay to its description: which memory is one, and what each task does with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from netts.compiler.arguments import ArrayInfo, describe
from netts.devices.memory import Buffer, BufferView, Lifetime
from netts.graph.access import Copies
from netts.graph.description import Kind, MemoryNote, Node, RecordingDescription, Use
from netts.graph.replay import Replay
from netts.graph.task import Task, hazards

Key = Buffer | tuple[int, int]
"""What memory is known by: a buffer, or the bytes of the caller's memory, first and end."""


def described(
    heading: str, recorded: Sequence[Task], replay: Replay, offsets: Mapping[Buffer, int]
) -> RecordingDescription:
    """Return what a recording does on its device.

    Parameters
    ----------
    heading
    recorded
        Its tasks as they were recorded, where arguments have the names that users know.
    replay
    offsets
        Where transients lie in the memory that they share.
    """
    places = _Places(recorded)
    used = dict.fromkeys(places.key(value) for task in replay.tasks for _, value in _touched(task))
    numbers = {key: number for number, key in enumerate(used)}
    tasks = [
        Node(Kind.TASK, task.kernel.routine.name, details, _uses(task, places, numbers), order)
        for task, details, order in zip(
            replay.tasks, _details(replay), _orders(replay.tasks), strict=True
        )
    ]
    copies = [_copied(one, places, numbers) for one in replay.copies]
    sent = [one for one in copies if one.kind is Kind.UPLOAD]
    brought = [one for one in copies if one.kind is Kind.DOWNLOAD]
    memories = tuple(_memory(key, places.uses[key], offsets) for key in used)
    return RecordingDescription(heading, replay.mode, (*sent, *tasks, *brought), memories)


class _Places:
    """Which memory each argument of some tasks is.

    Attributes
    ----------
    uses
        The arguments that are some memory, with their parameters' names, in order of first use.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        values = [pair for task in tasks for pair in _touched(task)]
        self._buffers = {one.buffer: None for _, one in values if isinstance(one, BufferView)}
        self._ranges = _joined(describe(one) for _, one in values if isinstance(one, np.ndarray))
        self.uses: dict[Key, list[tuple[str, ArrayInfo]]] = {}
        for name, value in values:
            self.uses.setdefault(self.key(value), []).append((name, describe(value)))

    def key(self, value: np.ndarray | BufferView) -> Key:
        """Return what the memory of an array is known by."""
        if isinstance(value, BufferView):
            return value.buffer
        info = describe(value)
        return self._owner(info.start, info.stop) or self._range(info.start, info.stop)

    def keys(self, copies: Copies) -> Iterator[Key]:
        """Yield what is copied."""
        yield from copies.buffers
        for key in self.uses:
            if isinstance(key, tuple) and any(
                start < key[1] and key[0] < stop for start, stop in copies.ranges
            ):
                yield key

    def _owner(self, start: int, stop: int) -> Buffer | None:
        """Return the buffer that the caller has an array of, such as `view.array`."""
        for one in self._buffers:
            if one.is_attached and one.address <= start < stop <= one.address + one.nbytes:
                return one
        return None

    def _range(self, start: int, stop: int) -> tuple[int, int]:
        return next(one for one in self._ranges if one[0] <= start < stop <= one[1])


def _touched(task: Task) -> Iterator[tuple[str, np.ndarray | BufferView]]:
    """Yield the arrays of which a task reads or writes elements."""
    for name, value in task.arrays():
        if value.size and name in task.kernel.reads | task.kernel.writes:
            yield name, value


def _joined(arrays: Iterator[ArrayInfo]) -> list[tuple[int, int]]:
    """Return the bytes that arrays lie in, those that overlap as one."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted((one.start, one.stop) for one in arrays):
        if found and start < found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found


def _memory(
    key: Key, seen: Sequence[tuple[str, ArrayInfo]], offsets: Mapping[Buffer, int]
) -> MemoryNote:
    name, info = seen[0]
    nbytes = key[1] - key[0] if isinstance(key, tuple) else key.nbytes
    is_one = len({(_nbytes(one), one.dtype) for _, one in seen}) == 1
    form, is_whole = _form(info) if is_one else "", _nbytes(info) == nbytes
    if isinstance(key, tuple):
        return MemoryNote(name, Lifetime.EXTERNAL, form, nbytes, is_whole)
    # `netts.constant` calls its buffers what they all are.
    own = key.name if key.name != key.lifetime.value else ""
    return MemoryNote(own or name, key.lifetime, form, nbytes, is_whole, offsets.get(key))


def _nbytes(info: ArrayInfo) -> int:
    return math.prod(info.shape) * np.dtype(info.dtype).itemsize


def _form(info: ArrayInfo) -> str:
    return f"{info.shape} {info.dtype}"


def _uses(task: Task, places: _Places, numbers: Mapping[Key, int]) -> tuple[Use, ...]:
    """Return what a task does with each memory, in the order of its parameters."""
    arguments: dict[Key, list[tuple[str, ArrayInfo]]] = {}
    for name, value in _touched(task):
        arguments.setdefault(places.key(value), []).append((name, describe(value)))
    return tuple(
        Use(
            numbers[key],
            any(name in task.kernel.needs for name, _ in seen),
            any(name in task.kernel.writes for name, _ in seen),
            tuple(f"{name} {_form(info)}" for name, info in seen),
        )
        for key, seen in arguments.items()
    )


def _details(replay: Replay) -> list[tuple[str, ...]]:
    """Return what runs for each task: without its name, which stands above."""
    found: list[list[str]] = [[] for _ in replay.tasks]
    for one in replay.operations():
        name = replay.tasks[one.task].kernel.routine.name
        which = one.label.removeprefix(name).strip()
        found[one.task].append(f"{which}: {one.how}" if which else one.how)
    return [tuple(lines) for lines in found]


def _orders(tasks: Sequence[Task]) -> list[tuple[str, ...]]:
    """Return which tasks each one has to follow, by the kinds of reasons."""
    found: list[dict[str, list[int]]] = [{} for _ in tasks]
    for one in hazards(tasks):
        for kind in one.kinds:
            found[one.second].setdefault(kind, []).append(one.first)
    return [
        tuple(f"{kind}: {', '.join(map(str, firsts))}" for kind, firsts in reasons.items())
        for reasons in found
    ]


def _copied(copies: Copies, places: _Places, numbers: Mapping[Key, int]) -> Node:
    keys = [key for key in places.keys(copies) if key in numbers]
    if copies.is_upload:
        uses = tuple(Use(numbers[key], False, True) for key in keys)
        return Node(Kind.UPLOAD, "upload before a run", (_when(copies),), uses)
    uses = tuple(Use(numbers[key], True, False) for key in keys)
    return Node(Kind.DOWNLOAD, "download behind a run", (_when(copies),), uses)


def _when(copies: Copies) -> str:
    """Return when buffers are copied, and how much of the caller's arrays."""
    if not copies.buffers:
        return copies.what
    return "what the host has written since" if copies.is_upload else "when it is read"
