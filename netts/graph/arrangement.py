"""The operations of a recording on the CPU, with argument blocks that lack addresses and numbers.

What is left is the same for all recordings of one structure, so it is made once for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netts.compiler import calibration
from netts.compiler.operation import Operation
from netts.compiler.specialise import Specialisation
from netts.devices.memory import ALIGNMENT_BYTES, Buffer, BufferView, Lifetime
from netts.graph.task import Task

WORD_BYTES = 8

Argument = tuple[int, int]
"""The position of a task, and that of one of its arguments."""


@dataclass(frozen=True)
class Arranged:
    """An operation, the task that it is of, and where its argument block stands."""

    task: int
    specialisation: Specialisation
    operation: Operation
    block: slice


@dataclass(frozen=True)
class Arrangement:
    """The operations of a recording; it holds no argument of a task.

    Attributes
    ----------
    chosen
        What the kernel of each task is compiled to.
    operations
        In their order.
    scratch_bytes
        Of the operation that needs most: they run one after the other.
    calls_blas
        Whether one of them is a contraction.
    words
        All argument blocks, zero where an address or a number goes.
    table
        Entry, first byte of the block in `words`, and parts of each operation.
    scratch
        The words where the address of scratch memory goes.
    sources, addresses
        Arrays, and the words where the address of each goes: position in `sources`, word.
    numbers
        The words of scalar arguments.
    read, written
        An argument for each buffer that the tasks only read, and for each that they write, but for
        transients: of them nobody else knows what they hold.
    """

    chosen: tuple[Specialisation, ...]
    operations: tuple[Arranged, ...]
    scratch_bytes: int
    calls_blas: bool
    words: np.ndarray
    table: np.ndarray
    scratch: np.ndarray
    sources: tuple[Argument, ...]
    addresses: np.ndarray
    numbers: tuple[tuple[int, Argument], ...]
    read: tuple[Argument, ...]
    written: tuple[Argument, ...]

    def buffers(self, tasks: Sequence[Task]) -> tuple[tuple[Buffer, ...], tuple[Buffer, ...]]:
        """Return the buffers that tasks only read, and those that they write.

        Devices may have copies of them.
        """
        read, written = (
            tuple([tasks[k].arguments[n].buffer for k, n in every])
            for every in (self.read, self.written)
        )
        return read, written

    def blocks(self, tasks: Sequence[Task], scratch: int) -> np.ndarray:
        """Return the argument blocks for tasks of this structure."""
        words = self.words.copy()
        words[self.scratch] = scratch
        places = np.array([_address(tasks[k].arguments[n]) for k, n in self.sources], np.int64)
        words[self.addresses[1]] = places[self.addresses[0]]
        floats = words.view(np.float64)
        for word, (k, n) in self.numbers:
            number = tasks[k].arguments[n]
            if isinstance(number, float | np.floating):
                floats[word] = number
            else:
                words[word] = int(number)
        return words

    def table_of(self, blocks: np.ndarray) -> np.ndarray:
        """Return what the replay loop walks, for such blocks."""
        table = self.table.copy()
        table[:, 1] += _address(blocks)
        return table


_Choice = tuple[str, list[tuple[str, ...]]]
"""What may change for recordings of one form: costs, by their digest, and constants."""


class Arrangements:
    """The operations of recordings of one form, compiled when they are first asked for.

    They are kept for the costs, and the constants that kernels read, that held last.
    """

    def __init__(self) -> None:
        self._known: tuple[_Choice, Mapping[str, Arrangement]] | None = None

    def of(self, recordings: Mapping[str, Sequence[Task]]) -> Mapping[str, Arrangement]:
        """Return the operations of each recording, the tasks of which are fused.

        Raises
        ------
        KernelError
            Where a constant is no number any more, or a function was defined anew.
        """
        every = [task.kernel for tasks in recordings.values() for task in tasks]
        by = calibration.current().digest, [loops.constants_as_text() for loops in every]
        known = self._known
        if known is None or known[0] != by:
            known = by, {name: arrange(tasks) for name, tasks in recordings.items()}
            self._known = known
        for arrangement in known[1].values():
            for special in arrangement.chosen:
                special.kernel.last = special
        return known[1]


def arrange(tasks: Sequence[Task]) -> Arrangement:
    """Compile a recording for the CPU."""
    chosen = tuple([task.kernel.specialise_for(task.checked) for task in tasks])
    operations = tuple(_arranged(chosen))
    sources = [*_sources(operations)]
    places = {source: n for n, source in enumerate(dict.fromkeys(one for _, one in sources))}
    read, written = _buffers(tasks)
    return Arrangement(
        chosen,
        operations,
        scratch_bytes=max([ALIGNMENT_BYTES, *(one.scratch_bytes for one in chosen)]),
        calls_blas=any(one.calls_blas for one in chosen),
        words=np.concatenate([_integers(()), *(one.operation.template for one in operations)]),
        table=_integers(map(_row, operations)).reshape(-1, 3),
        scratch=_integers(
            one.block.start + word for one in operations for word in one.operation.scratch
        ),
        sources=tuple(places),
        addresses=_integers((places[one], word) for word, one in sources).reshape(-1, 2).T,
        numbers=tuple(_numbers(operations)),
        read=tuple(one for buffer, one in read.items() if buffer not in written),
        written=tuple(written.values()),
    )


def _integers(values: Iterable[Any]) -> np.ndarray:
    return np.array([*values], np.int64)


def _arranged(chosen: Sequence[Specialisation]) -> Iterator[Arranged]:
    end = 0
    for k, special in enumerate(chosen):
        for one in special.operations:
            start, end = end, end + len(one.template)
            yield Arranged(k, special, one, slice(start, end))


def _row(one: Arranged) -> tuple[int, int, int]:
    operation = one.operation
    return operation.native.address, WORD_BYTES * one.block.start, operation.parts


def _buffers(tasks: Sequence[Task]) -> tuple[dict[Buffer, Argument], dict[Buffer, Argument]]:
    """Return the buffers that are given to tasks to read or for their shape, and to write."""
    read: dict[Buffer, Argument] = {}
    written: dict[Buffer, Argument] = {}
    for k, task in enumerate(tasks):
        named = zip(task.kernel.parameters, task.arguments, strict=True)
        for n, (name, value) in enumerate(named):
            is_used = isinstance(value, BufferView) and name in task.kernel.routine.ranks
            if is_used and value.buffer.lifetime is not Lifetime.TRANSIENT:
                (written if name in task.kernel.writes else read).setdefault(value.buffer, (k, n))
    return read, written


def _sources(operations: Sequence[Arranged]) -> Iterator[tuple[int, Argument]]:
    """Yield the words where addresses go, and of which arrays."""
    for one in operations:
        names = one.specialisation.kernel.parameters
        for word, name in one.operation.addresses:
            yield one.block.start + word, (one.task, names.index(name))


def _numbers(operations: Sequence[Arranged]) -> Iterator[tuple[int, Argument]]:
    """Yield the words where scalar arguments go, and which."""
    for one in operations:
        names = one.specialisation.kernel.parameters
        for word, what in enumerate(one.operation.program.words):
            if what.kind == "scalar":
                yield one.block.start + word, (one.task, names.index(what.name))


def _address(value: Any) -> int:
    """Return where the first element of an array lies."""
    if isinstance(value, np.ndarray):
        return int(value.__array_interface__["data"][0])
    return int(value.address)
