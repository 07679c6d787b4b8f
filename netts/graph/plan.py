"""A compiled task graph: what is run."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from netts.compiler import calibration, engine
from netts.devices.names import kind_of
from netts.devices.precision import Precision
from netts.devices.transfers import Traffic
from netts.errors import GraphError
from netts.graph.describing import described
from netts.graph.description import PlanDescription, RecordingDescription
from netts.graph.drawing import Drawing, draw
from netts.graph.profile import Profile
from netts.graph.replay import Cycle, Replay, make_cycle, make_replays
from netts.graph.structure import Structured
from netts.graph.task import Task, hazards


class Plan:
    """A compiled task graph; made by `TaskGraph.compile`.

    Addresses, shapes and scalar arguments are fixed. What changes from step to step is read from
    arrays, so a run is the same list of operations every time. Plans may run in several threads at
    once, but not one plan, nor plans that share buffers.

    On a device with memory of its own, arenas and constants stay there from run to run: before a
    run what the host has written goes up, and what a run has written comes down when it is read
    (`view.read()`). The caller's own arrays go up before every run and come back behind it.

    Attributes
    ----------
    device : str
        Where it runs.
    reason : str
        Why there: it was asked for, or what "auto" found.
    precision : str
        "float32", or "tf32" where products of float32 may be multiplied in that.
    """

    def __init__(
        self,
        device: str,
        reason: str,
        recordings: Mapping[str, Sequence[Task]],
        structured: Structured,
        precision: Precision,
    ) -> None:
        self.device, self.precision = device, precision.used
        self._precision = precision
        self.reason = reason
        self._recordings = recordings
        self._memory = structured.memory
        self._replays = make_replays(
            device, recordings, structured.fused, self._memory, precision.used,
            structured.arrangements,
        )  # fmt: skip
        self._stop = np.zeros(1, np.int64)
        self._costs = calibration.current() if device == "cpu" else None

    def run(self, steps: int = 1, recording: str = "main", stop: np.ndarray | None = None) -> int:
        """Replay a recording.

        Parameters
        ----------
        steps : int
            How often.
        recording : str
            Which one, where there are several.
        stop : int64 array of shape (1,), optional
            Ends the run before its next step while it is not 0, whoever sets it, also before the
            run. By default a word that the run sets to 0 and `Plan.stop` to 1.

        Returns
        -------
        int
            The steps done: fewer than asked for if it was stopped.

        Raises
        ------
        GraphError
            Where there is no such recording, or `steps` is negative.
        BoundsError
            Where a subscript that depends on data left its array.
        KeyboardInterrupt
            On Ctrl-C, between two steps, at most 0.1 seconds or one step later.
        """
        replay = self._replay(recording)
        _check_steps(steps, least=0)
        return replay.run(steps, self._cleared() if stop is None else stop)

    def launch(self, steps: int, recording: str, stop: np.ndarray | None = None) -> int:
        """Do what `run` does, but do not wait for a device with memory of its own.

        Errors that its tests find are raised by `wait`, which is to follow; on other devices, and
        where the caller's own arrays are written, all is done and found when this returns.
        """
        replay = self._replay(recording)
        _check_steps(steps, least=0)
        return replay.launch(steps, self._cleared() if stop is None else stop)

    def cycle(self, turns: Mapping[str, int]) -> Cycle:
        """Return what replays several recordings as one step, each so many times, in that order.

        On the CPU nothing of Python is between them. Its `run` takes steps, as that of a plan does,
        and is stopped between two of these only.

        Raises
        ------
        GraphError
            Where there is no recording of a name.
        """
        return make_cycle([(self._replay(name), times) for name, times in turns.items()])

    def many_runs(self) -> AbstractContextManager[None]:
        """Return a context for many runs with little between them, in which each begins sooner.

        On the CPU, BLAS is held to one thread from the first run to the last, for other callers of
        the same library too.
        """
        return engine.blas_held() if kind_of(self.device) == "cpu" else nullcontext()

    def _cleared(self) -> np.ndarray:
        self._stop[0] = 0
        return self._stop

    def wait(self) -> None:
        """Wait for what was launched.

        Raises
        ------
        BoundsError
            Where a subscript that depends on data left its array.
        """
        for replay in self._replays.values():
            replay.wait()

    def stop(self) -> None:
        """End the run in progress after its step; may be called from another thread."""
        self._stop[0] = 1

    def profile(self, steps: int = 10, recording: str = "main") -> Profile:
        """Replay a recording `steps` times more, at least once, timing every operation.

        On a GPU its operations are launched one by one, not as the graph that `run` launches, and
        the time of a short one is that of launching the next.
        """
        replay = self._replay(recording)
        _check_steps(steps, least=1)
        return replay.profile(steps)

    @property
    def traffic(self) -> Traffic | None:
        """What went to and from the device since the plan was made, other plans' share included.

        None on devices that run on the host's memory.
        """
        return next(iter(self._replays.values())).traffic

    def explain(self) -> str:
        """Return what the plan does: device, costs, memory, copies, operations, and their order."""
        lines = [self._title(), *(f"  {line}" for line in self._facts())]
        for name, replay in self._replays.items():
            lines.append(f"  {self._heading(name)}")
            lines += [f"    {line}" for line in (*replay.copies, *replay.operations())]
            if replay.traffic is not None:
                lines.append(f"    {replay.mode}")
        if self.traffic is not None:
            lines.append(f"  since it was made: {self.traffic}")
        return "\n".join(lines)

    def draw(self, recording: str | None = None) -> Drawing:
        """Draw what the plan does: tasks in their order, what they read and write, copies.

        Parameters
        ----------
        recording : str, optional
            Which one; by default all, one below the other.

        Returns
        -------
        Drawing
            Shows itself in a notebook; `save("plan.svg")` writes it.

        Raises
        ------
        GraphError
            Where there is no such recording.

        Examples
        --------
        >>> import numpy as np
        >>> from netts import TaskGraph, accelerate, parallel
        >>> @accelerate
        ... def doubled(x, out):
        ...     for i in parallel(out.shape[0]):
        ...         out[i] = 2 * x[i]
        >>> graph = TaskGraph()
        >>> with graph.recording():
        ...     doubled(np.arange(3.0), np.zeros(3))
        >>> graph.compile(device="cpu").draw()
        <drawing of a plan on cpu>
        """
        names = self._replays if recording is None else [recording]
        drawn = tuple(map(self._described, names))
        return draw(PlanDescription(self.device, self._title(), self._facts(), drawn))

    def _described(self, recording: str) -> RecordingDescription:
        replay, recorded = self._replay(recording), self._recordings[recording]
        return described(self._heading(recording), recorded, replay, self._memory.offsets)

    def _title(self) -> str:
        return f"plan on {self.device}: {self.reason}"

    def _facts(self) -> tuple[str, ...]:
        """Return what holds for all recordings: precision, costs, memory."""
        memory = (
            f"transients: {len(self._memory.offsets)} in {self._memory.nbytes} bytes "
            f"({self._memory.unshared_bytes} side by side)"
        )
        precision = f"precision: {self._precision}" if self._precision.is_asked else None
        costs = None if self._costs is None else f"chosen by costs: {self._costs}"
        return tuple(line for line in (precision, costs, memory) if line is not None)

    def _heading(self, recording: str) -> str:
        """Return how many tasks were recorded, and why their order matters."""
        tasks = self._recordings[recording]
        kinds = [kind for hazard in hazards(tasks) for kind in hazard.kinds]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        return f"recording {recording!r}: {len(tasks)} tasks, order from {counts or 'nothing'}"

    def _replay(self, recording: str) -> Replay:
        try:
            return self._replays[recording]
        except KeyError:
            names = ", ".join(map(repr, self._replays))
            raise GraphError(f"there is no recording {recording!r}, only {names}") from None


def _check_steps(steps: int, least: int) -> None:
    if operator.index(steps) < least:
        raise GraphError(f"steps is a whole number of at least {least}, got {steps}")
