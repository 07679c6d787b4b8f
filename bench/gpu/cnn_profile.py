"""Convolutional networks on a GPU beside PyTorch's CUDA graph, and where time goes. Markdown.

    PYTHONPATH=. python bench/gpu/cnn_profile.py --seconds 120
    PYTHONPATH=. python bench/gpu/cnn_profile.py --device cpu --tiny    # tries the script

First both train a few steps and are compared with netts on the processor; then rounds of both take
turns. Then a step of each network by operation, and the convolutions' kernels in the ways that
there are to compute them: as a product, in blocks that stay in the cache, and as loops.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from contestants import Netts, Torch
from convolution_ways import CACHED_BYTES, PATIENCE, ways
from epoch import Witness
from isolation import Worker, WorkerError
from report import Budget, in_words, machine, quotient, save
from step_cases import CASES, TINY, Case
from steps import ENVIRONMENT, compare

from bench import cnn_peers
from bench.markdown import duration, ratio, table

ROUNDS = 3
LEAST_SHARE = 0.01


class NettsInBlocks(Netts):
    """netts with so little scratch for each operation that it stays in the cache."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        from netts.compiler.cuda import specialise

        specialise.RULE = replace(specialise.RULE, scratch_bytes=CACHED_BYTES)


LAW = "netts, processor"
CONTESTANTS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "netts": (Netts, ()),
    "netts in blocks": (NettsInBlocks, ()),
    "PyTorch graph": (Torch, (True,)),
    LAW: (Netts, ()),
}


TIMED = tuple(name for name in CONTESTANTS if name != LAW)


def workers(device: str) -> dict[str, Worker]:
    return {
        name: Worker(factory, "cpu" if name == LAW else device, *options, environment=ENVIRONMENT)
        for name, (factory, options) in CONTESTANTS.items()
    }


def run_case(every: dict[str, Worker], case: Case) -> dict[str, Any]:
    """Return how far each is from the processor, and the median seconds of a step."""
    for worker in every.values():
        worker.send("check", case)
    found = {name: worker.receive(PATIENCE) for name, worker in every.items()}
    law = found.pop(LAW)
    checks = {name: compare(case, one, law, is_tf32=False) for name, one in found.items()}
    for name in found:
        every[name].ask("prepare", PATIENCE, case)
    times: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(ROUNDS):
        for name in found:
            times[name].append(statistics.median(every[name].ask("round", PATIENCE)))
    return {
        "case": case.name,
        "checks": checks,
        "rounds": times,
        "seconds": {name: statistics.median(one) for name, one in times.items()},
    }


def profiles(device: str, cases: list[Case], budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield a step of each case by operation."""
    worker = Worker(Witness, device, environment=ENVIRONMENT)
    for case in cases:
        if budget.allows(f"profile of {case.name}", 5.0):
            yield case.name, worker.ask("profile", PATIENCE, case)
    worker.close()


def operations_table(profile: dict[str, Any]) -> str:
    """Return every operation that takes a share, in the order of the step."""
    rows = profile["operations"]
    total = sum(one["seconds"] or 0.0 for one in rows) or 1.0
    return table(
        [f"operation ({len(rows)} in all, {duration(total)})", "time", "share"],
        [(one["label"], duration(one["seconds"]), f"{one['seconds'] / total:.0%}")
         for one in rows if one["seconds"] and one["seconds"] >= LEAST_SHARE * total],
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--tiny", action="store_true", help="a small case, to try the script")
    options = parser.parse_args()
    budget, device = Budget(options.seconds), options.device
    cases = [one for one in (TINY if options.tiny else CASES) if isinstance(one.net, cnn_peers.CNN)]
    results: list[dict[str, Any]] = []
    every = workers(device)
    for case in cases:
        if not budget.allows(case.name, 10.0 if results else 0.0):
            continue
        try:
            results.append(run_case(every, case))
            print(f"{case.name}: {results[-1]['seconds']}", file=sys.stderr, flush=True)
        except WorkerError as error:
            results.append({"case": case.name, "failure": in_words(error)})
            for worker in every.values():
                worker.close()
            every = workers(device)
    for worker in every.values():
        worker.close()
    text = machine()
    print(text, "", table(
        ["network, batch", *TIMED, "graph / netts", "loss, update off", "right", "remark"],
        map(_row, results),
    ), "", sep="\n", flush=True)  # fmt: skip
    found = {"machine": text, "results": results, "profiles": {}, "ways": []}
    try:
        for name, profile in profiles(device, cases, budget):
            found["profiles"][name] = profile
            print(f"{name}, a step:", "", operations_table(profile), "", sep="\n", flush=True)
        found["ways"] += ways(device, cases, budget)
    except WorkerError as error:
        print(in_words(error))
    print(table(["kernel", "product", "blocks", "loops", "the product's parts"], found["ways"]))
    print("", f"budget: {budget}", sep="\n")
    save("cnn_profile", found)
    checks = [one.get("checks", {"netts": {"is_right": False}}) for one in results]
    is_right = all(one[name]["is_right"] for one in checks for name in one if "netts" in name)
    return 0 if results and is_right else 1


def _row(result: dict[str, Any]) -> list[str]:
    if "failure" in result:
        return [result["case"], result["failure"], *[""] * 6]
    seconds, check = result["seconds"], result["checks"]["netts"]
    return [
        result["case"],
        *(duration(seconds[name]) for name in TIMED),
        ratio(quotient(seconds["PyTorch graph"], seconds["netts"])),
        f"{check['loss_error']:.1e}, {check['update_error']:.1e}",
        "yes" if check["is_right"] else "NO",
        check["remark"],
    ]


if __name__ == "__main__":
    sys.exit(main())
