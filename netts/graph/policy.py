"""Where "auto" runs a plan: estimates of it on the CPU and on a GPU, compared.

- What is compared is a round of how the plan is going to be used (`Usage`): an epoch of a training
  with its share of what is paid once, a chunk of samples with its copies, one run where nothing is
  known. Estimates are made of shapes (`cpu_estimate`, `cuda.estimate`), and nothing is compiled.
- The choice depends on the plan, its use, the machine and the costs that hold there, and on nothing
  that happened before: the same program runs on the same device again, and gives the same bits.
- Work that goes on where other work ended stays on the device of that (`Usage.before`), where it
  can: it would round otherwise from there on.
- What lies on a GPU only, another library's array, is used there: no other device has it.
- Nothing is asked where there is no GPU, and nothing here is tried a second time elsewhere: what
  fails on the device that was chosen fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from netts.compiler import calibration
from netts.compiler.arguments import describe
from netts.compiler.bound import Bound
from netts.compiler.choosing import MARGIN, Estimates
from netts.compiler.cpu_estimate import cpu_work
from netts.compiler.cuda import gpu_calibration
from netts.compiler.cuda.estimate import gpu_seconds
from netts.compiler.cuda.gpu_costs import GpuCosts
from netts.compiler.cuda.specialise import specialise as specialise_cuda
from netts.devices.mirrors import DeviceOriginal
from netts.devices.registry import (
    AUTO,
    HOST,
    explain_choice,
    explain_choice_at,
    gpu_for_auto,
    is_for_auto,
)
from netts.errors import DeviceError
from netts.graph.memory import MemoryPlan
from netts.graph.scratch import buffers_of
from netts.graph.task import Task
from netts.graph.trial import Outcome, outcome

Recordings = Mapping[str, Sequence[Task]]

RUN_SECONDS = 1e-5
"""From Python to the first operation on the CPU and back: runs of next to nothing take 10 to 20 us
(bench/gpu/policy.py with `--device cpu --tiny`)."""

CLOSE = 2.0
"""Estimates whose quotient is less are close: those of steps are off by 1.4 on all cores, in the
root mean square, and by 1.2 on the GPU (bench/results/policy-2026-11-23.md)."""

WORTH_SECONDS = 30.0
"""How long work takes that is worth a trial: starting CUDA, loading and capturing for both devices,
or compiling where the cache is empty, take 2 to 5 seconds."""

USABLE = 0.9
"""Of a GPU's memory: the rest is for the driver, for cuBLAS's workspace, and for code."""


@dataclass(frozen=True)
class Usage:
    """How a plan is going to be used, as far as that is known when it is compiled.

    Attributes
    ----------
    steps
        How often each recording is replayed in a round; each once by default.
    rounds
        How many rounds share what is paid once: starting CUDA, sending data that stay. None where
        that is not known; then there are so many that it does not count.
    upload_bytes, download_bytes
        What goes up and comes down in a round besides arrays that are not netts's own.
    unit
        What a round is called.
    before
        The device on which the work began that this plan goes on with.
    """

    steps: Mapping[str, int] = field(default_factory=dict)
    rounds: int | None = None
    upload_bytes: int = 0
    download_bytes: int = 0
    unit: str = "a run"
    before: str | None = None


def choose_device(
    device: str, recordings: Recordings, memory: MemoryPlan, usage: Usage
) -> tuple[str, str]:
    """Return the device for a plan, and why it is that one.

    Parameters
    ----------
    device
        As `TaskGraph.compile` takes it; asked first, then context, environment and estimates.

    Raises
    ------
    DeviceError
        Where a device was named that cannot be used.
    """
    places = _places(recordings)
    if places:
        return _choose_among(device, places)
    name, why = explain_choice(device)
    if name != AUTO:
        return name, why
    if usage.before is not None and is_for_auto(usage.before):
        return usage.before, "goes on where it began"
    needed, gpus = _device_bytes(recordings, memory), gpu_for_auto().gpus
    there = gpus[0].memory_bytes if gpus else math.inf
    if needed > USABLE * there:
        return HOST, f"it needs {needed:,} bytes on the GPU, which has {there:,}"
    estimate = PlanEstimate(recordings, usage, gpu_calibration.current())
    found = estimate.estimates()
    timed = _timed(estimate, found, memory)
    if timed is not None:
        return timed.device, timed.reason(usage.unit)
    return found.device, found.reason


def _places(recordings: Recordings) -> dict[str, str]:
    """Return the GPUs on which buffers lie that the host has not, each with the name of one."""
    found: dict[str, str] = {}
    for buffer in buffers_of(recordings):
        if isinstance(buffer.mirror, DeviceOriginal):
            found.setdefault(buffer.mirror.device, buffer.name)
    return found


def _choose_among(device: str, places: Mapping[str, str]) -> tuple[str, str]:
    """Return the GPU on which something lies, which is the device for all of a plan."""
    (place, what), *others = places.items()
    if others:
        other, where = others[0][1], others[0][0]
        raise DeviceError(
            f"{what} lies on the GPU {place!r} and {other} on {where!r}, and a plan runs on one: "
            "copy one of them to the GPU of the other"
        )
    return explain_choice_at(device, place, what)


def _timed(estimate: PlanEstimate, found: Estimates, memory: MemoryPlan) -> Outcome | None:
    """Return what a trial says, where estimates are close and the work is worth one."""
    rounds = estimate.usage.rounds or 0
    is_close = not found.is_bound and 1 / CLOSE < found.cpu / found.gpu < CLOSE
    is_worth_it = rounds * min(found.cpu, found.gpu) > WORTH_SECONDS
    if not (is_close and is_worth_it) or calibration.is_off():
        return None
    around = estimate.around_kernels() - estimate.in_runs()
    return outcome(estimate.recordings, memory, estimate.steps, around, estimate.signature())


@dataclass(frozen=True)
class PlanEstimate:
    """What a round of a plan takes on either device."""

    recordings: Recordings
    usage: Usage
    costs: GpuCosts

    def estimates(self) -> Estimates:
        """Return the estimates; that of the GPU is a bound where the CPU is below it already."""
        named = f"{calibration.current().digest}, {self.costs.digest}"
        cpu = self.on_cpu()
        least = self._launches() + self._round(lambda _: self.costs.kernel)
        if cpu <= MARGIN * least:
            return Estimates(cpu, least, self.usage.unit, named, is_bound=True)
        return Estimates(cpu, self.on_gpu(), self.usage.unit, named)

    def on_cpu(self) -> float:
        """Return what a round takes on all cores."""
        steps = sum(n * sum(seconds_on_cpu(tasks)) for tasks, n in self._replayed())
        return RUN_SECONDS * len(self.steps) + steps

    def on_gpu(self) -> float:
        """Return what a round takes on the GPU, its share of what is paid once included."""
        return self._launches() + self._round(self.seconds_on_gpu)

    def _launches(self) -> float:
        """Return what a round on the GPU takes besides kernels, each step's launch included."""
        return self.around_kernels() + self.costs.replay * sum(self.steps.values())

    def _round(self, seconds: Callable[[Task], float]) -> float:
        return sum(steps * sum(map(seconds, tasks)) for tasks, steps in self._replayed())

    @property
    def steps(self) -> dict[str, int]:
        """How often a round replays each recording that it replays."""
        steps = self.usage.steps or dict.fromkeys(self.recordings, 1)
        return {name: n for name, n in steps.items() if n and self.recordings.get(name)}

    def _replayed(self) -> Iterator[tuple[Sequence[Task], int]]:
        """Yield the tasks of each recording of a round with its steps."""
        for name, steps in self.steps.items():
            yield self.recordings[name], steps

    def signature(self) -> str:
        """Return all that the times of a round depend on, besides machine and GPU."""
        operations = [
            (steps, one.label, one.size, one.program.text, dict(one.program.numbers))
            for tasks, steps in self._replayed()
            for task in tasks
            for one in task.kernel.specialised_for(task.checked, specialise_cuda).operations
        ]
        shapes = [
            (value.shape, value.dtype.name, value.strides)
            for tasks, _ in self._replayed()
            for task in tasks
            for _, value in task.arrays()
        ]
        costs = calibration.current()
        used = (self.usage.rounds, self.usage.upload_bytes, self.usage.download_bytes)
        return repr(
            (costs.digest, calibration.machine(), self.costs.digest, used, shapes, operations)
        )

    def seconds_on_gpu(self, task: Task) -> float:
        """Return what the kernels of a task take on the GPU."""
        special = task.kernel.specialised_for(task.checked, specialise_cuda)
        return gpu_seconds(special, task.kernel.specialised_for(task.checked, _itself), self.costs)

    def around_kernels(self) -> float:
        """Return what a round on the GPU takes besides kernels: runs, copies, a share of once."""
        told = self._copies([(self.usage.upload_bytes, self.usage.download_bytes)])
        return self.in_runs() + told + self._once()

    def in_runs(self) -> float:
        """Return what runs take besides steps: a slow first one, copies of the caller's arrays."""
        callers = self._copies([_callers_bytes(tasks) for tasks, _ in self._replayed()])
        n_tasks = sum(len(tasks) for tasks, _ in self._replayed())
        return self.costs.run * len(self.steps) + self.costs.first * n_tasks + callers

    def _copies(self, pairs: Sequence[tuple[int, int]]) -> float:
        """Return what copies take of so many bytes up and down."""
        sizes = [nbytes for pair in pairs for nbytes in pair if nbytes]
        return len(sizes) * self.costs.copy + sum(sizes) * self.costs.byte

    def _once(self) -> float:
        if self.usage.rounds is None:
            return 0.0
        sent = sum(one.nbytes for one in buffers_of(self.recordings)) * self.costs.byte
        return (self.costs.start + sent) / max(self.usage.rounds, 1)


def _itself(bound: Bound) -> Bound:
    return bound


def seconds_on_cpu(tasks: Sequence[Task]) -> list[float]:
    """Return what each task of a step takes on all cores, after steps on the same memory."""
    works = [task.kernel.specialised_for(task.checked, cpu_work) for task in tasks]
    working_set = min(_span_bytes(tasks), sum(one.nbytes for one in works))
    return [one.seconds(working_set) for one in works]


def _span_bytes(tasks: Sequence[Task]) -> int:
    """Return the bytes that the arrays of some tasks lie in, where they overlap once."""
    found = {describe(value) for task in tasks for _, value in task.arrays()}
    total, reached = 0, dict.fromkeys((one.space for one in found), 0)
    for one in sorted(found, key=lambda one: one.start):
        total += max(one.stop - max(one.start, reached[one.space]), 0)
        reached[one.space] = max(one.stop, reached[one.space])
    return total


def _callers_bytes(tasks: Sequence[Task]) -> tuple[int, int]:
    """Return the bytes of arrays that are not netts's own: all, and those that are written."""
    touched: dict[tuple[int, int], bool] = {}
    for task in tasks:
        for name, value in task.arrays():
            if isinstance(value, np.ndarray):
                one = describe(value)
                span, writes = (one.start, one.stop), name in task.kernel.writes
                touched[span] = touched.get(span, False) or writes
    return (
        sum(stop - start for start, stop in touched),
        sum(stop - start for (start, stop), writes in touched.items() if writes),
    )


def _device_bytes(recordings: Recordings, memory: MemoryPlan) -> int:
    """Return the bytes that a plan keeps on a device, scratch excepted."""
    callers = sum(_callers_bytes(tasks)[0] for tasks in recordings.values())
    return memory.nbytes + callers + sum(one.nbytes for one in buffers_of(recordings))
