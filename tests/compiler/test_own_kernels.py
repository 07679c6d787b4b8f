"""Kernels as users write them give the reference's result on every device, from the same source."""

from __future__ import annotations

import numpy as np
import pytest

from bench.user_kernels import OWN_KERNELS, OwnKernel, RadialBasis
from netts.devices.cuda_driver import missing
from netts.testing import available_devices, check_layer

ROUNDINGS = 4
"""Of each term of the longest sum, relative to the largest result."""

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(missing() is not None, reason=str(missing()))],
    ),
]

on_every_device = pytest.mark.parametrize("device", DEVICES)
each = pytest.mark.parametrize("case", OWN_KERNELS, ids=str)


def ran(case: OwnKernel, device: str, arguments: tuple) -> list[np.ndarray]:
    """Return copies of what a kernel writes."""
    own = tuple(one.copy() if isinstance(one, np.ndarray) else one for one in arguments)
    case.kernel.on(device)(*own)
    return [own[position] for position in case.outputs]


def widened(arguments: tuple) -> tuple:
    return tuple(
        one.astype(np.float64) if isinstance(one, np.ndarray) else one for one in arguments
    )


@on_every_device
@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_own_kernel_agrees_with_the_reference(case, device, dtype):
    arguments = case.arguments(dtype, *case.small)
    exact = ran(case, "reference", widened(arguments))
    for found, law in zip(ran(case, device, arguments), exact, strict=True):
        assert found.dtype == dtype
        allowed = case.terms(*case.small) * ROUNDINGS * np.finfo(dtype).eps * np.abs(law).max()
        np.testing.assert_allclose(found, law, rtol=0, atol=allowed)


@on_every_device
@each
def test_an_own_kernel_gives_the_same_bits_twice(case, device):
    arguments = case.arguments(np.float32, *case.small)
    for first, second in zip(
        ran(case, device, arguments), ran(case, device, arguments), strict=True
    ):
        np.testing.assert_array_equal(first, second)


@on_every_device
def test_an_own_layer_passes_the_exam(device):
    if device not in available_devices():
        pytest.skip(f"networks do not run on {device} yet")
    check_layer(RadialBasis(4), 3, devices=[device])


@each
def test_an_own_kernel_is_lowered_for_cuda_without_a_gpu(case):
    source = case.kernel.source("cuda", *case.arguments(np.float32, *case.small))
    assert "cuda." in source
    assert "float64" not in source
