"""Estimates of every kernel of netts, on either device: there, positive, and made of shapes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from netts_kernels import calls

from netts import accelerate, parallel
from netts.compiler import calibration
from netts.compiler.bound import Bound
from netts.compiler.cost_constants import DEFAULTS
from netts.compiler.cpu_estimate import (
    BYTE_SECONDS,
    CACHE_BYTES,
    CORE_BYTE_SECONDS,
    OPERATION_SECONDS,
    WAKE_SECONDS,
    CpuWork,
    Share,
    cpu_seconds,
    cpu_work,
)
from netts.compiler.cuda.cost import ProductRule
from netts.compiler.cuda.estimate import gpu_seconds
from netts.compiler.cuda.gpu_costs import GPU_DEFAULTS
from netts.compiler.cuda.specialise import Product, specialise
from netts.layers.rectifiers import relu_forward
from netts.losses.cross_entropy import cross_entropy_forward

EVERYTHING = ProductRule(least_multiply_adds=0, least_side=1)


def itself(bound: Bound) -> Bound:
    return bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", [ProductRule(), EVERYTHING], ids=["loops", "products"])
def test_every_kernel_of_netts_has_estimates(dtype, rule):
    has_products = False
    for call in calls(dtype):
        bound = call.kernel.specialised(call.arguments, itself)
        special = specialise(bound, rule=rule)
        has_products |= any(isinstance(one, Product) for one in special.operations)
        launches = len(special.operations)
        found = gpu_seconds(special, bound, GPU_DEFAULTS)
        assert launches * GPU_DEFAULTS.kernel <= found < 1e-3, str(call)
        assert 0 < cpu_seconds(bound) < 1e-3, str(call)
    assert has_products == (rule is EVERYTHING)


def test_estimates_of_nothing_are_those_of_launches():
    for call in calls(np.float32):
        empty = tuple(
            np.zeros((0, *one.shape[1:]), one.dtype) if isinstance(one, np.ndarray) else one
            for one in call.arguments
        )
        if call.kernel.routine.name not in ("relu_forward", "dense_forward"):
            continue
        bound = call.kernel.specialised(empty, itself)
        found = gpu_seconds(specialise(bound), bound, GPU_DEFAULTS)
        assert found == pytest.approx(GPU_DEFAULTS.kernel)
        assert math.isfinite(cpu_seconds(bound))


# ------------------------------------------------------------ the CPU


@accelerate
def gathered(x, index, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = x[index[i], j]


def test_parts_share_the_work_and_each_further_one_costs_waking():
    alone, halved = Share(1.0, 1), Share(1.0, 2)
    assert alone.seconds == 1.0 + OPERATION_SECONDS
    assert 0.5 + WAKE_SECONDS < halved.seconds < 0.6
    assert Share(100e-6, 16).seconds > Share(100e-6, 1).seconds  # not worth waking anybody


def test_memory_counts_where_the_caches_cannot_hold_what_is_revisited():
    alone, shared = CpuWork((Share(1e-6, 1),), 1 << 20), CpuWork((Share(1e-6, 16),), 1 << 20)
    assert alone.seconds(CACHE_BYTES) == pytest.approx(1e-6 + OPERATION_SECONDS)
    assert alone.seconds(CACHE_BYTES + 1) == pytest.approx(CORE_BYTE_SECONDS * (1 << 20))
    many = CpuWork((Share(1e-6, 16),), 1 << 30)
    assert shared.seconds(CACHE_BYTES + 1) == shared.seconds(0)  # waking takes longer
    assert many.seconds(CACHE_BYTES + 1) == pytest.approx(BYTE_SECONDS * (1 << 30))


def test_a_gather_touches_what_it_reads_not_all_that_it_may_read():
    x, index, out = np.zeros((1 << 16, 256)), np.zeros(8, np.int64), np.zeros((8, 256))
    touched = gathered.specialised((x, index, out), cpu_work).nbytes
    assert 2 * out.nbytes <= touched <= 4 * out.nbytes


def test_functions_in_serial_loops_take_longer():
    x, out = np.zeros((4096, 10), np.float32), np.zeros(4096, np.float32)
    targets = np.zeros((4096, 1), np.int64)
    work = cross_entropy_forward.specialised((x, targets, out), cpu_work)
    assert 100e-6 < work.shares[0].alone < 400e-6


def test_a_calibration_changes_parts_and_no_times():
    """The constants of the lowering say in how many parts an operation runs."""
    x, found = np.ones((1 << 12, 1 << 10), np.float32), []
    for step in (0.03, 0.01):
        with calibration.using(replace(DEFAULTS, cores=16, step=step, part_seconds=40e-6)):
            found.append(relu_forward.specialised((x, x), cpu_work).shares[0])
    dear, cheap = found
    assert dear.parts > cheap.parts
    assert dear.alone == cheap.alone
