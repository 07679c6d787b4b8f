"""What things cost on a machine: the numbers that choices between ways to compute rest on.

Every choice that they decide is one of arithmetic too: BLAS and loops, and one plan and another,
add up in different orders. So constants are values, never measured on the side: the defaults, or
what `netts.calibrate` has recorded (`calibration`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from netts.compiler.measured import Measured

LARGEST_FACTOR = 4.0
"""How far a measured constant may be from its default, up or down. Two machines of this decade
differ by less; what differs by more was a busy moment."""

MOST_CORES = 16
"""How many blocks a product is cut into at most; smaller ones are slower than one large one."""


def _cores() -> int:
    return min(max(os.cpu_count() or 1, 1), MOST_CORES)


@dataclass(frozen=True)
class CostConstants(Measured):
    """What choices are made by, in nanoseconds unless named otherwise; float32, one thread.

    The defaults were measured on 2-core AVX-512 machines; those of contractions were fitted to 397
    shapes of five kernels (bench/contraction_rule.py), and bench/results/calibration-2026-11-23.md
    says what their wrong choices cost, and that calls of BLAS and moves are cheaper than this.

    Attributes
    ----------
    step
        One load, add or compare of a loop that vectorises: ReLU of 128 x 256 took 4.1 us (0.04 per
        step), gathering 128 rows of 784 9.8 us (0.025), Adam of 235,000 parameters 116 us (0.015).
    function
        An element of exp and its like when vectorised: 0.3 to 0.8 (vector_math's own tests).
    multiply_add
        One of BLAS's: 0.022 on the machine of bench/results/contractions-2026-11-23.md, 0.045 on
        that of FACTS.
    call
        A product of a few elements, packing of BLAS's own included: 180 to 300.
    move
        An element of an operand or of the result, besides the multiplications: 1024 x 1024 times a
        vector takes 55 us.
    thin
        A row of a product with one column: 256 x 4 times 4 x 1 takes 1.3 us, 1024 x 4 2.2 us.
    copy
        An element packed from rows that are contiguous: 0.15 to 0.25.
    epilogue, strided_epilogue
        A sum read by the rest of the nest: from neighbouring elements, and from others.
    term, strided_term
        A term of a sum by a loop that vectorises, and by one that does not.
    loop
        The start of an innermost loop: a 3 x 3 window takes 10 ns for its three rows, 64 x 256
        times 256 x 1, columns inside, 3.4 ns each.
    part_seconds
        What a part of a shared operation should take at least: waking threads costs 1 to 7 us where
        a core is free, and 20 us and more where the machine is busy.
    cores
        Among how many plans are compared for sharing the work. The machine's cores, not those that
        a process may use: bits do not depend on the number of threads.
    """

    step: float = 0.03
    function: float = 0.3
    multiply_add: float = 0.025
    call: float = 220.0
    move: float = 0.03
    thin: float = 1.5
    copy: float = 0.2
    epilogue: float = 0.2
    strided_epilogue: float = 1.0
    term: float = 0.05
    strided_term: float = 0.5
    loop: float = 3.3
    part_seconds: float = 40e-6
    cores: int = field(default_factory=_cores)

    largest_factor: ClassVar[float] = LARGEST_FACTOR
    unmeasured: ClassVar[tuple[str, ...]] = ("cores", "origin")

    def _identity(self) -> list[Any]:
        return [self.numbers(), self.cores]


NAMES = CostConstants.names()
DEFAULTS = CostConstants()


def constants_of(numbers: Mapping[str, Any], origin: str) -> CostConstants:
    """Return constants of just these numbers."""
    return CostConstants(**numbers, origin=origin)
