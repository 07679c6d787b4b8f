"""Estimates of the tasks of a pass beside their times: which of them "auto" misjudges."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from paper import Graph, Pass

from bench.markdown import table

PROFILE_SECONDS = 0.01
MOST_STEPS = 50
LARGEST = 1024
"""Networks of more inputs take long to make, and are the GPU's by far."""


@dataclass(frozen=True)
class TaskTime:
    """A task of a pass: its seconds in a profile, the clock's reading included, and the estimate.

    Attributes
    ----------
    parts
        The most parts of one of its operations.
    """

    device: str
    name: str
    parts: int
    seconds: float
    estimate: float

    @property
    def ratio(self) -> float:
        """How much of the time was estimated."""
        return self.estimate / max(self.seconds, 1e-12)


def task_times(device: str, inputs: int, batch: int, one: Pass) -> list[TaskTime]:
    """Return the tasks of a pass, by the costs that hold in this process."""
    from netts.compiler.cuda import gpu_calibration
    from netts.graph import Usage
    from netts.graph.fusion import fused
    from netts.graph.policy import PlanEstimate, seconds_on_cpu

    if inputs > LARGEST:
        return []
    made = Graph(inputs, batch, one.products > 1, 1e-9)
    plan = made.graph.compile(device=device)
    tasks = fused(made.graph.recordings["main"])
    estimate = PlanEstimate({"main": tasks}, Usage(), gpu_calibration.current())
    estimates = (
        seconds_on_cpu(tasks) if device == "cpu" else list(map(estimate.seconds_on_gpu, tasks))
    )
    once = plan.profile(2).seconds  # the first is cold
    rows = plan.profile(max(min(int(PROFILE_SECONDS / max(once, 1e-6)), MOST_STEPS), 1)).rows
    return [
        TaskTime(
            device, task.kernel.routine.name,
            max((row.parts for row in rows if row.task == position), default=1),
            sum(row.seconds for row in rows if row.task == position), estimates[position],
        )
        for position, task in enumerate(tasks)
    ]  # fmt: skip


def by_kernel(times: Iterable[TaskTime]) -> str:
    """Return a table of how far estimates are from times: of each kernel, alone and shared."""
    groups: dict[tuple[str, str, bool], list[float]] = {}
    for one in times:
        groups.setdefault((one.device, one.name, one.parts > 1), []).append(one.ratio)
    header = ["device", "kernel", "in parts", "tasks", "least", "median", "most"]
    rows = [
        [device, name, "yes" if is_shared else "no", len(found),
         *(f"{pick(found):.2f}" for pick in (min, statistics.median, max))]
        for (device, name, is_shared), found in sorted(groups.items())
    ]  # fmt: skip
    return table(header, rows)
