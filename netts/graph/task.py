"""Tasks: recorded kernel calls, and the order that their memory forces on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netts.compiler.arguments import ArrayInfo, describe
from netts.compiler.loops import Loops
from netts.devices.memory import Buffer, BufferView, Lifetime


@dataclass(frozen=True)
class Task:
    """One recorded kernel call, or several fused to one.

    Attributes
    ----------
    arguments
        In the order of the kernel's parameters: buffer views, the caller's NumPy arrays (kept
        alive by this), and numbers frozen at the value they had.
    """

    kernel: Loops
    arguments: tuple[Any, ...]

    def arrays(self) -> Iterator[tuple[str, np.ndarray | BufferView]]:
        """Yield the name and value of each array argument."""
        for name, value in zip(self.kernel.parameters, self.arguments, strict=True):
            if isinstance(value, np.ndarray | BufferView):
                yield name, value

    @property
    def needs(self) -> frozenset[str]:
        """The arrays whose contents from before the task it reads.

        An array that the kernel stores into before it reads from it needs nothing: a softmax that
        keeps the exponentials in its output, say.
        """
        first: dict[str, str] = {}
        for touched in self.kernel.accesses:
            for access in touched:
                first.setdefault(access.array, access.kind)
        return frozenset(name for name in self.kernel.reads if first[name] != "store")

    def transients(self, names: frozenset[str]) -> Iterator[Buffer]:
        """Yield the transient buffers among the named arguments."""
        for name, value in self.arrays():
            if name not in names or not isinstance(value, BufferView):
                continue
            if value.buffer.lifetime is Lifetime.TRANSIENT:
                yield value.buffer


@dataclass(frozen=True)
class Hazard:
    """Task `second` must run after task `first`, both positions in the recording.

    Attributes
    ----------
    kinds
        Why: "read after write", "write after read", "write after write".
    """

    first: int
    second: int
    kinds: tuple[str, ...]


def hazards(tasks: Sequence[Task]) -> tuple[Hazard, ...]:
    """Return every pair of tasks whose order matters, wherever their byte ranges overlap."""
    reads = [_ranges(task, task.kernel.reads) for task in tasks]
    writes = [_ranges(task, task.kernel.writes) for task in tasks]
    found = []
    for second in range(len(tasks)):
        for first in range(second):
            kinds = tuple(
                kind
                for kind, before, after in (
                    ("read after write", writes[first], reads[second]),
                    ("write after read", reads[first], writes[second]),
                    ("write after write", writes[first], writes[second]),
                )
                if any(one.overlaps(other) for one in before for other in after)
            )
            if kinds:
                found.append(Hazard(first, second, kinds))
    return tuple(found)


def _ranges(task: Task, names: frozenset[str]) -> list[ArrayInfo]:
    return [describe(value) for name, value in task.arrays() if name in names]
