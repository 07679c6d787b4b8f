"""How long a kernel takes on a GPU: an estimate from its launches, before anything is compiled.

A launch takes as long as the longest thread, where threads are few, or as all work takes at the
rate of the whole device, where they are many; never less than a launch that does nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from netts.compiler.affine import evaluate
from netts.compiler.bound import Bound
from netts.compiler.cost import UNKNOWN_TRIPS, estimate_seconds
from netts.compiler.cost_constants import DEFAULTS
from netts.compiler.cuda.cost import TILE
from netts.compiler.cuda.gpu_costs import GpuCosts
from netts.compiler.cuda.product_plan import ProductPlan
from netts.compiler.cuda.program import GEOMETRY, CudaProgram
from netts.compiler.cuda.specialise import CudaOperation, CudaSpecialisation, Product
from netts.compiler.nest import Nest
from netts.devices.gemm import Gemm

_STEPS = replace(DEFAULTS, step=1e9, function=8e9)
"""Costs by which an estimate is a number of steps, one of a function of `math` counted as eight."""

_STEPS_OF_REST = 8
"""Of an iteration of a nest whose sums are there already, and of an element that is packed."""

_MULTIPROCESSORS = 132
_SHARES = 4
"""A product with fewer tiles than multiprocessors, 132 on an H100, leaves some without work, but
cuBLAS divides long sums: 128 x 784 times 784 x 256 are 8 tiles and take 7.5 us, not 20 (FACTS)."""


def gpu_seconds(special: CudaSpecialisation, bound: Bound, costs: GpuCosts) -> float:
    """Return about how long the launches of a kernel take inside of a captured graph."""
    is_double = any(one.dtype == "float64" for one in bound.arrays.values())
    factor = costs.double if is_double else 1.0
    return sum(
        costs.product + factor * _product(one.gemm, costs)
        if isinstance(one, Product)
        else costs.kernel + factor * _kernel(Work.of(one, special, bound), costs)
        for one in special.operations
    )


def _kernel(found: Work, costs: GpuCosts) -> float:
    """Return what a kernel takes besides its launch."""
    return max(found.total * costs.step, found.serial * costs.latency)


def _product(gemm: Gemm, costs: GpuCosts) -> float:
    """Return what a product takes besides its launch: by its tiles, and by the memory it reads."""
    tiles = gemm.batch * math.ceil(gemm.m / TILE) * math.ceil(gemm.n / TILE)
    tile = TILE**2 * gemm.k * costs.multiply_add
    alone = math.ceil(tiles / _MULTIPROCESSORS) * tile * _MULTIPROCESSORS / _SHARES
    elements = gemm.batch * (gemm.m * gemm.k + gemm.k * gemm.n + gemm.m * gemm.n)
    return max(tiles * tile, alone, elements * costs.step)


@dataclass(frozen=True)
class Work:
    """How much a launch does, in steps.

    Attributes
    ----------
    serial
        Of the thread that does most, one after the other.
    total
        Of all threads.
    """

    serial: float
    total: float

    @classmethod
    def of(cls, one: CudaOperation, special: CudaSpecialisation, bound: Bound) -> Work:
        """Return the work of a launch of a kernel's."""
        program, threads = one.program, one.blocks * one.threads
        phase, reason = bound.kernel.routine.phases[program.phase], special.reasons
        if not isinstance(phase, Nest):
            return cls(1.0, 1.0)
        if program.unit == "single":  # combines the chunks of a reduction
            return cls(GEOMETRY.reduction_blocks, GEOMETRY.reduction_blocks)
        products = reason[program.phase]
        if not isinstance(products, str):  # packs, or reads sums that are there
            elements = _elements(program, products)
            return cls(_STEPS_OF_REST * math.ceil(elements / threads), _STEPS_OF_REST * elements)
        if _is_divided(special, one):  # its sums were taken in parts, by the launch before
            return cls(1.0, 1.0)
        total = estimate_seconds(phase, None, bound.symbols, _STEPS)
        workers = program.iterations or _iterations(phase, program.phase, bound)
        if not workers:
            return cls(0.0, 0.0)
        if program.unit == "row":
            return cls(total / workers / one.threads * math.ceil(workers / one.blocks), total)
        return cls(total / workers * math.ceil(workers / threads), total)


def _elements(program: CudaProgram, products: Sequence[ProductPlan]) -> int:
    """Return how many elements are packed, or how many iterations are left of a nest."""
    for plan in products:
        for factor in (plan.left, plan.right):
            if program.label.endswith(f" pack {factor.operand.title}"):
                return factor.size
    assert program.iterations is not None
    return program.iterations


def _is_divided(special: CudaSpecialisation, one: CudaOperation) -> bool:
    """Whether several blocks have shared each iteration of the nest in a launch before."""
    mine = [other for other in special.operations if other.program.phase == one.program.phase]
    return one is not mine[0] and one.program.unit == "row"


def _iterations(nest: Nest, number: int, bound: Bound) -> int:
    """Return how many iterations of a nest, a phase of that number, may run at once."""
    scattered = bound.proofs[number].scattered
    free = [axis.extent for axis in nest.axes if axis.index not in scattered]
    extents = [evaluate(one, bound.symbols) for one in free]
    return math.prod(UNKNOWN_TRIPS if one is None else max(one, 0) for one in extents)
