"""A plan as plain values, for those who print or draw it: no memory, no compiled code."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from netts.devices.memory import Lifetime


@dataclass(frozen=True)
class OperationNote:
    """What runs for a task, or for a part of it.

    Attributes
    ----------
    task
        The position of its task among those that run.
    label
        What it is called in profiles too.
    how
        What runs it, and what that is estimated to take where that is known.
    """

    task: int
    label: str
    how: str

    def __str__(self) -> str:
        return f"{self.label}: {self.how}"


@dataclass(frozen=True)
class MemoryNote:
    """Memory that tasks share: a buffer, or arrays of the caller's that overlap.

    Attributes
    ----------
    name
        Its own, or that of the first parameter that it is an argument for.
    form
        Shape and dtype as its first task sees it; empty where it holds several arrays.
    is_whole
        Whether the array of that form is all of it.
    offset
        Where it lies in the memory of the transients; None for all other memory.
    """

    name: str
    lifetime: Lifetime
    form: str
    nbytes: int
    is_whole: bool
    offset: int | None = None


@dataclass(frozen=True)
class Use:
    """What a task does with memory.

    Attributes
    ----------
    memory
        Its position in `RecordingDescription.memories`.
    arguments
        The parameters that it is passed for, with shapes and dtypes.
    is_read
        Whether it reads what was there before.
    """

    memory: int
    is_read: bool
    is_written: bool
    arguments: tuple[str, ...] = ()


class Kind(enum.Enum):
    """What a node stands for."""

    TASK = "task"
    UPLOAD = "upload"
    DOWNLOAD = "download"


@dataclass(frozen=True)
class Node:
    """A task, or copies between host and device.

    Attributes
    ----------
    title
        The names of its kernels, joined by " + " where they are fused.
    details
        Its operations, as lines.
    uses
        Copies up write the device's memory and copies down read it.
    order
        Which earlier tasks it has to follow, and why.
    """

    kind: Kind
    title: str
    details: tuple[str, ...]
    uses: tuple[Use, ...]
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordingDescription:
    """A recording as it is replayed.

    Attributes
    ----------
    heading
        Its name, and what was recorded.
    mode
        How the device goes through its operations.
    nodes
        In the order in which they run: uploads, tasks, downloads.
    memories
        In the order of their first use.
    """

    heading: str
    mode: str
    nodes: tuple[Node, ...]
    memories: tuple[MemoryNote, ...]


@dataclass(frozen=True)
class PlanDescription:
    """A plan.

    Attributes
    ----------
    device
    title
        The device and why it was chosen.
    facts
        What holds for all recordings.
    """

    device: str
    title: str
    facts: tuple[str, ...]
    recordings: tuple[RecordingDescription, ...]
