"""Activations against closed forms, at any size of input; gradients against differences."""

import numpy as np
import pytest
import scipy.special

from netts import layers
from netts.errors import ParameterError
from netts.layers import ACTIVATIONS, Activation
from netts.layers.activations import activation_from
from netts.network import Network
from netts.testing import check_layer

CLOSED_FORMS = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x * scipy.special.ndtr(x),
    "sigmoid": scipy.special.expit,
    "tanh": np.tanh,
    "swish": lambda x: x * scipy.special.expit(x),
    "softmax": lambda x: scipy.special.softmax(x, axis=1),
}

EXTREMES = [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 0.5, -0.5, 3.0, -3.0, 30.0, -30.0, 1e3, -1e3]
"""Beyond 1e3 the next thing is overflow, which no activation may turn into NaN: 1e30 below."""


def outputs(name, x, dtype=np.float64):
    return Network([Activation(name)], dtype).build(x.shape[1:]).predict(x)


def test_every_activation_has_a_closed_form_here():
    assert list(CLOSED_FORMS) == list(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_activation_equals_its_closed_form(name, dtype):
    x = np.array([EXTREMES, EXTREMES[::-1]])
    expected = CLOSED_FORMS[name](x)
    tolerance = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        outputs(name, x, dtype), expected, rtol=tolerance, atol=tolerance, err_msg=name
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_of_a_huge_input_is_not_nan(name):
    x = np.array([[1e30, -1e30, 1e4, -1e4]])
    assert np.isfinite(outputs(name, x)).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [1, 5, (2, 3)])
def test_activation_gradient_equals_differences(name, shape):
    check_layer(Activation(name), shape)


@pytest.mark.parametrize("layer", [layers.LeakyReLU(0.3), layers.LeakyReLU(0.0), layers.ELU(0.7)])
def test_gradient_equals_differences_at_another_setting(layer):
    check_layer(layer, 6)


def test_relu_lets_nan_through():
    # A network must not hide that it diverged.
    assert np.isnan(max(np.float64(np.nan), 0.0))


def test_softmax_rows_sum_to_one_whatever_their_shift():
    x = np.random.default_rng(0).normal(size=(7, 5))
    once, shifted = outputs("softmax", x), outputs("softmax", x + 1000)
    np.testing.assert_allclose(once.sum(axis=1), 1)
    np.testing.assert_allclose(once, shifted, rtol=1e-12)


def test_unknown_activation_names_the_choices():
    with pytest.raises(
        ParameterError, match=r"unknown activation 'rleu' \(did you mean 'relu'\?\)"
    ):
        activation_from("rleu")
    with pytest.raises(ParameterError, match="choose from: identity, relu"):
        layers.Dense(3, "nothing")
    with pytest.raises(ParameterError, match=r"activation 3 lacks output_shape, .* or pass an obj"):
        activation_from(3)


def test_negative_slope_is_refused():
    with pytest.raises(ParameterError, match=r"slope is a number in \[0, inf\), got -0.1"):
        layers.LeakyReLU(-0.1)
