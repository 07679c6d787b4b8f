"""Neighbouring tasks as one, where their loops can run as one."""

from __future__ import annotations

from collections.abc import Sequence

from netts.compiler.correspondence import NotFusableError
from netts.compiler.fusion import fuse
from netts.compiler.joining import Joint
from netts.devices.memory import BufferView, Lifetime
from netts.graph.task import Task

Chain = tuple[Joint, ...]
"""How the tasks behind one were joined to it, one after the other; empty where it stays alone."""


def fused(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return a recording with tasks joined to the one before them, where that is possible."""
    return tuple(task for task, _ in fused_and_chains(tasks))


def fused_and_chains(tasks: Sequence[Task]) -> list[tuple[Task, Chain]]:
    """Return what `fused` does, and of each task how it came about."""
    found: list[tuple[Task, Chain]] = []
    for position, task in enumerate(tasks):
        joined = _joined(*found[-1], task, tasks[position + 1 :]) if found else None
        if joined is None:
            found.append((task, ()))
        else:
            found[-1] = joined
    return found


def fused_by(chains: Sequence[Chain], tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return a recording with tasks joined as those of one like it were."""
    found = []
    rest = iter(tasks)
    for chain in chains:
        task = next(rest)
        for joint in chain:
            task = Task(joint.bound(task.bound, next(rest).bound))
        found.append(task)
    return tuple(found)


def _joined(
    first: Task, chain: Chain, second: Task, later: Sequence[Task]
) -> tuple[Task, Chain] | None:
    values = dict(first.arrays())
    try:
        joint, bound = fuse(first.bound, second.bound, lambda name: _is_needed(values[name], later))
    except NotFusableError:
        return None
    return Task(bound), (*chain, joint)


def _is_needed(value: object, later: Sequence[Task]) -> bool:
    """Whether somebody may read an array when the second of two tasks is done."""
    if not isinstance(value, BufferView) or value.buffer.lifetime is not Lifetime.TRANSIENT:
        return True
    return any(
        buffer is value.buffer for task in later for buffer in task.transients(task.kernel.reads)
    )
