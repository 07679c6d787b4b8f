"""What an epoch on a resident data set moves: uploads, downloads, bytes, graph launches. Markdown.

    PYTHONPATH=. python bench/gpu/epoch.py --seconds 60
    PYTHONPATH=. python bench/gpu/epoch.py --device cpu

Two witnesses: netts's own count at the end of each epoch, and CUDA's (CUPTI, through PyTorch's
profiler), as the difference between fits of few and of many epochs, over the epochs between them.
Then one step of each network by operation, as `Plan.profile` has it.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from isolation import Worker, WorkerError
from report import Budget, in_words, machine, save
from step_cases import CASES, TINY, Case

from bench.markdown import duration, table
from bench.peers import LEARNING_RATE

EPOCHS = 5
MORE_EPOCHS = 10
PROFILED_STEPS = 20
SHOWN_OPERATIONS = 12
EXPLAINED_LINES = 12
ANSWER_SECONDS = 120.0
STEPS = 50
"""Of an epoch at most: counting needs no more."""

FIELDS = ("uploads", "upload_bytes", "downloads", "download_bytes", "launches")


class MissingCountError(Exception):
    """This netts does not count what is asked for."""


def traffic(plan: Any) -> dict[str, int]:
    """Return what went to and from the GPU since a plan was made, as netts counts it."""
    counted = getattr(plan, "traffic", None)
    if counted is None:
        raise MissingCountError(f"Plan.traffic says nothing on {plan.device}")
    missing = [name for name in FIELDS if not hasattr(counted, name)]
    if missing:
        raise MissingCountError(f"Plan.traffic has no {', '.join(missing)}")
    return {name: int(getattr(counted, name)) for name in FIELDS}


class Witness:
    """Fits networks, counting, in a process of its own."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.sessions: list[Any] = []

    def count(self, case: Case) -> dict[str, Any]:
        """Return netts's counts for each epoch but the first."""
        from netts.training import Callback

        counts: list[dict[str, int]] = []
        sessions = self.sessions

        class Counter(Callback):
            def on_epoch_end(self, trainer: Any, history: Any) -> None:
                counts.append(traffic(sessions[-1].plan))

        self._fit(case, EPOCHS, callbacks=[Counter()])
        per_epoch = [
            {name: after[name] - before[name] for name in FIELDS}
            for before, after in itertools.pairwise(counts)
        ]
        return {"steps": _steps(case), "per_epoch": per_epoch}

    def witness(self, case: Case) -> dict[str, float]:
        """Return what CUDA's own tracing has seen, for each epoch."""
        self._fit(case, 1)
        few, many = self._traced(case, EPOCHS), self._traced(case, MORE_EPOCHS)
        names = sorted(few | many)
        return {name: (many[name] - few[name]) / (MORE_EPOCHS - EPOCHS) for name in names}

    def profile(self, case: Case) -> dict[str, Any]:
        """Return a step as `Plan.profile` has it, and the first lines of `Plan.explain`."""
        session = self._fit(case, 1)
        session.feed.cursor.array[...] = 0  # as at the start of an epoch
        steps = min(PROFILED_STEPS, _steps(case) - 1)
        found = json.loads(session.plan.profile(steps, "step").to_json())
        found["explained"] = session.plan.explain().splitlines()[:EXPLAINED_LINES]
        return found

    def _fit(self, case: Case, epochs: int, **options: Any) -> Any:
        """Train; return the session, which the trainer keeps to itself."""
        from netts import Trainer
        from netts.optimizers import Adam
        from netts.training import opening

        opened = self.sessions
        opened.clear()

        class Session(opening.Session):  # type: ignore[misc, name-defined]
            def __init__(self, *args: Any, **settings: Any) -> None:
                super().__init__(*args, **settings)
                opened.append(self)

        with patch.object(opening, "Session", Session):
            Trainer(
                case.netts_network(),
                optimizer=Adam(LEARNING_RATE),
                epochs=epochs,
                batch_size=case.batch_size,
                random_state=0,
                device=self.device,
                **options,
            ).fit(*case.data(_steps(case)))
        return opened[-1]

    def _traced(self, case: Case, epochs: int) -> collections.Counter[str]:
        import torch
        from torch.profiler import ProfilerActivity

        torch.zeros(1, device="cuda")
        with torch.profiler.profile(activities=[ProfilerActivity.CUDA]) as profiler:
            self._fit(case, epochs)
            torch.cuda.synchronize()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            profiler.export_chrome_trace(str(path))
            events = json.loads(path.read_text())["traceEvents"]
        return _counted(events)


def _steps(case: Case) -> int:
    return min(case.steps, STEPS)


def _counted(events: list[dict[str, Any]]) -> collections.Counter[str]:
    """Return how often copies, kernels and launches occur, and the bytes of copies."""
    found: collections.Counter[str] = collections.Counter()
    for event in events:
        name, kind = str(event.get("name", "")), str(event.get("cat", ""))
        if kind == "gpu_memcpy":
            way = next((one for one in ("HtoD", "DtoH", "DtoD") if one in name), "other")
            found[way] += 1
            found[f"{way} bytes"] += int(event.get("args", {}).get("bytes", 0))
        elif kind == "kernel":
            found["kernels"] += 1
        elif kind in ("cuda_runtime", "cuda_driver") and "GraphLaunch" in name:
            found["graph launches"] += 1
    return found


def verdict(found: dict[str, Any]) -> str:
    """Return whether each epoch is one upload, one download and a launch for each step.

    One launch more is that of keeping a snapshot, between epochs.
    """
    steps = found["steps"]
    wanted = {"uploads": (1,), "downloads": (1,), "launches": (steps, steps + 1)}
    differing = {
        name: sorted({epoch[name] for epoch in found["per_epoch"]})
        for name, numbers in wanted.items()
        if any(epoch[name] not in numbers for epoch in found["per_epoch"])
    }
    if not differing:
        return "as asked"
    return "NOT: " + ", ".join(
        f"{name} {'/'.join(map(str, seen))}, not {wanted[name][0]}"
        for name, seen in differing.items()
    )


def count_row(result: dict[str, Any]) -> list[Any]:
    found = result.get("count")
    if found is None:
        return [result["case"], "", *[""] * len(FIELDS), result["failures"].get("count", "")]
    last = found["per_epoch"][-1]
    numbers = [f"{last[name]:,}" for name in FIELDS]
    return [result["case"], found["steps"], *numbers, verdict(found)]


def operations_table(profile: dict[str, Any]) -> str:
    rows = profile.get("operations", [])
    total = sum(one["seconds"] or 0.0 for one in rows) or 1.0
    slowest = sorted(rows, key=lambda one: -(one["seconds"] or 0.0))[:SHOWN_OPERATIONS]
    return table(
        [f"operation ({len(rows)} in all, {duration(total)})", "time", "share"],
        [(one["label"], duration(one["seconds"]), f"{(one['seconds'] or 0.0) / total:.0%}")
         for one in slowest],
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    options = parser.parse_args()
    budget = Budget(options.seconds)
    cases = [one for one in (TINY if options.tiny else CASES) if options.only in one.name]
    methods = ("count", "profile", "witness") if options.device == "cuda" else ("count", "profile")
    results: list[dict[str, Any]] = [{"case": one.name, "failures": {}} for one in cases]
    # Counts of all cases first: what the issue asks for. Tracing, the likeliest to fail, last.
    for method in methods:
        worker: Worker | None = None
        for case, result in zip(cases, results, strict=True):
            if not budget.allows(f"{method} of {case.name}"):
                continue
            if worker is None or not worker.is_alive:
                worker = Worker(Witness, options.device, environment=None)
            timeout = min(ANSWER_SECONDS, max(budget.left, 10.0))
            try:
                result[method] = worker.ask(method, timeout, case)
            except WorkerError as error:
                result["failures"][method] = in_words(error)
        if worker is not None:
            worker.close()
    text = machine()
    save("epoch", {"machine": text, "results": results, "skipped": budget.skipped})
    print(text, f"budget: {budget}", "", "Counted by netts, the last epoch:", "", sep="\n")
    print(table(["network, batch", "steps", *FIELDS, "verdict"], map(count_row, results)), "")
    _print_details(results)
    return (
        0 if all("count" in one and verdict(one["count"]) == "as asked" for one in results) else 1
    )


def _print_details(results: list[dict[str, Any]]) -> None:
    seen = [one for one in results if "witness" in one]
    names = list(dict.fromkeys(name for one in seen for name in one["witness"]))
    if seen:
        rows = [[one["case"], *(f"{one['witness'].get(name, 0):,.1f}" for name in names)]
                for one in seen]  # fmt: skip
        print(
            "Seen by CUPTI, per epoch:", "", table(["network, batch", *names], rows), "", sep="\n"
        )
    for one in results:
        for method, failure in one["failures"].items():
            print(f"{one['case']}, {method}: {failure}")
        if "profile" in one:
            print("", f"{one['case']}, a step:", "", operations_table(one["profile"]), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
