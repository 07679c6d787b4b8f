"""Calibration of a GPU: what small and large launches, products and copies take on this machine.

Each constant is the difference of two measurements that differ in it alone, so the way there and
back from Python is no part of it. The least time of some counts: other work only ever adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from netts.compiler.bound import Bound
from netts.compiler.cuda import gpu_calibration
from netts.compiler.cuda.cost import ProductRule
from netts.compiler.cuda.estimate import Work
from netts.compiler.cuda.gpu_costs import GpuCosts
from netts.compiler.cuda.launches import prepared
from netts.compiler.cuda.run import run
from netts.compiler.cuda.specialise import CudaOperation, specialise
from netts.compiler.kernel import Kernel
from netts.compiler.probes import exponential, rectified, row_times_column, row_times_row
from netts.devices.cuda import device
from netts.devices.cuda_driver import cublas_missing

ROUNDS = 20
"""Of each measurement; the longest takes 10 ms on an H100, copies of 64 MB."""

FEW, MANY = 10, 210
"""Launches in the two graphs whose times are compared."""

FEW_ELEMENTS, MANY_ELEMENTS = 32, 2**24
SIDE, TERMS = 4, 100
"""Of products by loops, whose threads wait for each term; from 128 on threads share them."""

SMALL_PRODUCT, LARGE_PRODUCT = 64, 2048
LARGE_BYTES = 2**26


def calibrate_gpu(*, anew: bool = False) -> GpuCosts:
    """Measure what things cost on the GPU, once, and let "auto" choose by it from now on.

    Raises
    ------
    OSError
        Where the cache directory refuses what was measured; nothing changes then.
    DeviceError
        Where the GPU cannot be used.
    """
    kept = None if anew else gpu_calibration.recorded()
    if kept is None:
        kept = gpu_calibration.record(measured_costs(device()), anew=anew)
    gpu_calibration.adopt(kept)
    return kept


def measured_costs(gpu: Any) -> dict[str, float]:
    """Return the costs of a GPU as they are measured now, in seconds; what is not, is missing."""
    found = _launches(gpu) | _copies(gpu) | _calls(gpu)
    return found if cublas_missing() else found | _products(gpu)


def _launches(gpu: Any) -> dict[str, float]:
    """Measure kernels: with next to nothing to do, with much for all threads, some for a few."""
    vectors = [np.ones(FEW_ELEMENTS, np.float32) for _ in range(2)]
    large = [np.ones(MANY_ELEMENTS, np.float32) for _ in range(2)]
    terms = [np.ones(shape, np.float32) for shape in ((SIDE, TERMS), (TERMS, SIDE), (SIDE, SIDE))]
    rows = [np.ones((SIDE, SIDE), np.float32) for _ in range(3)]
    # One kernel again and again would find its code in the cache: those of a plan are different.
    small = [_Probe(gpu, one, *vectors) for one in (rectified, exponential)]
    small += [_Probe(gpu, one, *rows) for one in (row_times_column, row_times_row)]
    wide, deep = _Probe(gpu, rectified, *large), _Probe(gpu, row_times_column, *terms)
    empty, full, long = (
        _seconds(gpu, small) / len(small),
        _seconds(gpu, [wide]),
        _seconds(gpu, [deep]),
    )
    return {
        "kernel": empty,
        "step": (full - empty) / wide.work.total,
        "latency": (long - empty) / deep.work.serial,
    }


def _products(gpu: Any) -> dict[str, float]:
    """Measure products by cuBLAS: one that is nearly all launch, one that is nearly all work."""
    seconds = []
    for side in (SMALL_PRODUCT, LARGE_PRODUCT):
        arrays = [np.ones((side, side), np.float32) for _ in range(3)]
        seconds.append(_seconds(gpu, [_Probe(gpu, row_times_column, *arrays)]))
    small, large = seconds
    return {"product": small, "multiply_add": (large - small) / LARGE_PRODUCT**3}


def _copies(gpu: Any) -> dict[str, float]:
    """Measure the bytes of copies up and down; what a copy takes besides is mostly Python."""
    few, many = np.ones(FEW_ELEMENTS, np.uint8), np.ones(LARGE_BYTES, np.uint8)
    with gpu.allocate(LARGE_BYTES) as memory:

        def there_and_back(array: np.ndarray) -> float:
            up = _least(lambda: gpu.upload(memory.address, array), gpu.synchronize)
            return up + _least(lambda: gpu.download(array, memory.address), gpu.synchronize)

        return {"byte": (there_and_back(many) - there_and_back(few)) / (2 * LARGE_BYTES)}


def _calls(gpu: Any) -> dict[str, float]:
    """Measure a kernel called outside of a graph, on few elements and on many."""
    seconds = []
    for n in (FEW_ELEMENTS, MANY_ELEMENTS):
        x, out = np.ones(n, np.float32), np.empty(n, np.float32)
        seconds.append(_Probe(gpu, rectified, x, out).call())
    copied = 3 * 4 * (MANY_ELEMENTS - FEW_ELEMENTS)  # both go up, the result comes down
    return {"call": seconds[0], "call_byte": (seconds[1] - seconds[0]) / copied}


def _seconds(gpu: Any, probes: Sequence[_Probe]) -> float:
    """Return what one turn of some launches takes among many turns in a graph."""
    blocks = [block for one in probes for block in one.allocate()]
    launches = [one.launch() for one in probes]
    for one in launches:
        gpu.launch(one)
    few, many = (
        _least(partial(gpu.launch_graph, gpu.capture(launches * turns)), gpu.synchronize)
        for turns in (FEW, MANY)
    )
    for block in blocks:
        block.free()
    return (many - few) / (MANY - FEW)


def _least(*acts: Callable[[], object]) -> float:
    """Return the least seconds of some rounds of acts, one after the other."""
    seconds = []
    for _ in range(ROUNDS):
        start = perf_counter()
        for act in acts:
            act()
        seconds.append(perf_counter() - start)
    return min(seconds)


class _Probe:
    """A kernel on arrays that lie on the GPU, ready to be launched."""

    def __init__(self, gpu: Any, function: Callable[..., None], *arrays: np.ndarray) -> None:
        kernel, rule = Kernel(function), ProductRule(least_multiply_adds=SMALL_PRODUCT**3)
        self.gpu, self.arrays = gpu, arrays
        self.bound: Bound = kernel.specialised(arrays, lambda bound: bound)
        self.special = specialise(self.bound, rule=rule)
        (self.operation,) = self.special.operations

    @property
    def work(self) -> Work:
        """How much the launch does."""
        assert isinstance(self.operation, CudaOperation)
        return Work.of(self.operation, self.special, self.bound)

    def allocate(self) -> list[Any]:
        """Give the arrays memory on the GPU, and return what is to be freed."""
        blocks = [self.gpu.allocate(one.nbytes) for one in self.arrays]
        names = self.bound.kernel.parameters
        self.addresses = {name: one.address for name, one in zip(names, blocks, strict=True)}
        return blocks

    def launch(self) -> Any:
        """Return the launch."""
        return prepared(self.operation, self.gpu, self.addresses, 0, 0, {})

    def call(self) -> float:
        """Return what a call on arrays of the host takes."""

        def launch(operation: Any, *places: Any) -> None:
            self.gpu.launch(prepared(operation, self.gpu, *places))

        return _least(lambda: run(self.special, self.arrays, self.gpu, launch))
