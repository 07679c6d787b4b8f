"""Where "auto" runs work: estimates of the same work on the CPU and on a GPU, compared.

This is for the call of a kernel outside of a graph; `graph.policy` does the same for plans. Nothing
is compiled for an estimate, and only a machine with a GPU comes here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netts.compiler.bound import Bound
from netts.compiler.cpu_estimate import cpu_seconds
from netts.compiler.cuda import gpu_calibration
from netts.compiler.cuda.estimate import gpu_seconds
from netts.compiler.cuda.gpu_costs import GpuCosts
from netts.compiler.cuda.specialise import specialise as specialise_cuda
from netts.devices.registry import GPU, HOST

if TYPE_CHECKING:
    from netts.compiler.loops import Loops

MARGIN = 1.1
"""How much longer the CPU has to take for the GPU to be chosen. Where they are alike it is the CPU,
which leaves the GPU to others and gives the bits of machines without one; that costs 10 % at most.
"""

CALLS = 100
"""How many calls of kernels share what starting CUDA costs. A process that calls one kernel a few
times should not wait a second for it, one that calls it for minutes should not do without."""


@dataclass(frozen=True)
class Estimates:
    """What some work takes on either device, in seconds.

    Attributes
    ----------
    gpu
        At least, where `is_bound`: then the CPU is faster than that already.
    unit
        What was estimated: "a run", say.
    costs
        By which constants, in words.
    """

    cpu: float
    gpu: float
    unit: str
    costs: str
    is_bound: bool = False

    @property
    def device(self) -> str:
        """The device that takes less time; the CPU where they are alike."""
        return GPU if self.cpu > MARGIN * self.gpu else HOST

    @property
    def reason(self) -> str:
        """What the choice rests on."""
        least = "at least " if self.is_bound else ""
        return (
            f"about {in_words(self.cpu)} {self.unit} on the {HOST}, {least}{in_words(self.gpu)} "
            f"on {GPU}, by costs {self.costs}"
        )


def in_words(seconds: float) -> str:
    """Return a time with three digits."""
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


@dataclass(frozen=True)
class CallEstimate:
    """Estimates a call of a kernel on arrays of the host, by given costs of the GPU."""

    costs: GpuCosts

    def __call__(self, bound: Bound) -> Estimates:
        """Return the estimates for arguments like those that a kernel is bound to."""
        gpu, cpu = self.costs, cpu_seconds(bound)
        there_and_back = gpu.call + gpu.start / CALLS + self._bytes(bound) * gpu.call_byte
        named = f"{bound.costs.digest}, {gpu.digest}"
        if cpu <= MARGIN * there_and_back:
            return Estimates(cpu, there_and_back, "a call", named, is_bound=True)
        kernels = gpu_seconds(specialise_cuda(bound), bound, gpu)
        return Estimates(cpu, there_and_back + kernels, "a call", named)

    @staticmethod
    def _bytes(bound: Bound) -> int:
        """Return what goes up, all that the kernel touches, and comes down, what it writes."""
        kernel = bound.kernel
        sizes = {name: one.stop - one.start for name, one in bound.arrays.items()}
        up = sum(sizes[name] for name in sizes if name in kernel.reads | kernel.writes)
        return up + sum(sizes[name] for name in sizes if name in kernel.writes)


def estimate_call(kernel: Loops, arguments: tuple[Any, ...]) -> Estimates:
    """Return the estimates for a call of a kernel; those of the last shapes are remembered."""
    return kernel.specialised(arguments, CallEstimate(gpu_calibration.current()))
