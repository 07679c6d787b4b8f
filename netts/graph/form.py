"""The form of recordings: all that compiling them depends on, but for machine and costs.

Recordings are of one form where they have

- the same kernels (themselves: a kernel that was defined anew is another one), with the same
  constants that these read,
- arrays of the same shapes, strides and dtypes, that meet in memory in the same way,
- the same whole numbers, and other numbers of the same types.

Where memory lies is left out: host memory is told by islands, ranges that meet directly or through
others, numbered as tasks name them, and places within. So are buffers, which are numbered too.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from netts.compiler.arguments import HOST, ArrayInfo, describe
from netts.devices.memory import Buffer, BufferView, Lifetime
from netts.errors import KernelError
from netts.graph.task import Task

Recordings = Mapping[str, Sequence[Task]]


def form_of(recordings: Recordings) -> tuple[Hashable | None, tuple[Buffer, ...]]:
    """Return what tells forms apart, and the transients in the order in which tasks name them.

    None for the form where a constant that a kernel reads is none any more: whoever needs it will
    say so.
    """
    tasks = [task for every in recordings.values() for task in every]
    arrays = [pair for task in tasks for pair in _arrays(task)]
    islands = _islands((info.start, info.stop) for _, info in arrays if info.space == HOST)
    buffers: dict[Buffer, int] = {}
    numbers: dict[int, int] = {}
    forms = tuple([_form(value, info, islands, buffers, numbers) for value, info in arrays])
    transients = tuple(one for one in buffers if one.lifetime is Lifetime.TRANSIENT)
    try:
        constants = tuple([task.kernel.constants_as_text() for task in tasks])
    except KernelError:
        return None, transients
    key = (
        tuple((name, len(every)) for name, every in recordings.items()),
        tuple([task.kernel for task in tasks]),
        forms,
        tuple([_numbers(task.checked.numbers.values()) for task in tasks]),
        tuple([tuple(task.checked.aliases.items()) for task in tasks]),
        constants,
    )
    return key, transients


def _arrays(task: Task) -> Iterator[tuple[np.ndarray | BufferView, ArrayInfo]]:
    """Yield the arrays that a kernel makes something of, as they lie now.

    One that was recorded before it had its memory may have got it since.
    """
    values = dict(task.arrays())
    for name, info in task.checked.arrays.items():
        value = values[name]
        if info.space != HOST and isinstance(value, BufferView) and value.buffer.is_attached:
            yield value, describe(value)
        else:
            yield value, info


def _islands(ranges: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Return of each range of memory where its island begins; an empty one counts as a byte."""
    found: dict[tuple[int, int], int] = {}
    begin = end = -1
    for start, stop in sorted(set(ranges)):
        if start >= end:
            begin = start
        end = max(end, stop, start + 1)
        found[start, stop] = begin
    return found


def _form(
    value: np.ndarray | BufferView,
    info: ArrayInfo,
    islands: Mapping[tuple[int, int], int],
    buffers: dict[Buffer, int],
    numbers: dict[int, int],
) -> tuple[Any, ...]:
    """Return what counts of an array; buffers and islands are numbered as they come."""
    shape, dtype, strides, space, start, stop = info
    owner: str | int
    if isinstance(value, np.ndarray):
        owner = "writeable" if value.flags.writeable else "read-only"
    else:
        owner = buffers.setdefault(value.buffer, len(buffers))
        if value.buffer.lifetime is Lifetime.TRANSIENT:
            return "transient", owner, value.buffer.nbytes, value.offset, shape, dtype, strides
        if space != HOST:
            return "unplaced", owner, value.offset, shape, dtype, strides
    begin = islands[start, stop]
    island = numbers.setdefault(begin, len(numbers))
    return owner, island, start - begin, shape, dtype, strides


def _numbers(numbers: Iterable[bool | int | float]) -> tuple[Any, ...]:
    """Return what counts of numbers: whole ones may be compiled in."""
    return tuple([(type(n), n if isinstance(n, int) else None) for n in numbers])
