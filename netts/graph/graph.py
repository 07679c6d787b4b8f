"""The task graph: records kernel calls, to be planned once and replayed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler.kernel import Kernel
from netts.compiler.launch import launching
from netts.devices.memory import Buffer, BufferView, Lifetime, allocate
from netts.graph.task import Task


class TaskGraph:
    """Kernel calls recorded as tasks, in one or more named recordings that share buffers."""

    def __init__(self) -> None:
        self.recordings: dict[str, list[Task]] = {}
        self._buffers: list[Buffer] = []

    def transient(self, shape: tuple[int, ...], dtype: DTypeLike, name: str = "") -> BufferView:
        """Return a view whose contents live only inside one run of a recording."""
        view = BufferView.over(Buffer(name, 0, Lifetime.TRANSIENT), shape, dtype)
        view.buffer.nbytes = view.nbytes
        self._buffers.append(view.buffer)
        return view

    @contextlib.contextmanager
    def recording(self, name: str = "main") -> Iterator[None]:
        """Record the kernel calls of this block, instead of running them."""
        tasks: list[Task] = []

        def record(kernel: Kernel, arguments: tuple[Any, ...]) -> None:
            tasks.append(Task(kernel, arguments))

        with launching(record):
            yield
        self.recordings[name] = tasks

    def compile(self, device: str = "auto") -> Plan:
        """Plan the recordings for a device and return what replays them."""
        for buffer in self._buffers:
            buffer.attach(allocate(buffer.nbytes))
        return Plan({name: tuple(tasks) for name, tasks in self.recordings.items()})


class Plan:
    """A compiled task graph."""

    def __init__(self, recordings: dict[str, tuple[Task, ...]]) -> None:
        self._recordings = recordings

    def run(self, recording: str = "main", steps: int = 1) -> None:
        """Replay a recording `steps` times."""
        for _ in range(steps):
            for task in self._recordings[recording]:
                arrays = [
                    a.array if isinstance(a, BufferView) else a for a in task.arguments
                ]
                with np.errstate(all="ignore"):
                    task.kernel.function(*arrays)
