"""Convolutional networks on a GPU beside PyTorch's CUDA graph, and where time goes. Markdown.

    PYTHONPATH=.:bench python bench/gpu/cnn_profile.py --seconds 120
    PYTHONPATH=.:bench python bench/gpu/cnn_profile.py --device cpu --tiny    # tries the script

First both train a few steps and are compared with netts on the processor; then rounds of both take
turns. Then a step of each network by operation, and the convolutions' kernels in the ways that
there are to compute them: as a product, in blocks that stay in the cache, and as loops.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cnn_peers
import numpy as np
from contestants import Netts, Torch
from epoch import Witness
from isolation import Worker, WorkerError
from report import Budget, duration, in_words, machine, quotient, ratio, save, table
from step_cases import CASES, TINY, Case
from steps import ENVIRONMENT, compare

ROUNDS = 3
PATIENCE = 60.0
LEAST_SHARE = 0.01
PARTS = (1, 8, 64, 256)
PROFILED_CALLS = 5
CACHED_BYTES = 40 * 2**20
"""Scratch that stays in the cache of 50 MB of an H100."""


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


# ---------------------------------------------------------------- ways of a convolution


class Ways:
    """Runs kernels of convolutions in ways of one's own choice."""

    def __init__(self, device: str) -> None:
        self.device = device

    def seconds(self, case: Case, layer: int, kernel: str) -> dict[str, list[tuple[str, float]]]:
        """Return for each way the operations with their times."""
        from netts.compiler import accelerate
        from netts.compiler.cuda import specialise as module
        from netts.layers import conv

        found, given = {}, module.RULE
        rules = {
            "product": given,
            "blocks": replace(given, scratch_bytes=CACHED_BYTES),
            "loops": replace(given, least_multiply_adds=2**62),
        }
        for way, rule in rules.items():
            module.RULE = rule
            try:
                # Decorated anew, so that nothing compiled for another way is found.
                found[way] = self._profiled(
                    accelerate(getattr(conv, kernel).function), arguments(case, layer, kernel)
                )
            finally:
                module.RULE = given
        return found

    def divided(self, m: int, n: int, k: int) -> dict[int, float]:
        """Return how long cuBLAS takes for long sums, by how many products they are divided into.

        Operands are those of gradients of a convolution's weights: both run along the sum.
        """
        from netts.devices.cuda import device
        from netts.devices.gemm import Gemm, Steps

        gpu = device()
        gpu.enter()
        sizes = [4 * one for one in (m * k, k * n, max(PARTS) * m * n)]
        found = {}
        with contextlib.ExitStack() as stack:
            memory = [stack.enter_context(gpu.allocate(one)) for one in sizes]
            for one, size in zip(memory, sizes, strict=True):
                gpu.clear(one.address, size)
            for parts in PARTS:
                if k % parts:
                    continue
                each = k // parts
                gemm = Gemm(
                    "float32", m, n, each, Steps(k, 1, each), Steps(1, k, each),
                    Steps(1, m, m * n), parts,
                )  # fmt: skip
                left, right, out = (one.address for one in memory)
                launch = gpu.prepare_product(gemm, (left, right, out))
                found[parts] = statistics.median(gpu.timed([launch] * PROFILED_CALLS))
        return found

    def _profiled(self, kernel: Any, arrays: tuple[Any, ...]) -> list[tuple[str, float]]:
        from netts import TaskGraph

        graph = TaskGraph()
        with graph.recording():
            kernel(*arrays)
        plan = graph.compile(device=self.device)
        plan.run()
        rows = plan.profile(PROFILED_CALLS).rows
        return [(one.label, float(one.seconds or 0.0)) for one in rows]


def arguments(case: Case, layer: int, kernel: str) -> tuple[Any, ...]:
    """Return what a kernel of a layer of convolutions is called with."""
    net = case.net
    assert isinstance(net, cnn_peers.CNN)
    channels, side = 1, cnn_peers.SIDE
    for filters, size, padding in net.convolutions[:layer]:
        channels, side = filters, (side + 2 * padding - size + 1) // 2
    filters, size, padding = net.convolutions[layer]
    after = side + 2 * padding - size + 1
    n, random = case.batch_size, np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, np.float32)

    images, weight = drawn(n, 1, channels, side, side), drawn(1, filters, channels, size, size)
    output, geometry = drawn(n, 1, filters, after, after), (1, 1, padding, padding, 1, 1)
    return {
        "conv2d_forward": (images, weight, drawn(1, filters), output, *geometry),
        "conv2d_grad_weight": (images, output, weight, *geometry),
        "conv2d_grad_input": (output, weight, images, *geometry),
    }[kernel]


def ways(device: str, cases: list[Case], budget: Budget) -> Iterator[list[str]]:
    """Yield a row for each kernel of each layer."""
    worker = Worker(Ways, device, environment=ENVIRONMENT)
    for case in cases:
        for layer in range(len(case.net.convolutions)):
            for kernel in ("conv2d_forward", "conv2d_grad_weight", "conv2d_grad_input"):
                name = f"{case.name}, layer {layer + 1}, {kernel}"
                if (kernel == "conv2d_grad_input" and not layer) or not budget.allows(name, 3.0):
                    continue
                try:
                    found = worker.ask("seconds", PATIENCE, case, layer, kernel)
                except WorkerError as error:
                    yield [name, in_words(error), "", "", ""]
                    if not worker.is_alive:
                        worker = Worker(Ways, device, environment=ENVIRONMENT)
                    continue
                parts = " + ".join(duration(one) for _, one in found["product"])
                totals = [duration(sum(one for _, one in found[way])) for way in found]
                yield [name, *totals, parts]
    worker.close()


def sums(cases: list[Case]) -> Iterator[list[str]]:
    """Yield a row for the product in the gradient of each layer's weights."""
    worker = Worker(Ways, "cuda", environment=ENVIRONMENT)
    for case in cases:
        for layer in range(len(case.net.convolutions)):
            _, output, weight, *_ = arguments(case, layer, "conv2d_grad_weight")
            m, n = weight[0, 0].size, output.shape[2]
            k = output.size // n
            times = worker.ask("divided", PATIENCE, m, n, k)
            yield [f"{m} x {n}, sums of {k:,}", *(duration(times.get(one)) for one in PARTS)]
    worker.close()


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
    found = {"machine": text, "results": results, "profiles": {}, "ways": [], "sums": []}
    try:
        for name, profile in profiles(device, cases, budget):
            found["profiles"][name] = profile
            print(f"{name}, a step:", "", operations_table(profile), "", sep="\n", flush=True)
        found["ways"] += ways(device, cases, budget)
        if device == "cuda" and budget.allows("divided sums", 5.0):
            found["sums"] += sums(cases)
    except WorkerError as error:
        print(in_words(error))
    print(table(["kernel", "product", "blocks", "loops", "the product's parts"], found["ways"]))
    print("", table(["gradient of weights", *(f"{one} products" for one in PARTS)], found["sums"]))
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
