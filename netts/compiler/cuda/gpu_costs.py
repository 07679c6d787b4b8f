"""What things cost on a GPU: the numbers that the choice between it and the CPU rests on.

They decide where a plan runs, and nothing else: how a nest is lowered, and in which layout cuBLAS
multiplies, has constants of its own (`cost`), which are the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from netts.compiler.measured import Measured


@dataclass(frozen=True)
class GpuCosts(Measured):
    """What a GPU and the way to it cost, in seconds; float32, in a captured graph.

    Not calibrated are `run`, `copy`, `first`, `replay` and `start`, which are Python and the
    driver more than the GPU, and `double`, which is different for products and for copies.

    The defaults are of an H100: FACTS, and bench/results/h100-2026-11-23.md and
    paper-2026-11-23.md.

    Attributes
    ----------
    kernel
        A kernel with next to nothing to do: 1.1 to 1.3 us where one is repeated (FACTS); 18
        different small kernels take 35 us together.
    product
        A product of 64 x 64 x 64 by cuBLAS: 3.2 us.
    multiply_add
        2048 x 2048 x 2048 takes 340 us.
    step
        A load, add or compare where all threads are busy. Distances of 4096 x 4096 pairs in 64
        dimensions are 5.4e9 of them and take 4.6 ms; a copy at 2.3 TB/s comes to as much.
    latency
        The same in a thread that waits for each: small dense layers of 16 terms take 2 us.
    run, copy, first
        Launching a graph and waiting for it; a copy besides its bytes; and what each task takes
        longer in the first step of a run, while caches are cold. Together what a run of one step
        takes besides the time of a step and its bytes: 70 to 150 us for 3 tasks, 100 to 200 us for
        13 (feed forward and training steps of bench/results/policy-2026-11-23.md). How it divides
        between the first two is a guess.
    replay
        A step of a run besides its kernels, a launch of its graph: 3 small kernels take 9.5 us a
        step, 13 take 28 us (the same table, 128 and 256 inputs).
    byte
        Copied from or to a plan's memory: 67 MB more take 7.3 ms longer.
    call
        A kernel called outside of a graph: memory taken and given back, launches, waiting.
    call_byte
        Copied for such a call, from or to memory that is not pinned: softmax over 4096 rows of
        10,000 takes 104 ms for 328 MB.
    start
        What the first use of CUDA costs a process: 0.9 s of imports (FACTS), and the context.
    double
        How much longer than float32 float64 takes to compute.
    """

    kernel: float = 1.6e-6
    product: float = 3.2e-6
    multiply_add: float = 4e-14
    step: float = 1e-12
    latency: float = 1e-8
    run: float = 3e-5
    copy: float = 2.5e-5
    first: float = 7e-6
    replay: float = 5e-6
    byte: float = 1.1e-10
    call: float = 3e-4
    call_byte: float = 3.2e-10
    start: float = 1.2
    double: float = 2.0

    unmeasured: ClassVar[tuple[str, ...]] = (
        "run",
        "copy",
        "first",
        "replay",
        "start",
        "double",
        "origin",
    )
    largest_factor: ClassVar[float] = 16.0
    """GPUs on which netts runs differ by so much from an H100, some in most respects."""

    def _identity(self) -> list[Any]:
        return [self.numbers(), *(getattr(self, name) for name in self.unmeasured[:-1])]


GPU_DEFAULTS = GpuCosts()
