"""How long a kernel takes on all cores of the CPU: an estimate, before anything is compiled."""

from __future__ import annotations

from netts.compiler.affine import evaluate
from netts.compiler.bound import Bound
from netts.compiler.cost import UNKNOWN_TRIPS, estimate_seconds
from netts.compiler.cost_constants import CostConstants
from netts.compiler.nest import Nest
from netts.compiler.plan import Plan

OPERATION_SECONDS = 1e-7
"""From one operation of a replay to the next: 0.08 to 0.18 us (FACTS)."""

CROWDING = 0.085
"""What each further core takes longer for its share, for memory and caches are common: 16 cores are
5.5 to 13 times as fast as one on dense networks (bench/results/paper-2026-11-23.md), 7 by this."""

CACHE_BYTES = 32 * 2**20
BYTE_SECONDS = 1.5e-11
"""Arrays of a kernel that are larger together come from memory, at so much a byte: one row times
134 MB of weights takes 2.0 ms on all of 16 cores (the same table, 4096 inputs)."""

JOINS_PER_PART = 8
"""A part takes at least so many times what it costs to share: 4 to 6 us where a core is free, of
which an eighth is lost then; where the machine is busy it is some times more."""


def cpu_seconds(bound: Bound) -> float:
    """Return about how long a kernel takes, by the cores that the machine has.

    Not by those that this process may use: which device is chosen decides bits, and bits do not
    depend on the number of threads.
    """
    computing = sum(_phase(bound, number) for number in range(len(bound.kernel.routine.phases)))
    touched = bound.kernel.reads | bound.kernel.writes
    moved = sum(one.stop - one.start for name, one in bound.arrays.items() if name in touched)
    return max(computing, moved * BYTE_SECONDS) if moved > CACHE_BYTES else computing


def _phase(bound: Bound, number: int) -> float:
    phase, found = bound.kernel.routine.phases[number], bound.plans.get(number)
    plan = found if isinstance(found, Plan) else None
    alone = estimate_seconds(phase, plan, bound.symbols, bound.costs)
    if not isinstance(phase, Nest):
        return alone
    pieces = _pieces(bound, number, phase) if plan is None else plan.units
    return OPERATION_SECONDS + _shared(alone, pieces, bound.costs)


def _pieces(bound: Bound, number: int, nest: Nest) -> int:
    """Return in how many pieces a nest may be cut: along its first axis that scatters nothing."""
    scattered = bound.proofs[number].scattered
    for axis in nest.axes:
        if axis.index not in scattered:
            extent = evaluate(axis.extent, bound.symbols)
            return UNKNOWN_TRIPS if extent is None else extent
    return 1


def _shared(alone: float, pieces: int, costs: CostConstants) -> float:
    parts = max(min(int(alone / costs.part_seconds), pieces, costs.cores), 1)
    if parts == 1:
        return alone
    each = alone * (1 + CROWDING * (parts - 1)) / parts
    return each + costs.part_seconds / JOINS_PER_PART
