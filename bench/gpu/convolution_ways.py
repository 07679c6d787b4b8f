"""The kernels of convolutions in the ways that there are to compute them, by operation.

As a product, in blocks whose scratch stays in the cache, and as loops: a part of `cnn_profile`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from isolation import Worker, WorkerError
from report import Budget, in_words
from step_cases import Case
from steps import ENVIRONMENT

from bench import cnn_peers
from bench.markdown import duration

PATIENCE = 60.0
PROFILED_CALLS = 5
CACHED_BYTES = 40 * 2**20
"""Scratch that stays in the cache of 50 MB of an H100."""


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
