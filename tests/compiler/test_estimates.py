"""Estimates of every kernel of netts, on either device: there, positive, and made of shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from netts_kernels import calls

from netts.compiler.bound import Bound
from netts.compiler.cpu_estimate import cpu_seconds
from netts.compiler.cuda.cost import ProductRule
from netts.compiler.cuda.estimate import gpu_seconds
from netts.compiler.cuda.gpu_costs import GPU_DEFAULTS
from netts.compiler.cuda.specialise import Product, specialise

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
