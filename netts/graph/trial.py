"""A trial: a plan timed on the CPU and on a GPU, where estimates cannot tell them apart.

It is made for work that takes ten times as long as the trial, once on a machine, and what came out
is kept with the calibrations: the same work runs on the same device ever after. It changes nothing:
tasks run on copies of all that they write. Where copies cannot be made, where the trial fails, or
where its result cannot be kept, there is none, and the estimates decide.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from netts.compiler import records
from netts.compiler.choosing import MARGIN, in_words
from netts.devices.cuda import opened
from netts.devices.registry import GPU, HOST, gpu_for_auto
from netts.errors import NettsError
from netts.graph.memory import MemoryPlan
from netts.graph.replay import Replay, make_replays
from netts.graph.scratch import buffers_of, on_scratch
from netts.graph.task import Task

Recordings = Mapping[str, Sequence[Task]]

FULL = "float32"
"""What a trial multiplies in, also where less is allowed: TF32 pays where nothing is close."""

WARM_UP, ROUNDS = 2, 5
"""Rounds: the first loads and the second captures; of the others the shortest counts."""

SECONDS = 0.1
"""What a recording may take in a round, by its estimate; a longer one runs for fewer steps."""


@dataclass(frozen=True)
class Outcome:
    """What a trial measured: a round on either device, in seconds."""

    cpu: float
    gpu: float

    @property
    def device(self) -> str:
        """The device that took less time; the CPU where they are alike."""
        return GPU if self.cpu > MARGIN * self.gpu else HOST

    def reason(self, unit: str) -> str:
        """Return what the choice rests on."""
        return (
            f"timed, as estimates are close: {in_words(self.cpu)} {unit} on the {HOST}, "
            f"{in_words(self.gpu)} on {GPU}"
        )


def outcome(
    recordings: Recordings, memory: MemoryPlan, steps: Mapping[str, int], around: float, what: str
) -> Outcome | None:
    """Return what was measured of a plan on this machine, now or before; None where nothing can be.

    Parameters
    ----------
    steps
        How often a round replays each recording.
    around
        The seconds of a round on the GPU that replays do not show: copies, and what is paid once.
    what
        All that the outcome depends on besides the GPU.
    """
    name = "choice-" + hashlib.sha256(f"{gpu_for_auto().description}\n{what}".encode()).hexdigest()
    kept = records.read(name, _parse)
    if kept is not None:
        return kept
    try:
        found = _measured(recordings, memory, steps, around)
        if found is None:
            return None
        content = {"cpu": found.cpu, "gpu": found.gpu}
        return records.write(name, content, _parse, anew=False)
    except (NettsError, OSError):
        return None


def _parse(content: Any) -> Outcome:
    found = Outcome(float(content["cpu"]), float(content["gpu"]))
    if not min(found.cpu, found.gpu) > 0:
        raise ValueError("no times")
    return found


def _measured(
    recordings: Recordings, memory: MemoryPlan, steps: Mapping[str, int], around: float
) -> Outcome | None:
    seconds = {}
    fresh = [one for one in buffers_of(recordings) if one.mirror is None]
    waits: dict[str, Callable[[], None]] = {
        HOST: lambda: None,
        GPU: _wait,
    }
    try:
        for name, wait in waits.items():
            copies = on_scratch(recordings, memory)
            if copies is None:
                return None
            tasks, places = copies
            seconds[name] = _round(make_replays(name, tasks, tasks, places, FULL), steps, wait)
    finally:
        for one in fresh:  # what is only read is the same on the host
            one.mirror = None
    return Outcome(seconds[HOST], seconds[GPU] + around)


def _wait() -> None:
    gpu = opened()
    gpu.enter()
    gpu.synchronize()


def _round(
    replays: Mapping[str, Replay], steps: Mapping[str, int], wait: Callable[[], None]
) -> float:
    """Return the seconds of a round: those of the shortest run of each recording.

    They run one after the other, as in a round: the recording of an epoch's last batch sets the
    cursor back that the one before it has moved.
    """
    stop = np.zeros(1, np.int64)
    counts, shortest = dict.fromkeys(steps, 1), dict.fromkeys(steps, math.inf)
    for number in range(WARM_UP + ROUNDS):
        for name, wanted in steps.items():
            start = perf_counter()
            replays[name].run(counts[name], stop)
            wait()
            each = (perf_counter() - start) / counts[name]
            if number >= WARM_UP:
                shortest[name] = min(each, shortest[name])
            if number == WARM_UP:
                counts[name] = max(min(wanted, int(SECONDS / each)), 1)
    return sum(wanted * shortest[name] for name, wanted in steps.items())
