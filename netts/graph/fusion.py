"""Neighbouring tasks as one, where their loops can run as one."""

from __future__ import annotations

from collections.abc import Sequence

from netts.compiler.correspondence import NotFusableError
from netts.compiler.fusion import fuse
from netts.devices.memory import BufferView, Lifetime
from netts.graph.task import Task


def fused(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return a recording with tasks joined to the one before them, where that is possible."""
    found: list[Task] = []
    for position, task in enumerate(tasks):
        joined = _joined(found[-1], task, tasks[position + 1 :]) if found else None
        if joined is None:
            found.append(task)
        else:
            found[-1] = joined
    return tuple(found)


def _joined(first: Task, second: Task, later: Sequence[Task]) -> Task | None:
    values = dict(first.arrays())
    try:
        return Task(fuse(first.bound, second.bound, lambda name: _is_needed(values[name], later)))
    except NotFusableError:
        return None


def _is_needed(value: object, later: Sequence[Task]) -> bool:
    """Whether somebody may read an array when the second of two tasks is done."""
    if not isinstance(value, BufferView) or value.buffer.lifetime is not Lifetime.TRANSIENT:
        return True
    return any(
        buffer is value.buffer for task in later for buffer in task.transients(task.kernel.reads)
    )
