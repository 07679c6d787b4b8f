"""Numbers scaled as scikit-learn scales them, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from netts.data import TableEncoder
from netts.data.scaling import SCALERS, DecimalScaler, Scaling, decimal_scale, learn_scaling
from netts.errors import BrokenModelError, ParameterError, UnknownColumnError

THEIRS = {
    "standard": StandardScaler(),
    "min-max": MinMaxScaler(),
    "max-abs": MaxAbsScaler(),
    "robust": RobustScaler(),
    "decimal": DecimalScaler(),
    (-3.0, 5.0): MinMaxScaler((-3.0, 5.0)),
}
columns = npst.arrays(
    np.float64, st.integers(1, 30), elements=st.integers(-(10**6), 10**6).map(lambda n: n / 8)
)


@parametrize_with_checks([DecimalScaler()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("scaler", THEIRS, ids=str)
@given(values=columns)
def test_values_are_scaled_as_scikit_learn_does(scaler, values):
    scaled = learn_scaling(scaler, values).apply(values)
    expected = THEIRS[scaler].fit_transform(values[:, None])[:, 0]
    np.testing.assert_allclose(scaled, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scaler", [*SCALERS, (0.0, 10.0)], ids=str)
@given(values=columns)
def test_scaling_is_inverted(scaler, values):
    scaling = learn_scaling(scaler, values)
    np.testing.assert_allclose(scaling.invert(scaling.apply(values)), values, atol=1e-9, rtol=1e-9)


@given(st.floats(1e-300, 1e300))
def test_the_decimal_scale_is_the_smallest_power_of_ten_above(largest):
    scale = decimal_scale(largest)
    assert scale > largest
    # 10.0**k is rounded for some k, so that neighbours are not exactly ten times one another.
    assert scale / 10 <= largest * (1 + 1e-15)


def test_columns_may_have_scalers_of_their_own():
    X = {"a": [0.0, 5.0, 10.0], "b": [0.0, 5.0, 10.0], "c": [1.0, 2.0, 3.0]}
    encoder = TableEncoder(scaler={"a": "min-max", "b": (-1, 1)}).fit(X)
    a, b, c = encoder.transform(X).T
    assert a.tolist() == [0, 0.5, 1]
    assert b.tolist() == [-1, 0, 1]
    np.testing.assert_allclose(c, [-(1.5**0.5), 0, 1.5**0.5])


def test_a_missing_value_is_the_scaled_median():
    encoder = TableEncoder(scaler="min-max").fit({"a": [0.0, np.nan, 2.0, 8.0]})
    assert encoder.transform({"a": [np.nan, 8.0]}).tolist() == [[0.25, 1], [1, 0]]


@pytest.mark.parametrize(
    "scaler", ["max", "Standard", (1.0, 0.0), (0.0, np.inf), (1, 2, 3), ("a", "b")]
)
def test_scalers_that_do_not_exist_are_refused(scaler):
    with pytest.raises(ParameterError, match=r"a scaler is one of standard, .* or \(low, high\)"):
        TableEncoder(scaler=scaler).fit({"a": [1.0, 2.0]})


def test_a_scaler_of_a_column_that_is_not_there_is_refused():
    with pytest.raises(UnknownColumnError, match="scaler names 'A', and X has no such column"):
        TableEncoder(scaler={"A": "min-max"}).fit({"a": [1.0, 2.0]})


@pytest.mark.parametrize("numbers", [(0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf)])
def test_a_scaling_that_cannot_be_is_no_model(numbers):
    with pytest.raises(BrokenModelError, match="numbers are scaled by"):
        Scaling(*numbers)
