"""Every device sits the same exam as the layers: losses and optimisers against the reference.

`check_layer` examines layers and the trainer's tests whole fits; here are the kernels beside them.
The reference computes in float64 from the same numbers.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netts
from netts.estimators.losses import MeanSquaredError
from netts.losses import LOSSES
from netts.optimizers import SGD, AdaDelta, AdaGrad, Adam, OptimizerBuffers, RMSProp
from netts.testing import ROUNDINGS, available_devices

OTHERS = [name for name in available_devices() if name != "reference"]
DTYPES = [np.float32, np.float64]
ALL_LOSSES = {**LOSSES, "mean_squared_error": MeanSquaredError()}


def assert_close(found, expected, terms, dtype):
    """Compare within a multiple of one rounding of the largest element, or of 1."""
    for one, other in zip(found, expected, strict=True):
        largest = max(1.0, float(np.abs(other).max(initial=0.0)))
        assert one.dtype == dtype
        np.testing.assert_allclose(
            one, other, rtol=0, atol=ROUNDINGS * terms * np.finfo(dtype).eps * largest
        )


def run_loss(name, numbers, dtype, device):
    """Return losses, gradient and prediction."""
    output, targets, weights = (one.astype(dtype) for one in numbers)
    if name == "cross_entropy" or (name == "hinge" and output.shape[1] > 1):
        targets = targets.astype(np.int64)
    losses = np.full(len(output), np.nan, dtype)
    grad_output, prediction = np.full_like(output, np.nan), np.full_like(output, np.nan)
    weight_sum = np.array([max(weights.sum(), 1)], dtype)
    loss = ALL_LOSSES[name]
    with netts.device(device):
        loss.forward(output, targets, losses)
        loss.backward(output, targets, losses, weights, weight_sum, grad_output)
        loss.predict(output, prediction)
    return losses, grad_output, prediction


def example(name, rows, outputs, seed, scale):
    """Return outputs, targets and weights that float32 holds exactly."""
    rng = np.random.default_rng(seed)
    output = rng.normal(scale=scale, size=(rows, outputs)).astype(np.float32)
    targets = {
        "cross_entropy": rng.integers(0, outputs, (rows, 1)),
        "binary_cross_entropy": rng.integers(0, 2, (rows, outputs)),
        "poisson": rng.poisson(1.0, (rows, outputs)),
        "hinge": rng.integers(0, outputs, (rows, 1))
        if outputs > 1
        else rng.choice([-1, 1], (rows, 1)),
    }.get(name, rng.integers(-4, 5, (rows, outputs)))
    return output, targets, rng.integers(0, 4, rows)


@pytest.mark.parametrize("device", OTHERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALL_LOSSES)
@given(
    rows=st.integers(0, 9),
    outputs=st.integers(1, 7),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 1.0, 8.0]),
)
@settings(max_examples=15)
def test_losses_are_the_references(name, dtype, device, rows, outputs, seed, scale):
    numbers = example(name, rows, outputs, seed, scale)
    expected = run_loss(name, numbers, np.float64, "reference")
    assert_close(run_loss(name, numbers, dtype, device), expected, outputs, dtype)


@pytest.mark.parametrize("device", OTHERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_of_whole_numbers_are_exact(dtype, device):
    rng = np.random.default_rng(0)
    numbers = rng.integers(-4, 5, (6, 4)), rng.integers(-4, 5, (6, 4)), np.ones(6)
    numbers[2][4:] = 0  # a weight sum of 4
    for name in ("squared_error", "mean_squared_error"):
        expected = run_loss(name, numbers, np.float64, "reference")
        for one, other in zip(run_loss(name, numbers, dtype, device), expected, strict=True):
            np.testing.assert_array_equal(one, other)


OPTIMIZERS = {
    "sgd": SGD(0.125, momentum=0.0),
    "momentum": SGD(0.125, momentum=0.5, nesterov=False),
    "nesterov": SGD(0.125, momentum=0.5),
    "adam": Adam(0.01),
    "adam with epsilon beside the root": Adam(0.01, epsilon=1e-4, epsilon_hat=True),
    "adam without means": Adam(0.01, beta_1=0.0, beta_2=0.0),
    "adagrad": AdaGrad(0.1, rate_decay=0.5),
    "rmsprop": RMSProp(0.01),
    "rmsprop with momentum": RMSProp(0.01, momentum=0.5),
    "rmsprop, centered": RMSProp(0.01, rho=0.5, epsilon=0.1, momentum=0.5, centered=True),
    "adadelta": AdaDelta(epsilon=1e-3),
}
STEPS = 3


def run_optimizer(name, start, gradients, dtype, device):
    """Return the parameters and the optimiser's state after a few steps."""
    optimizer = OPTIMIZERS[name]
    at = OptimizerBuffers(
        start.astype(dtype),
        np.zeros(len(start), dtype),
        {one: np.zeros(len(start), dtype) for one in optimizer.state_names},
        np.array([optimizer.learning_rate], dtype),
        np.zeros(1, np.int64),
    )
    with netts.device(device):
        for one in gradients:
            at.gradients[...] = one
            optimizer.update(at)
            at.step[0] += 1
    return at.parameters, *at.state.values()


@pytest.mark.parametrize("device", OTHERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
@given(n=st.integers(0, 20), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_optimizers_are_the_references(name, dtype, device, n, seed):
    rng = np.random.default_rng(seed)
    start = rng.integers(-8, 9, n) / 8
    # Away from 0: Adam follows the sign of what rounding leaves.
    gradients = rng.choice([-1, 1], (STEPS, n)) * rng.integers(3, 9, (STEPS, n)) / 8
    expected = run_optimizer(name, start, gradients, np.float64, "reference")
    found = run_optimizer(name, start, gradients, dtype, device)
    assert_close(found, expected, STEPS, dtype)


@pytest.mark.parametrize("device", OTHERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov"])
def test_exact_updates_are_exact(name, dtype, device):
    """Binary fractions of few digits, which two steps do not fill a float32 with."""
    rng = np.random.default_rng(0)
    start, gradients = rng.integers(-8, 9, 11) / 8, rng.integers(-8, 9, (2, 11)) / 8
    expected = run_optimizer(name, start, gradients, np.float64, "reference")
    found = run_optimizer(name, start, gradients, dtype, device)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
