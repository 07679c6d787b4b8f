"""Replays on a GPU: a recording captured once as a CUDA graph, and launched once for each step.

Every launch is prepared when the plan is made, with addresses and shapes that never change; the
capture takes those launches and no others. The first step of all launches them one by one: what a
driver or a library loads when it is first used is loaded then, and a recording that runs once is
never captured. The host waits at least every 0.1 s, where it sees Ctrl-C and the stop word; tests
that failed have left their marks in memory of the host by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np

from netts.compiler.cuda.launches import prepared
from netts.compiler.cuda.specialise import CudaSpecialisation
from netts.devices.cuda import CudaDevice, opened
from netts.devices.names import ordinal_of
from netts.devices.transfers import Traffic
from netts.graph.access import Copies
from netts.graph.description import OperationNote
from netts.graph.memory import MemoryPlan
from netts.graph.profile import Profile, ProfileRow
from netts.graph.residence import WORD_BYTES, Needs, Residence
from netts.graph.task import Task

INTERRUPT_SECONDS = 0.1
"""The longest that a replay stays away from Python, where Ctrl-C and time limits are seen."""

Lowered = list[tuple[Task, CudaSpecialisation]]
"""The tasks of a recording, each lowered for its arguments."""


@dataclass(frozen=True)
class Placed:
    """An operation of a recording, ready to be launched."""

    task: int
    label: str
    launch: Any
    compile_seconds: float


def cuda_replays(
    device: str,
    recordings: Mapping[str, Sequence[Task]],
    memory: MemoryPlan,
    precision: str = "float32",
) -> dict[str, CudaReplay]:
    """Return the replays of a plan's recordings on a GPU: "cuda", "cuda:1".

    Parameters
    ----------
    precision
        "float32" or "tf32": what products of float32 are multiplied in.

    Raises
    ------
    DeviceError
        Where it cannot be used, or has too little memory.
    """
    machine = opened(ordinal_of(device))
    lowered = {
        name: [(task, task.kernel.specialise_cuda(task.arguments, precision)) for task in tasks]
        for name, tasks in recordings.items()
    }
    every = [special for pairs in lowered.values() for _, special in pairs]
    needs = Needs(
        max([0, *(one.scratch_bytes for one in every)]), sum(one.fault_words for one in every)
    )
    replays, first_word = {}, 0
    with machine.enter():
        residence = Residence(machine, recordings, memory, needs)
        for name, pairs in lowered.items():
            replays[name] = CudaReplay(device, machine, pairs, residence, first_word)
            first_word += sum(special.fault_words for _, special in pairs)
    return replays


class CudaReplay:
    """Replays by launching a captured graph.

    Parameters
    ----------
    device
        What users call the machine.
    machine
    lowered
    residence
        Of the plan.
    first_word
        Of the residence's fault words, from which on they are this recording's.
    """

    def __init__(
        self,
        device: str,
        machine: CudaDevice,
        lowered: Lowered,
        residence: Residence,
        first_word: int,
    ) -> None:
        self._device, self._machine = device, machine
        self._residence = residence  # kept: it owns the memory that the launches name
        self.tasks = tuple(task for task, _ in lowered)
        self._access = residence.access(self.tasks)
        self._specials = [special for _, special in lowered]
        n_words = sum(special.fault_words for special in self._specials)
        start = WORD_BYTES * first_word
        marks = residence.faults.array[start : start + WORD_BYTES * n_words]
        self._marks = marks.view(np.int64)
        self._placed = _place(machine, lowered, residence, residence.faults.address + start)
        self._has_run = False
        self._before = self._machine.transfers.traffic
        self._seconds_per_step: float | None = None

    @property
    def traffic(self) -> Traffic:
        return self._machine.transfers.traffic.since(self._before)

    @cached_property
    def _graph(self) -> Any:
        return self._machine.capture([one.launch for one in self._placed])

    def run(self, steps: int, stop: np.ndarray) -> int:
        if not steps or not self._placed:
            return steps
        with self._machine.enter():
            self._access.before()
            try:
                return self._run(steps, stop)
            finally:  # after Ctrl-C too the caller's arrays hold what was done
                self._access.behind()

    def launch(self, steps: int, stop: np.ndarray) -> int:
        if self._access.results or self._access.held or not self._placed:
            return self.run(steps, stop)
        done = 0
        with self._machine.enter():
            self._access.before()
            try:
                while done < steps and not stop[0]:
                    done += self._launch(steps - done, stop)
            finally:
                self._access.note()
        return done

    def wait(self) -> None:
        with self._machine.enter():
            self._machine.synchronize()
        self._raise_faults()

    def _run(self, steps: int, stop: np.ndarray) -> int:
        done = 0
        while done < steps and not stop[0]:
            start = perf_counter()
            chunk = self._launch(min(steps - done, self._chunk()), stop)
            done += chunk
            if done == steps and not self._marks.size:
                break  # no test can fail, so nobody has to wait
            self._machine.synchronize()
            self._raise_faults()
            self._seconds_per_step = (perf_counter() - start) / max(chunk, 1)
        return done

    def _launch(self, steps: int, stop: np.ndarray) -> int:
        """Launch up to `steps` steps, fewer where the stop word is set; return how many."""
        if not self._has_run:
            for one in self._placed:
                self._machine.launch(one.launch)
            self._has_run = True
            return 1
        graph, done = self._graph, 0
        while done < steps and not stop[0]:
            self._machine.launch_graph(graph)
            done += 1
        self._machine.transfers.count(Traffic(launches=done))
        return done

    def _chunk(self) -> int:
        """Return how many steps to launch before waiting for them."""
        if self._seconds_per_step is None:
            return 1
        return max(1, int(INTERRUPT_SECONDS / max(self._seconds_per_step, 1e-9)))

    def _raise_faults(self) -> None:
        """Raise the error of the first operation of which a test failed."""
        if not self._marks.any():
            return
        marks, start = self._marks.copy(), 0
        self._marks[...] = 0
        for special in self._specials:
            error = special.error(marks[start : start + special.fault_words])
            if error is not None:
                raise error
            start += special.fault_words

    def profile(self, steps: int) -> Profile:
        launches = [one.launch for one in self._placed]
        before, seconds = self._machine.transfers.traffic, np.zeros(len(launches))
        with self._machine.enter():
            self._access.before()
            for _ in range(steps):
                seconds += self._machine.timed(launches)
                self._raise_faults()
            self._access.behind()
        rows = [
            ProfileRow(one.label, one.task, 1, float(total) / steps, one.compile_seconds)
            for one, total in zip(self._placed, seconds, strict=True)
        ]
        traffic = self._machine.transfers.traffic.since(before)
        return Profile(self._device, steps, tuple(rows), traffic)

    @property
    def mode(self) -> str:
        return f"captured: from the second step on one graph of {len(self._placed)} launches"

    @property
    def copies(self) -> tuple[Copies, ...]:
        return self._access.copies()

    def operations(self) -> list[OperationNote]:
        return [OperationNote(one.task, one.label, "a launch") for one in self._placed]


def _place(machine: CudaDevice, lowered: Lowered, residence: Residence, fault: int) -> list[Placed]:
    """Prepare every operation: with its addresses, scratch memory and fault words."""
    placed = []
    for position, (task, special) in enumerate(lowered):
        addresses = {name: residence.address(value) for name, value in task.arrays()}
        numbers = special.numbers(task.arguments)
        for operation in special.operations:
            start = perf_counter()
            launch = prepared(operation, machine, addresses, residence.scratch, fault, numbers)
            placed.append(Placed(position, operation.label, launch, perf_counter() - start))
            fault += WORD_BYTES * operation.fault_words
    return placed
