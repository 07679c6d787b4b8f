"""Time per training step on a GPU, netts beside PyTorch and JAX. Markdown; JSON into $OUT.

    PYTHONPATH=. python bench/gpu/steps.py --seconds 500
    PYTHONPATH=. python bench/gpu/steps.py --device cpu --tiny      # tries the script

First all train a few steps from the same weights in the same order, and are compared with PyTorch
in float64; then rounds of all take turns, each in its own process, and medians count.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import numpy as np
from contestants import CONTESTANTS
from isolation import Worker, WorkerError
from report import Budget, machine, quotient, save
from step_cases import CASES, TINY, Case

from bench.markdown import duration, ratio, table

ROUNDS = 7
PROCESSOR_ROUNDS = 3
PREPARING_SECONDS = 150.0
ROUND_SECONDS = 60.0
LEAST_SECONDS = 10.0
"""How long an answer may take, whatever the budget."""

LOSS_TOLERANCE = 1e-4
UPDATE_TOLERANCE = 0.05
TF32_LOSS_TOLERANCE = 1e-2
TF32_UPDATE_TOLERANCE = 0.5
"""How far loss and update may be from float64's, relative. Adam divides gradients by their size, so
where one is nearly zero, rounding decides its sign: updates agree less than gradients do."""

COLUMNS = tuple(name for name in CONTESTANTS if "TF32" not in name and name != "reference")
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "NETTS_COSTS": "defaults"}
ON_PROCESSOR = {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
"""Only to try the script: PyTorch's threads would wait for each other on a busy machine."""


class Arena:
    """The processes of the contestants; a dead one is started again for the next case."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.workers: dict[str, Worker] = {}

    def worker(self, name: str) -> Worker:
        if name not in self.workers or not self.workers[name].is_alive:
            factory, options = CONTESTANTS[name]
            device = "cpu" if name == "netts, processor" else self.device
            environment = ENVIRONMENT | (ON_PROCESSOR if self.device == "cpu" else {})
            self.workers[name] = Worker(factory, device, *options, environment=environment)
        return self.workers[name]

    def ask_all(self, names: list[str], method: str, case: Case, timeout: float) -> dict[str, Any]:
        """Call a method of all at once; what failed has its WorkerError for a result."""
        found: dict[str, Any] = {}
        for name in names:
            try:
                self.worker(name).send(method, case)
            except WorkerError as error:
                found[name] = error
        deadline = time.perf_counter() + timeout
        for name in names:
            if name not in found:
                left = deadline - time.perf_counter()
                found[name] = _attempt(self.workers[name].receive, left)
        return found

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()


def _attempt(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except WorkerError as error:
        return error


def run_case(arena: Arena, case: Case, names: list[str], budget: Budget) -> dict[str, Any]:
    """Return errors, remarks and seconds per step of one case."""
    result: dict[str, Any] = {"case": case.name, "checks": {}, "seconds": {}, "failures": {}}
    checked = arena.ask_all(["reference", *names], "check", case, _patience(budget))
    law = checked.pop("reference")
    alive = []
    for name, found in checked.items():
        if isinstance(found, WorkerError):
            result["failures"][name] = str(found)
        else:
            result["checks"][name] = compare(case, found, law, "TF32" in name)
            alive.append(name)
    prepared = arena.ask_all(alive, "prepare", case, _patience(budget))
    result["notes"] = {name: one for name, one in prepared.items() if isinstance(one, str) and one}
    failed = {name: str(one) for name, one in prepared.items() if isinstance(one, WorkerError)}
    result["failures"] |= failed
    alive = [name for name in alive if name not in failed]
    times = result["rounds"] = take_turns(arena, alive, budget, result["failures"])
    result["seconds"] = {name: statistics.median(one) for name, one in times.items() if one}
    return result


def _patience(budget: Budget) -> float:
    return min(PREPARING_SECONDS, max(budget.left, LEAST_SECONDS))


def take_turns(
    arena: Arena, names: list[str], budget: Budget, failures: dict[str, str]
) -> dict[str, list[float]]:
    """Return seconds per step of each round of each; all have one, whatever the budget."""
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(ROUNDS):
        for name in names:
            is_enough = name == "netts, processor" and number >= PROCESSOR_ROUNDS
            if name in failures or is_enough or (number and budget.left < 0):
                continue
            patience = min(ROUND_SECONDS, max(budget.left, LEAST_SECONDS))
            found = _attempt(arena.workers[name].ask, "round", patience)
            if isinstance(found, WorkerError):
                failures[name] = str(found)
            else:
                times[name].append(statistics.median(found))
    return times


def compare(case: Case, found: Any, law: Any, is_tf32: bool) -> dict[str, Any]:
    """Return how far loss and update are from those in float64, relative, and whether that does."""
    loss, weights, remark = found
    if isinstance(law, WorkerError):
        return {"is_right": False, "remark": f"{remark}; no reference: {law}"}
    start = case.weights()
    exact = [np.asarray(one, np.float64) for one in law[1]]
    size = _norm([one - first for one, first in zip(exact, start, strict=True)])
    away = _norm([one - other for one, other in zip(weights, exact, strict=True)]) / size
    loss_away = abs(loss - law[0]) / abs(law[0])
    tolerances = (
        (TF32_LOSS_TOLERANCE, TF32_UPDATE_TOLERANCE)
        if is_tf32
        else (LOSS_TOLERANCE, UPDATE_TOLERANCE)
    )
    return {
        "loss_error": loss_away,
        "update_error": away,
        "is_right": bool(loss_away <= tolerances[0] and away <= tolerances[1]),
        "remark": remark,
    }


def _norm(arrays: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(float(np.square(one, dtype=np.float64).sum()) for one in arrays)))


def times_table(results: list[dict[str, Any]], cases: dict[str, Case]) -> str:
    header = ["network, batch", *COLUMNS, "graph / netts", "floor", "met", "scan / netts", "ahead"]
    rows = []
    for result in results:
        seconds = result["seconds"]
        cells = [_cell(result, name) for name in COLUMNS]
        against = quotient(seconds.get("PyTorch graph"), seconds.get("netts"))
        goal = quotient(seconds.get("JAX scan"), seconds.get("netts"))
        floor = cases[result["case"]].floor
        rows.append(
            [result["case"], *cells, ratio(against), f"{floor:.2f}x", _verdict(against, floor),
             ratio(goal), _verdict(goal, 1.0)]
        )  # fmt: skip
    return table(header, rows)


def _cell(result: dict[str, Any], name: str) -> str:
    seconds = result["seconds"].get(name)
    if seconds is None:
        return "failed" if name in result["failures"] else ""
    check = result["checks"].get(name, {})
    return duration(seconds) + ("" if check.get("is_right") else " WRONG")


def _verdict(value: float | None, floor: float) -> str:
    return "" if value is None else "yes" if value >= floor else "NO"


def tf32_lines(results: list[dict[str, Any]], cases: dict[str, Case]) -> list[str]:
    lines = []
    for result in results:
        floor, seconds = cases[result["case"]].tf32_floor, result["seconds"]
        if floor is None:
            continue
        ours, theirs = _cell(result, "netts TF32"), _cell(result, "PyTorch graph TF32")
        found = quotient(seconds.get("PyTorch graph TF32"), seconds.get("netts TF32"))
        lines.append(
            f"{result['case']} in TF32: netts {ours or '-'}, PyTorch graph {theirs or '-'}, "
            f"{ratio(found) or '-'} of a floor of {floor:.2f}x: {_verdict(found, floor) or '-'}"
        )
    return lines


def checks_table(results: list[dict[str, Any]]) -> str:
    rows = []
    for result in results:
        for name, check in result["checks"].items():
            if "netts" in name or not check["is_right"]:
                errors = [f"{check.get(key, float('nan')):.1e}" for key in _ERRORS]
                verdict = "yes" if check["is_right"] else "NO"
                rows.append([result["case"], name, *errors, verdict, check["remark"]])
    return table(["network, batch", "by", "loss", "update", "right", "remark"], rows)


_ERRORS = ("loss_error", "update_error")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=500.0)
    parser.add_argument("--tiny", action="store_true", help="small cases, to try the script")
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--libraries", default="", help="names of contestants, divided by ';'")
    options = parser.parse_args()
    budget, arena = Budget(options.seconds), Arena(options.device)
    cases = {one.name: one for one in (TINY if options.tiny else CASES) if options.only in one.name}
    chosen = [one for one in options.libraries.split(";") if one] or list(COLUMNS)
    results = []
    try:
        for case in cases.values():
            if not budget.allows(case.name, 25.0 if results else 0.0):
                continue
            tf32 = ["netts TF32", "PyTorch graph TF32"] if case.tf32_floor else []
            names = list(dict.fromkeys([*chosen, *tf32]))
            results.append(run_case(arena, case, names, budget))
            print(f"{case.name}: {_line(results[-1])}", flush=True)
    finally:
        arena.close()
    text = machine()
    save("steps", {"machine": text, "results": results, "skipped": budget.skipped})
    print("", text, f"budget: {budget}", "", sep="\n")
    print(times_table(results, cases), "", *tf32_lines(results, cases), "", sep="\n")
    print("Relative errors after four steps, against float64:", "", sep="\n")
    print(checks_table(results))
    notes = {f"{one['case']}, {name}: {note}" for one in results for name, note in
             {**one["notes"], **one["failures"]}.items()}  # fmt: skip
    print("", *sorted(notes), sep="\n")
    is_right = all(check["is_right"] for one in results for check in one["checks"].values())
    return 0 if results and is_right and not any(one["failures"] for one in results) else 1


def _line(result: dict[str, Any]) -> str:
    found = [f"{name} {duration(one)}" for name, one in result["seconds"].items()]
    return ", ".join(found + [f"{name} FAILED: {one}" for name, one in result["failures"].items()])


if __name__ == "__main__":
    sys.exit(main())
