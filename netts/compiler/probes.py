"""What is measured to calibrate: small kernels, by loops and by BLAS, on one thread.

Each says how much of every constant its estimate contains: the estimates of `cost` are sums of
constants times counts, so `cost` itself is asked, with one constant at 1 and the others at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from netts.compiler import calibration, cost
from netts.compiler.arguments import describe
from netts.compiler.contraction import Contraction
from netts.compiler.cost_constants import DEFAULTS, NAMES, CostConstants, constants_of
from netts.compiler.functions import exp
from netts.compiler.index_space import parallel
from netts.compiler.kernel import Kernel
from netts.compiler.nest import Expr, Extent, Nest
from netts.compiler.operand import Frame
from netts.compiler.plan import Plan
from netts.compiler.recognise import find_contraction
from netts.compiler.replayed import Replayed

ROUND_SECONDS = 0.5e-3
"""Of each probe: long enough to forget Python around it, short enough for a time slice."""

FITTED = tuple(name for name in NAMES if name != "part_seconds")
UNITS = tuple(constants_of(dict.fromkeys(NAMES, 0.0) | {one: 1.0}, one) for one in FITTED)
"""Constants of which one is 1 and the others are 0."""

BY_BLAS = replace(DEFAULTS, loop=1e12)
BY_LOOPS = replace(DEFAULTS, loop=0.0, term=0.0, strided_term=0.0)
"""Constants that leave no choice."""


def row_times_column(a, b, out):
    """out[i, j] = sum over k of a[i, k] * b[k, j]."""
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = total


def row_times_row(a, b, out):
    """out[i, j] = sum over k of a[i, k] * b[j, k]."""
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[j, k]
        out[i, j] = total


def columns_inside(a, b, out):
    """out[i, j] += a[i, k] * b[k, j], j innermost."""
    for i in parallel(out.shape[0]):
        for k in range(a.shape[1]):
            for j in range(out.shape[1]):
                out[i, j] += a[i, k] * b[k, j]


def window(a, b, out):
    """Convolve each image with a filter of its own."""
    for n, y, x in parallel(out.shape[0], out.shape[1], out.shape[2]):
        total = 0.0
        for ky in range(b.shape[1]):
            for kx in range(b.shape[2]):
                total += a[n, y + ky, x + kx] * b[n, ky, kx]
        out[n, y, x] = total


def rectified_product(a, b, out):
    """out[i, j] = max(0, sum over k of a[i, k] * b[k, j])."""
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = max(total, 0.0)


def rectified_transpose(a, b, out):
    """out[j, i] = max(0, sum over k of a[i, k] * b[k, j])."""
    for i, j in parallel(out.shape[1], out.shape[0]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[j, i] = max(total, 0.0)


def rectified(a, out):
    """out[i] = max(0, a[i])."""
    for i in parallel(out.shape[0]):
        out[i] = max(a[i], 0.0)


def exponential(a, out):
    """out[i] = exp(a[i])."""
    for i in parallel(out.shape[0]):
        out[i] = exp(a[i])


def _product(n: int, k: int, m: int) -> tuple[tuple[int, ...], ...]:
    return (n, k), (k, m), (n, m)


def _row_product(n: int, k: int, m: int) -> tuple[tuple[int, ...], ...]:
    return (n, k), (m, k), (n, m)


def _transpose(n: int, k: int, m: int) -> tuple[tuple[int, ...], ...]:
    return (n, k), (k, m), (m, n)


def _window(n: int, size: int) -> tuple[tuple[int, ...], ...]:
    return (n, size + 2, size + 2), (n, 3, 3), (n, size, size)


Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Case:
    """A kernel, and the shapes of its arguments with which it is measured each way."""

    function: Callable[..., None]
    by_loops: tuple[Shapes, ...] = ()
    by_blas: tuple[Shapes, ...] = ()
    as_it_is: tuple[Shapes, ...] = ()


SMALL = ((4, 4, 4), (16, 4, 16), (16, 16, 16), (64, 16, 4), (4, 64, 64), (256, 4, 1), (64, 64, 1))
PRODUCTS = tuple(_product(*one) for one in SMALL)
ROW_PRODUCTS = tuple(_row_product(*one) for one in SMALL)
LARGE = tuple(_product(*one) for one in ((64, 64, 64), (192, 192, 192), (512, 512, 1)))

CASES = (
    Case(row_times_column, PRODUCTS, PRODUCTS + LARGE),
    Case(row_times_row, ROW_PRODUCTS, ROW_PRODUCTS),
    Case(columns_inside, PRODUCTS),
    Case(window, (_window(1, 14), _window(8, 6)), (_window(1, 14), _window(8, 14), _window(8, 28))),
    Case(rectified_product, by_blas=(_product(64, 4, 64), _product(16, 64, 64))),
    Case(rectified_transpose, by_blas=(_transpose(64, 4, 64), _transpose(16, 64, 64))),
    Case(rectified, as_it_is=(((4096,),) * 2, ((32768,),) * 2)),
    Case(exponential, as_it_is=(((4096,),) * 2,)),
)


class Probe:
    """A kernel compiled for some shapes, to be timed.

    Attributes
    ----------
    counts : array of shape (len(FITTED),)
        How much of each constant the model's estimate contains.
    seconds : float
        The least time so far.
    """

    def __init__(self, run: Replayed, counts: np.ndarray) -> None:
        self.run, self.counts, self.seconds = run, counts, math.inf
        self._times = run.repetitions(ROUND_SECONDS, threads=1)

    def measure(self) -> None:
        """Take the time once more."""
        self.seconds = min(self.seconds, self.run.seconds(self._times, threads=1))


def probes() -> list[Probe]:
    """Compile everything that is measured."""
    return [probe for case in CASES for probe in _probes(case)]


def _probes(case: Case) -> Iterator[Probe]:
    ways = (
        (case.by_loops, BY_LOOPS, _in_loops),
        (case.by_blas, BY_BLAS, _in_product),
        (case.as_it_is, DEFAULTS, _in_nest),
    )
    kernel = Kernel(case.function)
    for every, choice, estimate in ways:
        for shapes in every:
            arguments = tuple(np.ones(shape, np.float32) for shape in shapes)
            with calibration.using(choice):
                run = Replayed(kernel.specialise(arguments), arguments)
            counts = np.array([estimate(run, unit) for unit in UNITS])
            yield Probe(run, counts)


def _in_loops(run: Replayed, costs: CostConstants) -> float:
    """Return the estimate of a sum of products by loops."""
    (phase,) = run.chosen.kernel.routine.phases
    assert isinstance(phase, Nest)
    found = find_contraction(phase)
    assert isinstance(found, Contraction)
    arrays = {name: describe(array) for name, array in run.arrays.items()}
    return cost.direct_seconds(Frame.of(found, arrays, _symbols(run), "float32", costs))


def _in_product(run: Replayed, costs: CostConstants) -> float:
    """Return the estimate of a sum of products by BLAS."""
    (plan,) = run.chosen.reasons.values()
    assert isinstance(plan, Plan)
    return cost.plan_seconds(replace(plan, frame=replace(plan.frame, costs=costs)))


def _in_nest(run: Replayed, costs: CostConstants) -> float:
    """Return the estimate of a nest that is no contraction."""
    (phase,) = run.chosen.kernel.routine.phases
    return cost.estimate_seconds(phase, None, _symbols(run), costs)


def _symbols(run: Replayed) -> dict[Expr, int]:
    return {
        Extent(name, axis): extent
        for name, array in run.arrays.items()
        for axis, extent in enumerate(array.shape)
    }
