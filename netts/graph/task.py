"""Tasks: recorded kernel calls, and the order that their memory forces on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from netts.compiler.arguments import ARRAYS, ArrayInfo, Checked, describe
from netts.compiler.correspondence import Bound
from netts.compiler.loops import Loops
from netts.devices.memory import Buffer, BufferView, Lifetime


@dataclass(frozen=True)
class Task:
    """One recorded kernel call, or several fused to one.

    Attributes
    ----------
    bound
        The kernel with its arguments, in the order of its parameters: buffer views, the caller's
        NumPy arrays (kept alive by this), and numbers frozen at the value they had.
    """

    bound: Bound

    @property
    def kernel(self) -> Loops:
        """Return the kernel."""
        return self.bound.loops

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Return its arguments."""
        return self.bound.arguments

    @property
    def checked(self) -> Checked:
        """Return them as they were when they were checked, which recording does."""
        return self.bound.checked

    def arrays(self) -> tuple[tuple[str, np.ndarray | BufferView], ...]:
        """Return the name and value of each array argument."""
        return self._arrays

    @cached_property
    def _arrays(self) -> tuple[tuple[str, np.ndarray | BufferView], ...]:
        named = zip(self.kernel.parameters, self.arguments, strict=True)
        return tuple((name, value) for name, value in named if isinstance(value, ARRAYS))

    @cached_property
    def _transients(self) -> tuple[tuple[str, Buffer], ...]:
        return tuple(
            (name, value.buffer)
            for name, value in self._arrays
            if isinstance(value, BufferView) and value.buffer.lifetime is Lifetime.TRANSIENT
        )

    def transients(self, names: frozenset[str]) -> Iterator[Buffer]:
        """Yield the transient buffers among the named arguments."""
        return (buffer for name, buffer in self._transients if name in names)


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
