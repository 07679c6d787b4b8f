"""Replays: a recording turned into what a device runs again and again, one class for each device.

A replay knows how to run steps and what its operations are called. Those of devices that run on the
host's memory are here; `cuda_replay` has the one with memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple, Protocol

import numpy as np

from netts.compiler import checking, engine
from netts.compiler.kernel import run_reference
from netts.devices.memory import Buffer, allocate
from netts.devices.names import kind_of
from netts.devices.transfers import Traffic
from netts.graph.access import Copies
from netts.graph.arrangement import Arranged, Arrangement, Arrangements
from netts.graph.cuda_replay import INTERRUPT_SECONDS, cuda_replays
from netts.graph.description import OperationNote
from netts.graph.memory import MemoryPlan
from netts.graph.profile import Profile, ProfileRow
from netts.graph.task import Task


class Replay(Protocol):
    """What a plan needs of a recording on a device."""

    @property
    def tasks(self) -> Sequence[Task]:
        """What it runs: fused where it compiles."""
        ...

    @property
    def mode(self) -> str:
        """How the operations are gone through."""
        ...

    @property
    def copies(self) -> tuple[Copies, ...]:
        """What goes to the device before a run and comes back behind it."""
        ...

    @property
    def traffic(self) -> Traffic | None:
        """What went to and from the device since it was made, None where that has no memory."""
        ...

    def run(self, steps: int, stop: np.ndarray) -> int:
        """Run up to `steps` steps, fewer once `stop[0]` is set; return the steps done."""
        ...

    def launch(self, steps: int, stop: np.ndarray) -> int:
        """Do the same without waiting for the device, where it has memory of its own."""
        ...

    def wait(self) -> None:
        """Wait for what was launched, and raise what its tests have found."""
        ...

    def profile(self, steps: int) -> Profile:
        """Run `steps` steps, timing every operation."""
        ...

    def operations(self) -> list[OperationNote]:
        """Return what each operation is, in the order in which they run."""
        ...


class PythonReplay:
    """Replays by a Python loop: the reference, or the reference with every access tested."""

    traffic, copies = None, ()
    mode = "a Python loop"

    def __init__(self, tasks: Sequence[Task], run_task: Callable[..., None]) -> None:
        self.tasks = tasks
        self._run_task = run_task

    def run(self, steps: int, stop: np.ndarray) -> int:
        for step in range(steps):
            if stop[0]:
                return step
            for task in self.tasks:
                self._run_task(task.kernel, task.arguments)
        return steps

    launch = run

    def wait(self) -> None:
        pass

    def profile(self, steps: int) -> Profile:
        seconds = np.zeros(len(self.tasks))
        for _ in range(steps):
            for position, task in enumerate(self.tasks):
                start = perf_counter()
                self._run_task(task.kernel, task.arguments)
                seconds[position] += perf_counter() - start
        rows = [
            ProfileRow(task.kernel.routine.name, position, 1, float(total) / steps, None)
            for position, (task, total) in enumerate(zip(self.tasks, seconds, strict=True))
        ]
        return Profile("reference", steps, tuple(rows))

    def operations(self) -> list[OperationNote]:
        return [
            OperationNote(position, task.kernel.routine.name, "interpreted")
            for position, task in enumerate(self.tasks)
        ]


class _Placed(NamedTuple):
    """An operation of a recording with its argument block."""

    arranged: Arranged
    block: np.ndarray


class _Walk:
    """A list of operations that a compiled loop goes through, again and again.

    Parameters
    ----------
    placed
        The operations, in the order in which they run.
    words
        What the loop reads of each.
    read, written
        The buffers that they only read, and those that they write; devices may have copies.
    calls_blas
        Whether one of them may.
    """

    def __init__(
        self,
        placed: list[_Placed],
        words: np.ndarray,
        read: Sequence[Buffer],
        written: Sequence[Buffer],
        *,
        calls_blas: bool,
    ) -> None:
        self.placed, self.read, self.written = placed, read, written
        self.table = engine.OperationTable(words)
        self.calls_blas = calls_blas
        self._seconds_per_step: float | None = None

    def run(self, steps: int, stop: np.ndarray, times: np.ndarray | None = None) -> int:
        for buffer in self.read:
            buffer.fetch()
        for buffer in self.written:
            buffer.touch()
        done = 0
        while done < steps and not stop[0]:
            start = perf_counter()
            most = min(steps - done, self._chunk())
            chunk, failure = engine.replay(
                self.table, most, stop, times=times, calls_blas=self.calls_blas
            )
            if failure is not None:
                raise self._error(failure)
            done += chunk
            if chunk:
                self._seconds_per_step = (perf_counter() - start) / chunk
        return done

    def _chunk(self) -> int:
        """Return how many steps to run before looking at Python again."""
        if self._seconds_per_step is None:
            return 1
        return max(1, int(INTERRUPT_SECONDS / max(self._seconds_per_step, 1e-9)))

    def _error(self, failure: engine.Failure) -> Exception:
        failed, block = self.placed[failure.operation]
        value = int(block[0])
        return failed.operation.error(failed.specialisation.kernel, failure.status, value)


class CpuReplay:
    """Replays by a compiled loop over (entry address, argument block, parts)."""

    traffic, copies = None, ()
    mode = "one compiled loop"

    def __init__(self, tasks: Sequence[Task], arrangement: Arrangement) -> None:
        self.tasks = tasks
        # Operations run one after the other, so all share one scratch memory.
        self._scratch = allocate(arrangement.scratch_bytes)
        blocks = arrangement.blocks(tasks, self._scratch.ctypes.data)
        self._placed = [_Placed(one, blocks[one.block]) for one in arrangement.operations]
        read, written = arrangement.buffers(tasks)
        words = arrangement.table_of(blocks)
        self.walk = _Walk(self._placed, words, read, written, calls_blas=arrangement.calls_blas)

    def run(self, steps: int, stop: np.ndarray) -> int:
        return self.walk.run(steps, stop)

    def launch(self, steps: int, stop: np.ndarray) -> int:
        return self.walk.run(steps, stop)

    def wait(self) -> None:
        pass

    def profile(self, steps: int) -> Profile:
        times = np.zeros(len(self._placed) + 2, np.int64)
        self.walk.run(steps, np.zeros(1, np.int64), times)
        rows = [
            ProfileRow(
                one.operation.label,
                one.task,
                one.operation.parts,
                float(nanoseconds) * 1e-9 / steps,
                one.operation.native.seconds,
            )
            for (one, _), nanoseconds in zip(self._placed, times, strict=False)
        ]
        return Profile("cpu", steps, tuple(rows))

    def operations(self) -> list[OperationNote]:
        found = []
        for one, _ in self._placed:
            operation = one.operation
            parts = f"up to {operation.parts} parts" if operation.parts > 1 else "one part"
            by = "BLAS" if operation.program.contraction else "loops"
            estimate = f"about {operation.seconds * 1e6:.3g} us"
            found.append(OperationNote(one.task, operation.label, f"{by}, {parts}, {estimate}"))
        return found


class Cycle(Protocol):
    """Several recordings as one step."""

    def run(self, steps: int, stop: np.ndarray) -> int:
        """Run up to `steps` steps, fewer once `stop[0]` is set; return the steps done."""
        ...


@dataclass(frozen=True)
class InTurn:
    """A cycle of any replays: each takes its turns."""

    turns: Sequence[tuple[Replay, int]]

    def run(self, steps: int, stop: np.ndarray) -> int:
        never = np.zeros(1, np.int64)
        for step in range(steps):
            if stop[0]:
                return step
            for replay, times in self.turns:
                replay.run(times, never)
        return steps


def make_cycle(turns: Sequence[tuple[Replay, int]]) -> Cycle:
    """Return what runs each replay so many times, one after the other, as one step."""
    walks = [(one.walk, times) for one, times in turns if isinstance(one, CpuReplay)]
    if len(walks) < len(turns):
        return InTurn(turns)
    # One list of all their operations, so that nothing of Python is between two of them.
    return _Walk(
        [placed for walk, times in walks for placed in walk.placed * times],
        np.concatenate([walk.table.words for walk, times in walks for _ in range(times)]),
        [buffer for walk, _ in walks for buffer in walk.read],
        [buffer for walk, _ in walks for buffer in walk.written],
        calls_blas=any(walk.calls_blas for walk, _ in walks),
    )


def make_replays(
    device: str,
    recordings: Mapping[str, Sequence[Task]],
    fused: Mapping[str, Sequence[Task]],
    memory: MemoryPlan,
    precision: str = "float32",
    arrangements: Arrangements | None = None,
) -> Mapping[str, Replay]:
    """Return the replay of each recording on a device.

    Parameters
    ----------
    recordings, fused
        As they were made, and with neighbours fused, for devices that compile.
    memory
        Where their transients lie.
    precision
        "float32" or "tf32": what a GPU multiplies products of float32 in.
    arrangements
        Of all recordings of this form; None where nothing is kept for others.

    Raises
    ------
    DeviceError
        Where the device cannot be used, or has too little memory.
    """
    if checking.is_on():
        return {name: PythonReplay(tasks, checking.run) for name, tasks in recordings.items()}
    if device == "reference":
        return {name: PythonReplay(tasks, run_reference) for name, tasks in recordings.items()}
    if kind_of(device) == "cuda":
        return cuda_replays(device, fused, memory, precision)
    arranged = (arrangements or Arrangements()).of(fused)
    return {name: CpuReplay(tasks, arranged[name]) for name, tasks in fused.items()}
