"""How long a kernel takes on all cores of the CPU: an estimate, before anything is compiled.

In how many parts an operation runs follows from the costs that hold in this process, as the
lowering has it. How long it takes then has constants of its own, and the default costs, also where
the machine was calibrated: a calibration takes the best of many short runs that find everything in
the nearest cache, and a step of a training takes up to three times as long (0.35 to 0.9 of what
was measured came out with those of the machine below). Nothing here decides how a kernel is
computed.

Constants without another source are of the 16-core machine of
bench/results/policy-2026-11-23.md: fitted together to the 56 times of a step there, by their
logarithms. They come within 1.4 of the times in the root mean square, 2.9 at worst.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from netts.compiler.affine import evaluate
from netts.compiler.bound import Bound
from netts.compiler.cost import UNKNOWN_TRIPS, estimate_seconds
from netts.compiler.cost_constants import DEFAULTS
from netts.compiler.nest import Loop, Nest, walk_statements
from netts.compiler.plan import Plan

OPERATION_SECONDS = 1e-7
"""From one operation of a replay to the next: 0.08 to 0.18 us (FACTS)."""

CROWDING = 0.03
"""What each further core takes longer for its share, as clocks and caches are common: 16 cores are
10 to 12 times as fast as one on the largest networks (bench/results/paper-2026-11-23.md)."""

WAKE_SECONDS = 1.4e-5
"""What each further part costs, as the system wakes the workers that sleep one after the other. A
product in 16 parts took 150 to 250 us more than its share there: 256 rows of 256 are no faster on
all cores than on one."""

CACHE_BYTES = 3 * 2**20
"""Of a core: what is revisited in every step stays there if it is no more. 2.1 MB of weights did
(37 us a row), 4.2 MB with their gradients did not (443 us)."""

CORE_BYTE_SECONDS = 5e-11
"""A byte from farther away, on one core: one row times 8.4 MB of weights takes 400 us."""

BYTE_SECONDS = 1.5e-11
"""The same on all cores: one row times 134 MB of weights takes 2.0 ms on all of 16 (the table of
bench/results/paper-2026-11-23.md), 2.8 to 4 ms on another day."""

VECTOR = DEFAULTS
SCALAR = replace(DEFAULTS, function=6.0)
"""In nests with serial loops, exp and its like are computed one by one, or a few at a time, and
wait for the sum or maximum before: the cross-entropy of 4096 rows of 10 takes 128 us on the machine
of FACTS, its gradient 92, and about twice as long there."""

_COUNT = replace(DEFAULTS, step=1e9, function=0.0)
"""Costs by which an estimate is the number of loads, stores, and sums."""
_ELEMENT_BYTES = 8


@dataclass(frozen=True)
class Share:
    """An operation: its seconds on one core, and in how many parts it runs."""

    alone: float
    parts: int

    @property
    def seconds(self) -> float:
        """What it takes in parts."""
        helpers = self.parts - 1
        computing = self.alone * (1 + CROWDING * helpers) / self.parts
        return OPERATION_SECONDS + computing + WAKE_SECONDS * helpers


@dataclass(frozen=True)
class CpuWork:
    """What a kernel does on the CPU.

    Attributes
    ----------
    shares
        Its operations.
    nbytes
        The memory that it touches.
    """

    shares: tuple[Share, ...]
    nbytes: int

    def seconds(self, working_set: float) -> float:
        """Return what it takes where so many bytes are touched until it runs again."""
        computing = sum(one.seconds for one in self.shares)
        if working_set <= CACHE_BYTES:
            return computing
        parts = max((one.parts for one in self.shares), default=1)
        return max(computing, self.nbytes * max(CORE_BYTE_SECONDS / parts, BYTE_SECONDS))


def cpu_seconds(bound: Bound) -> float:
    """Return about how long a call of a kernel takes."""
    work = cpu_work(bound)
    return work.seconds(work.nbytes)


def cpu_work(bound: Bound) -> CpuWork:
    """Return what a kernel does, in parts by the cores that the machine has.

    Not by those that this process may use: which device is chosen decides bits, and bits do not
    depend on the number of threads.
    """
    phases = bound.kernel.routine.phases
    shares = tuple(_share(bound, number) for number in range(len(phases)))
    touched = bound.kernel.reads | bound.kernel.writes
    spans = sum(one.stop - one.start for name, one in bound.arrays.items() if name in touched)
    steps = sum(estimate_seconds(one, None, bound.symbols, _COUNT) for one in phases)
    return CpuWork(shares, min(spans, int(steps * _ELEMENT_BYTES)))


def _share(bound: Bound, number: int) -> Share:
    phase, found = bound.kernel.routine.phases[number], bound.plans.get(number)
    plan = found if isinstance(found, Plan) else None
    lowered = estimate_seconds(phase, plan, bound.symbols, bound.costs)
    if not isinstance(phase, Nest):
        return Share(lowered, 1)
    pieces = _pieces(bound, number, phase) if plan is None else plan.units
    parts = min(int(lowered / bound.costs.part_seconds), pieces, bound.costs.cores)
    if plan is not None:
        usual = replace(plan, frame=replace(plan.frame, costs=VECTOR))
        return Share(estimate_seconds(phase, usual, bound.symbols, VECTOR), max(parts, 1))
    is_serial = any(isinstance(one, Loop) for one in walk_statements(phase.body))
    alone = estimate_seconds(phase, None, bound.symbols, SCALAR if is_serial else VECTOR)
    return Share(alone, max(parts, 1))


def _pieces(bound: Bound, number: int, nest: Nest) -> int:
    """Return in how many pieces a nest may be cut: along its first axis that scatters nothing."""
    scattered = bound.proofs[number].scattered
    for axis in nest.axes:
        if axis.index not in scattered:
            extent = evaluate(axis.extent, bound.symbols)
            return UNKNOWN_TRIPS if extent is None else extent
    return 1
