"""The task graph: records kernel calls, to be planned once and replayed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from numpy.typing import DTypeLike

from netts.compiler.arguments import check_arguments, find_aliases
from netts.compiler.kernel import Kernel
from netts.compiler.launch import launching
from netts.devices.memory import Buffer, BufferView, Lifetime, allocate
from netts.devices.registry import choose
from netts.errors import GraphError
from netts.graph.memory import MemoryPlan, lifespans, pack
from netts.graph.plan import Plan
from netts.graph.task import Task


class TaskGraph:
    """Kernel calls recorded as tasks, in one or more named recordings that share buffers.

    Examples
    --------
    >>> import numpy as np
    >>> from netts import TaskGraph, accelerate, parallel
    >>> @accelerate
    ... def doubled(x, out):
    ...     for i in parallel(out.shape[0]):
    ...         out[i] = 2 * x[i]
    >>> x, out = np.arange(3.0), np.zeros(3)
    >>> graph = TaskGraph()
    >>> between = graph.transient((3,), float, "between")
    >>> with graph.recording():
    ...     doubled(x, between)
    ...     doubled(between, out)
    >>> plan = graph.compile()
    >>> plan.run()
    1
    >>> out
    array([0., 4., 8.])
    """

    def __init__(self) -> None:
        self.recordings: dict[str, tuple[Task, ...]] = {}
        self._memory: MemoryPlan | None = None

    def transient(self, shape: tuple[int, ...], dtype: DTypeLike, name: str = "") -> BufferView:
        """Return a view whose contents live only inside one run of a recording.

        It has no memory before the graph is compiled, and then shares it with transients that are
        never alive at the same task.
        """
        buffer = Buffer(name, 0, Lifetime.TRANSIENT)
        view = BufferView.over(buffer, shape, dtype)
        buffer.nbytes = view.nbytes
        return view

    @contextlib.contextmanager
    def recording(self, name: str = "main") -> Iterator[None]:
        """Record the kernel calls of this block, instead of running them.

        Raises
        ------
        GraphError
            Where the graph is compiled already, or has a recording of that name.
        """
        if self._memory is not None:
            raise GraphError("the graph is compiled; record everything before, or make a new graph")
        if name in self.recordings:
            raise GraphError(f"the graph has a recording {name!r} already; give this another name")
        tasks: list[Task] = []

        def record(kernel: Kernel, arguments: tuple[Any, ...]) -> None:
            arrays, _ = check_arguments(kernel.routine, kernel.writes, arguments)
            find_aliases(kernel.routine, kernel.writes, arrays, arguments)
            tasks.append(Task(kernel, arguments))

        with launching(record):
            yield
        self.recordings[name] = tuple(tasks)

    def compile(self, device: str = "auto") -> Plan:
        """Plan the recordings for a device.

        Parameters
        ----------
        device : {"auto", "cpu", "reference"}

        Returns
        -------
        Plan

        Raises
        ------
        GraphError
            Where nothing was recorded, or a transient is read before it is written.
        """
        if not self.recordings:
            raise GraphError("nothing was recorded; call kernels inside `with graph.recording():`")
        chosen = choose(device)
        reason = f"asked for {device!r}" + (", the fastest there is" if device == "auto" else "")
        if self._memory is None:
            self._memory = pack(lifespans(self.recordings))
            memory = allocate(self._memory.nbytes)
            for buffer, offset in self._memory.offsets.items():
                buffer.attach(memory[offset : offset + buffer.nbytes])
        return Plan(chosen, reason, self.recordings, self._memory)
