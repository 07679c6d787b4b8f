"""The task graph: records kernel calls, to be planned once and replayed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler import checking
from netts.compiler.bound import prove_aliased
from netts.compiler.correspondence import Bound
from netts.compiler.kernel import Kernel
from netts.compiler.launch import launching
from netts.devices.memory import Buffer, BufferView, Lifetime, allocate
from netts.devices.precision import precision_from, settle_precision
from netts.devices.registry import explain_choice
from netts.errors import GraphError
from netts.graph.memory import MemoryPlan
from netts.graph.plan import Plan
from netts.graph.policy import Usage, choose_device
from netts.graph.structure import Structured, structured
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
        self._open: list[str] = []
        self._structured: Structured | None = None

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
        if self._structured is not None:
            raise GraphError("the graph is compiled; record everything before, or make a new graph")
        if name in self.recordings or name in self._open:
            raise GraphError(f"the graph has a recording {name!r} already; give this another name")
        tasks: list[Task] = []

        def record(kernel: Kernel, arguments: tuple[Any, ...]) -> None:
            # Views: what becomes of the shape of the caller's array does not change a task.
            kept = [one.view() if isinstance(one, np.ndarray) else one for one in arguments]
            bound = Bound(kernel, tuple(kept))
            if bound.checked.aliases:
                prove_aliased(kernel, bound.checked.aliases)
            tasks.append(Task(bound))

        self._open.append(name)
        try:
            with launching(record):
                yield
        finally:
            self._open.remove(name)
        self.recordings[name] = tuple(tasks)

    def compile(
        self, device: str = "auto", *, precision: str | None = None, usage: Usage | None = None
    ) -> Plan:
        """Plan the recordings for a device.

        Parameters
        ----------
        device : str
            "auto", "cpu", "cuda" (the first GPU), "cuda:1", or "reference". Where "auto" is not
            settled by `with netts.device(...)` or `NETTS_DEVICE`, the CPU or the first GPU,
            whichever is estimated to be faster; `plan.explain()` says which, and why.
        precision : {None, "float32", "tf32"}
            "tf32" allows a GPU to round the factors of products of float32 to TF32 (10 bits instead
            of 23), which is several times faster where they are large. Elsewhere, and for float64,
            it changes nothing; `plan.explain()` says what holds.
        usage : Usage, optional
            How the plan is going to be used, for these estimates; by default each recording runs
            for one step at a time, very often.

        Returns
        -------
        Plan

        Raises
        ------
        GraphError
            Where nothing was recorded or a recording is open; where an arena is not allocated, a
            transient is read before it is written, or is another graph's.
        ParameterError
            Where there is no such precision.
        DeviceError
            Where the device cannot be used, or has too little memory.
        """
        if self._open:
            raise GraphError(
                f"recording {self._open[0]!r} is open; compile behind its `with` block"
            )
        if not any(self.recordings.values()):
            raise GraphError("nothing was recorded; call kernels inside `with graph.recording():`")
        precision_from(precision)
        explain_choice(device)  # refuses a wrong name before anything is given its memory
        if self._structured is None:
            found = structured(self.recordings)
            self._place(found.memory)
            self._structured = found
        found = self._structured
        if checking.is_on():
            chosen, reason = "reference", "checked, with every access tested"
        else:
            chosen, reason = choose_device(device, found.fused, found.memory, usage or Usage())
        return Plan(chosen, reason, self.recordings, found, settle_precision(precision, chosen))

    def _place(self, plan: MemoryPlan) -> None:
        """Give the transients their memory; nothing has changed where that is refused."""
        buffers = {
            view.buffer: None
            for tasks in self.recordings.values()
            for task in tasks
            for _, view in task.arrays()
            if isinstance(view, BufferView)
        }
        for buffer in buffers:
            if buffer in plan.offsets and buffer.is_attached:
                raise GraphError(
                    f"transient {buffer.name!r} has its memory from another graph, compiled "
                    "before; make one with `transient` of this graph"
                )
            if buffer not in plan.offsets and not buffer.is_somewhere:
                raise buffer.missing()
        memory = allocate(plan.nbytes)
        for buffer, offset in plan.offsets.items():
            buffer.attach(memory[offset : offset + buffer.nbytes])
