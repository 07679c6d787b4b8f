"""A recording on copies of all that it writes, so that running it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netts.compiler.arguments import ArrayInfo, describe
from netts.compiler.correspondence import Bound
from netts.devices.memory import Buffer, BufferView, Lifetime, allocate
from netts.graph.memory import MemoryPlan
from netts.graph.task import Task

Recordings = Mapping[str, Sequence[Task]]


def on_scratch(
    recordings: Recordings, memory: MemoryPlan
) -> tuple[dict[str, tuple[Task, ...]], MemoryPlan] | None:
    """Return recordings that write to copies, and the plan of their transients.

    None where an array of the caller's that is written shares memory with another array: its copy
    would no longer.
    """
    tasks = [task for every in recordings.values() for task in every]
    written = _arrays(tasks, only_written=True)
    everything = _arrays(tasks, only_written=False)
    if any(one.overlaps(other) for one in written for other in everything if one != other):
        return None
    copies = _Copies(tasks, memory, {one: _copied(array) for one, array in written.items()})
    return (
        {name: tuple(map(copies.task, every)) for name, every in recordings.items()},
        copies.memory,
    )


def buffers_of(recordings: Recordings) -> dict[Buffer, None]:
    """Return the buffers that outlive a run."""
    return {
        value.buffer: None
        for every in recordings.values()
        for task in every
        for _, value in task.arrays()
        if isinstance(value, BufferView) and value.buffer.lifetime is not Lifetime.TRANSIENT
    }


class _Copies:
    """What stands for each buffer and array."""

    def __init__(
        self, tasks: Sequence[Task], memory: MemoryPlan, arrays: Mapping[ArrayInfo, np.ndarray]
    ) -> None:
        self._arrays = arrays
        self._buffers: dict[Buffer, Buffer] = {}
        block = allocate(memory.nbytes)
        for buffer, offset in memory.offsets.items():
            self._copy(buffer, block[offset : offset + buffer.nbytes])
        self.memory = replace(
            memory, offsets={self._buffers[one]: at for one, at in memory.offsets.items()}
        )
        for task in tasks:
            for name, value in task.arrays():
                if name in task.kernel.writes and isinstance(value, BufferView):
                    self._keep(value.buffer)

    def _keep(self, buffer: Buffer) -> None:
        if buffer not in self._buffers:
            buffer.fetch()
            assert buffer.memory is not None
            content = allocate(buffer.nbytes)
            content[...] = buffer.memory
            self._copy(buffer, content)

    def _copy(self, buffer: Buffer, content: np.ndarray) -> None:
        self._buffers[buffer] = Buffer(buffer.name, buffer.nbytes, buffer.lifetime)
        self._buffers[buffer].attach(content)

    def task(self, task: Task) -> Task:
        """Return a task on copies."""
        return Task(Bound(task.kernel, tuple(map(self._argument, task.arguments))))

    def _argument(self, value: Any) -> Any:
        if isinstance(value, BufferView) and value.buffer in self._buffers:
            return replace(value, buffer=self._buffers[value.buffer])
        if isinstance(value, np.ndarray):
            return self._arrays.get(describe(value), value)
        return value


def _arrays(tasks: Sequence[Task], *, only_written: bool) -> dict[ArrayInfo, np.ndarray]:
    """Return the caller's arrays, and, where all are asked for, those of buffers too."""
    found: dict[ArrayInfo, Any] = {}
    for task in tasks:
        for name, value in task.arrays():
            if only_written and (isinstance(value, BufferView) or name not in task.kernel.writes):
                continue
            found[describe(value)] = value
    return found


def _copied(array: np.ndarray) -> np.ndarray:
    """Return a copy of an array with the same strides; gaps between its elements are not read."""
    one = describe(array)
    block = np.zeros(one.stop - one.start, np.uint8)
    first = int(array.__array_interface__["data"][0]) - one.start
    copy = np.ndarray(array.shape, array.dtype, block.data, first, array.strides)
    copy[...] = array
    return copy
