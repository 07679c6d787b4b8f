"""Dropout: the same mask forward and backward, from counters alone."""

import numpy as np
import pytest

from netts.errors import ParameterError
from netts.layers import Dense, Dropout
from netts.layers.dropout import dropout
from netts.network import Network
from netts.testing import check_layer

N, FEATURES = 40, 50


def drop(x, rate=0.3, order=None, start=0, step=0, key=(1, 2), stream=0):
    out = np.empty_like(x)
    order = np.arange(len(x)) if order is None else np.asarray(order)
    counters = (np.array([start]), np.array([step]), np.array(key))
    dropout(x, out, order, *counters, stream, round((1 - rate) * 2**32), 1 / (1 - rate))
    return out


def test_dropout_keeps_its_share_and_the_mean():
    out = drop(np.ones((N, FEATURES)))
    kept = (out != 0).mean()
    assert abs(kept - 0.7) < 4 * np.sqrt(0.3 * 0.7 / (N * FEATURES))
    assert set(np.unique(out)) == {0.0, 1 / 0.7}


@pytest.mark.parametrize("changed", [{"step": 1}, {"stream": 1}, {"key": (1, 3)}, {"key": (2, 2)}])
def test_dropout_draws_other_numbers_for_another(changed):
    x = np.ones((N, FEATURES))
    assert (drop(x) != drop(x, **changed)).mean() > 0.3


def test_mask_belongs_to_the_sample_not_to_its_row():
    x = np.ones((N, FEATURES))
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(drop(x, order=order), drop(x)[order])
    np.testing.assert_array_equal(drop(x[:7], order=order, start=5), drop(x)[order[5:12]])


def test_float32_and_float64_drop_the_same():
    x = np.ones((N, FEATURES))
    np.testing.assert_array_equal(drop(x) == 0, drop(x.astype(np.float32)) == 0)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("shape", [4, (2, 3)])
def test_dropout_gradient_equals_differences(rate, shape):
    check_layer(Dropout(rate), shape)


def test_prediction_drops_nothing():
    X = np.random.default_rng(0).normal(size=(5, 4))
    network = Network([Dropout(0.9), Dense(3), Dropout(0.9)], np.float64).build(4, random_state=0)
    plain = Network([Dense(3)], np.float64).build(4, random_state=0)
    np.testing.assert_array_equal(network.predict(X), plain.predict(X))


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan"), "half", True])
def test_rate_is_below_one(rate):
    with pytest.raises(ParameterError, match=r"rate is a number in \[0, 1\)"):
        Dropout(rate)
