"""Optimisers step by step: against scikit-learn's classes and against Kingma and Ba's page."""

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from netts.errors import ParameterError
from netts.optimizers import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    OptimizerBuffers,
    RMSProp,
    optimizer_from,
)

N, STEPS = 11, 30


def gradients():
    return np.random.default_rng(0).normal(size=(STEPS, N))


def start():
    return np.random.default_rng(1).normal(size=N)


def ours(optimizer, dtype=np.float64):
    """The parameters after every step."""
    parameters, gradient = start().astype(dtype), np.empty(N, dtype)
    at = OptimizerBuffers(
        parameters,
        gradient,
        {name: np.zeros(N, dtype) for name in optimizer.state_names},
        np.array([optimizer.learning_rate], dtype),
        np.zeros(1, np.int64),
    )
    path = []
    for one in gradients():
        gradient[...] = one
        optimizer.update(at)
        at.step[0] += 1
        path.append(parameters.copy())
    return np.array(path)


def theirs(make):
    parameters = start()
    optimizer = make([parameters])
    path = []
    for one in gradients():
        optimizer.update_params([parameters], [one])
        path.append(parameters.copy())
    return np.array(path)


SKLEARN = {
    "sgd": (SGD(0.1, momentum=0.0), lambda p: SGDOptimizer(p, 0.1, momentum=0.0)),
    "momentum": (
        SGD(0.1, momentum=0.9, nesterov=False),
        lambda p: SGDOptimizer(p, 0.1, momentum=0.9, nesterov=False),
    ),
    "nesterov": (SGD(0.1, momentum=0.9), lambda p: SGDOptimizer(p, 0.1, momentum=0.9)),
    "adam": (Adam(0.01, epsilon_hat=True), lambda p: AdamOptimizer(p, 0.01)),
    "adam without first moment": (
        Adam(0.01, beta_1=0.0, epsilon=1e-4, epsilon_hat=True),
        lambda p: AdamOptimizer(p, 0.01, beta_1=0.0, epsilon=1e-4),
    ),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_updates_equal_sklearn(name):
    optimizer, make = SKLEARN[name]
    np.testing.assert_allclose(ours(optimizer), theirs(make), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", SKLEARN)
def test_float32_stays_near_float64(name):
    optimizer, _ = SKLEARN[name]
    found = ours(optimizer, np.float32)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ours(optimizer), rtol=0, atol=STEPS * 1e-6)


def test_adam_is_algorithm_1_unless_told_otherwise():
    rate, beta_1, beta_2, epsilon = 0.01, 0.9, 0.999, 1e-2
    parameters, m, v = start(), np.zeros(N), np.zeros(N)
    expected = []
    for t, gradient in enumerate(gradients(), start=1):
        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient**2
        m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
        parameters = parameters - rate * m_hat / (np.sqrt(v_hat) + epsilon)
        expected.append(parameters)
    found = ours(Adam(rate, epsilon=epsilon))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    assert np.abs(found - ours(Adam(rate, epsilon=epsilon, epsilon_hat=True))).max() > 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.0), r"learning_rate is a number in \(0, inf\), got 0.0"),
        (lambda: SGD(0.1, momentum=1.5), r"momentum is a number in \[0, 1\], got 1.5"),
        (lambda: Adam(float("nan")), r"learning_rate is a number in \(0, inf\), got nan"),
        (lambda: Adam(beta_1=1.0), r"beta_1 is a number in \[0, 1\), got 1.0"),
        (lambda: Adam(beta_2=-0.1), r"beta_2 is a number in \[0, 1\), got -0.1"),
        (lambda: SGD(momentum=2), r"momentum is a number in \[0, 1\], got 2"),
        (lambda: SGD(weight_decay=-1), r"weight_decay is a number in \[0, inf\), got -1"),
        (lambda: AdamW(weight_decay="much"), r"weight_decay is a number in .* got 'much'"),
        (lambda: AdaGrad(rate_decay=-1), r"rate_decay is a number in \[0, inf\), got -1"),
        (lambda: AdaGrad(epsilon=0.0), r"epsilon is a number in \(0, inf\), got 0.0"),
        (lambda: RMSProp(rho=1), r"rho is a number in \[0, 1\), got 1"),
        (lambda: RMSProp(momentum=-0.5), r"momentum is a number in \[0, 1\], got -0.5"),
        (lambda: AdaDelta(rho=float("inf")), r"rho is a number in \[0, 1\), got inf"),
        (lambda: AdaDelta(0), r"learning_rate is a number in \(0, inf\), got 0"),
        (lambda: Adam(epsilon=0), r"epsilon is a number in \(0, inf\), got 0"),
        (lambda: optimizer_from("adma"), r"unknown optimizer 'adma' \(did you mean 'adam'\?\)"),
        (lambda: optimizer_from(0.1), r"optimizer 0.1 lacks learning_rate, state_names, wei"),
        (lambda: optimizer_from(Adam), r"optimizer is the class Adam: pass .* Adam\(\.\.\.\)"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
