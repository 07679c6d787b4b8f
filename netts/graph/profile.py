"""What a replay spent its time on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from netts.devices.transfers import Traffic


@dataclass(frozen=True)
class ProfileRow:
    """One operation.

    Attributes
    ----------
    task
        The position of its task in the recording.
    parts
        The most parts that it was split in.
    seconds
        Mean time per step.
    compile_seconds
        What compiling it, or loading it from the cache, took; None where nothing was compiled.
    """

    label: str
    task: int
    parts: int
    seconds: float
    compile_seconds: float | None


@dataclass(frozen=True)
class Profile:
    """The operations of a recording, in the order in which they ran.

    Attributes
    ----------
    steps
        The steps that were timed.
    traffic
        What they moved to and from the device, all together; None on devices without memory of
        their own.
    """

    device: str
    steps: int
    rows: tuple[ProfileRow, ...]
    traffic: Traffic | None = None

    @property
    def seconds(self) -> float:
        """Mean time of a step, clock reading included."""
        return sum(row.seconds for row in self.rows)

    def __str__(self) -> str:
        total = self.seconds or 1.0
        width = max([len(row.label) for row in self.rows], default=9)
        lines = [f"{self.seconds * 1e6:.1f} us per step on {self.device}, {self.steps} steps"]
        lines += [
            f"  {row.label:<{width}}  {row.seconds * 1e6:10.2f} us  {row.seconds / total:6.1%}"
            for row in self.rows
        ]
        if self.traffic is not None:
            lines.append(f"  all steps: {self.traffic}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return the profile as JSON: times in seconds."""
        found = asdict(self)
        found["operations"] = found.pop("rows")
        return json.dumps(found)

    def to_chrome_trace(self) -> str:
        """Return one mean step as a Chrome trace (chrome://tracing, Perfetto): times in us."""
        events, start = [], 0.0
        for row in self.rows:
            duration = row.seconds * 1e6
            events.append(
                {"name": row.label, "ph": "X", "ts": start, "dur": duration, "pid": 0, "tid": 0,
                 "args": {"task": row.task, "parts": row.parts}}
            )  # fmt: skip
            start += duration
        moved = {} if self.traffic is None else {"otherData": asdict(self.traffic)}
        return json.dumps({"traceEvents": events, **moved})
