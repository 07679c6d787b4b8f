"""The dense layer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netts.errors import ParameterError, ShapeError
from netts.layers import ACTIVATIONS, Dense, ReLU
from netts.network import Network
from netts.testing import check_layer


@pytest.mark.parametrize("features", [1, 3, 7])
@pytest.mark.parametrize("units", [1, 2, 5])
@pytest.mark.parametrize("use_bias", [True, False])
def test_dense_gradients_equal_differences(features, units, use_bias):
    layer = Dense(units, use_bias=use_bias, bias_initializer="normal")
    check_layer(layer, features, batch_sizes=(1, 4))


@given(
    features=st.integers(1, 9),
    units=st.integers(1, 9),
    rows=st.integers(1, 5),
    activation=st.sampled_from([*ACTIVATIONS]),
)
@settings(max_examples=15)
def test_dense_of_any_size_passes_its_exam(features, units, rows, activation):
    check_layer(Dense(units, activation), features, batch_sizes=(rows,))


def test_dense_with_activation_is_two_layers():
    assert Dense(3, "relu").expand() == (Dense(3), ReLU())
    assert Dense(3).expand() == (Dense(3),)
    check_layer(Dense(4, "gelu"), 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_equals_the_matrix_product(dtype):
    X = np.random.default_rng(0).normal(size=(6, 4)).astype(dtype)
    network = Network([Dense(3, bias_initializer="uniform")], dtype).build(4, random_state=1)
    weights = network.weights()
    expected = X @ weights["0.weight"] + weights["0.bias"]
    tolerance = 10 * np.finfo(dtype).eps
    np.testing.assert_allclose(network.predict(X), expected, rtol=tolerance, atol=tolerance)


def test_dense_decays_weights_only():
    declared = Dense(3).parameters((4,))
    assert {name: one.decays for name, one in declared.items()} == {"weight": True, "bias": False}


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "ten"])
def test_units_are_a_positive_whole_number(units):
    with pytest.raises(ParameterError, match="units is a whole number of at least 1"):
        Dense(units)


def test_images_are_refused_with_the_way_out():
    with pytest.raises(
        ShapeError, match=r"layer 0 \(Dense, units=10\) expects .* flatten it first"
    ):
        Network([Dense(10)]).build((8, 8))
