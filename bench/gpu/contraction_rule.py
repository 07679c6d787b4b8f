"""Loops against cuBLAS by shape: the experiment behind `ProductRule.least_multiply_adds`.

    PYTHONPATH=. python bench/gpu/contraction_rule.py

For each shape both ways are captured, each some times in one CUDA graph, and take turns; of the
turns the median counts. Printed are the times, what the rule takes, and what its choice costs: its
time over that of the better way. At the end, the same for other thresholds.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from netts.compiler.cuda.cost import RULE, ProductRule
from netts.compiler.cuda.launches import prepared
from netts.compiler.cuda.program import GEOMETRY
from netts.compiler.cuda.specialise import CudaSpecialisation, Product, specialise
from netts.compiler.kernel import Kernel
from netts.devices.cuda import CudaDevice, device
from netts.layers.conv import conv2d_forward, conv2d_grad_input, conv2d_grad_weight
from netts.layers.dense import dense_forward, dense_grad_input, dense_grad_weight

ROUNDS = 7
GRAPH_SECONDS = 2e-3
MOST_LOOP_WORK = 2**31
"""Multiply-adds from which loops are not tried: they are slower by far."""

ALWAYS = replace(RULE, least_multiply_adds=0, least_side=1)
THRESHOLDS = [2**n for n in range(8, 29, 2)]


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def dense_cases() -> list[tuple[Kernel, tuple[Any, ...]]]:
    found: list[tuple[Kernel, tuple[Any, ...]]] = []
    batches, widths = (1, 16, 32, 128, 1024), (4, 16, 64, 256, 1024)
    for n, k, m in itertools.product(batches, widths, (3, 10, 64, 256, 1024)):
        x, weight, y = drawn(n, k), drawn(k, m), drawn(n, m)
        found += [
            (dense_forward, (x, weight, drawn(m), zeros(n, m))),
            (dense_grad_weight, (x, y, zeros(k, m))),
            (dense_grad_input, (y, weight, zeros(n, k))),
        ]
    return found


def conv_cases() -> list[tuple[Kernel, tuple[Any, ...]]]:
    found: list[tuple[Kernel, tuple[Any, ...]]] = []
    for n, (c, o, size) in itertools.product(
        (1, 16, 128), ((1, 6, 28), (1, 32, 28), (6, 16, 10), (32, 64, 14))
    ):
        images, output = drawn(n, 1, c, size, size), drawn(n, 1, o, size, size)
        weight, settings = drawn(1, o, c, 3, 3), (1, 1, 1, 1, 1, 1)
        found += [
            (conv2d_forward, (images, weight, drawn(1, o), output, *settings)),
            (conv2d_grad_weight, (images, output, weight, *settings)),
            (conv2d_grad_input, (output, weight, images, *settings)),
        ]
    return found


class Way:
    """A kernel lowered by one rule, in memory of its own, captured."""

    def __init__(
        self, gpu: CudaDevice, stack: ExitStack, kernel: Kernel, arguments: tuple, rule: ProductRule
    ) -> None:
        special: CudaSpecialisation = kernel.specialised(
            arguments, lambda bound: specialise(bound, GEOMETRY, rule)
        )
        self.uses_cublas = any(isinstance(one, Product) for one in special.operations)
        self.gpu, self.rounds = gpu, list[float]()
        addresses = {}
        for name, value in zip(kernel.parameters, arguments, strict=True):
            if isinstance(value, np.ndarray):
                memory = stack.enter_context(gpu.allocate(value.nbytes))
                gpu.upload(memory.address, value)
                addresses[name] = memory.address
        scratch = stack.enter_context(gpu.allocate(special.scratch_bytes)).address
        fault = stack.enter_context(gpu.allocate(8 * special.fault_words)).address
        gpu.clear(fault, 8 * special.fault_words)
        gpu.synchronize()
        numbers = special.numbers(arguments)
        self.launches = []
        for one in special.operations:
            self.launches.append(prepared(one, gpu, addresses, scratch, fault, numbers))
            fault += 8 * one.fault_words
        for launch in self.launches:
            gpu.launch(launch)
        gpu.synchronize()
        self.graph, self.times = self._captured(1), 1
        self.times = max(1, min(200, int(GRAPH_SECONDS / self._seconds())))
        self.graph = self._captured(self.times)
        self._seconds()

    def _captured(self, times: int) -> Any:
        builder = self.gpu.stream.create_graph_builder()
        builder.begin_building()
        for launch in self.launches * times:
            self.gpu.launch(launch, builder)
        return builder.end_building().complete()

    def _seconds(self) -> float:
        start = time.perf_counter()
        self.graph.launch(self.gpu.stream)
        self.gpu.synchronize()
        return (time.perf_counter() - start) / self.times

    def measure(self) -> None:
        self.rounds.append(self._seconds())

    @property
    def seconds(self) -> float:
        return statistics.median(self.rounds)


def multiply_adds(kernel: Kernel, arguments: tuple) -> int:
    special = kernel.specialised(arguments, lambda bound: specialise(bound, GEOMETRY, ALWAYS))
    gemms = [one.gemm for one in special.operations if isinstance(one, Product)]
    return sum(one.multiply_adds for one in gemms)


def losses(measured: list[tuple[int, float, float]], threshold: int) -> list[float]:
    found = []
    for work, loops, products in measured:
        taken = products if work >= threshold else loops
        found.append(taken / min(loops, products))
    return found


def main() -> None:
    gpu = device()
    print(f"{gpu.name}, rule: cuBLAS from {RULE.least_multiply_adds} multiply-adds on")
    measured: list[tuple[int, float, float]] = []
    for kernel, arguments in (*dense_cases(), *conv_cases()):
        shapes = [one.shape for one in arguments if isinstance(one, np.ndarray)]
        work = multiply_adds(kernel, arguments)
        if work > MOST_LOOP_WORK:
            continue
        with ExitStack() as stack:
            by_loops = Way(
                gpu, stack, kernel, arguments, ProductRule(missing="loops are asked for")
            )
            products = Way(gpu, stack, kernel, arguments, ALWAYS)
            assert products.uses_cublas
            assert not by_loops.uses_cublas
            for _ in range(ROUNDS):
                by_loops.measure()
                products.measure()
            times = by_loops.seconds, products.seconds
        measured.append((work, *times))
        (loss,) = losses([measured[-1]], RULE.least_multiply_adds)
        taken = "cuBLAS" if work >= RULE.least_multiply_adds else "loops"
        print(
            f"{kernel.routine.name} {shapes}: {work} multiply-adds, loops {times[0] * 1e6:.2f} us, "
            f"cuBLAS {times[1] * 1e6:.2f} us, takes {taken}, {loss:.2f}"
            f"{'  WRONG' if loss > 1.1 else ''}"
        )
        sys.stdout.flush()
    for threshold in (RULE.least_multiply_adds, *THRESHOLDS):
        of = sorted(losses(measured, threshold), reverse=True)
        mean = math.exp(statistics.fmean(map(math.log, of)))
        worst = ", ".join(f"{one:.2f}" for one in of[:5])
        print(
            f"cuBLAS from {threshold} on: {len(of)} shapes, geometric mean of the losses "
            f"{mean:.3f}, {sum(one > 1.3 for one in of)} above 1.3, the worst {worst}"
        )


if __name__ == "__main__":
    main()
