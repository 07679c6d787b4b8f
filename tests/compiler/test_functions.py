"""netts's scalar functions in plain Python: total, IEEE, silent."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts.compiler import functions

NAMES = functions.__all__
INF, NAN = math.inf, math.nan

# For each function, its value at some arguments.
SPECIAL_VALUES = {
    "exp": {0.0: 1.0, INF: INF, -INF: 0.0, 1000.0: INF, -1000.0: 0.0, 1e308: INF, -1e308: 0.0},
    "expm1": {INF: INF, -INF: -1.0, 1000.0: INF, -1000.0: -1.0, 5e-324: 5e-324},
    "log": {1.0: 0.0, 0.0: -INF, INF: INF, -1.0: NAN, -INF: NAN, -5e-324: NAN},
    "log1p": {-1.0: -INF, INF: INF, -2.0: NAN, -INF: NAN, 5e-324: 5e-324},
    "tanh": {INF: 1.0, -INF: -1.0, 1e308: 1.0, -1e308: -1.0, 5e-324: 5e-324},
    "sigmoid": {0.0: 0.5, INF: 1.0, -INF: 0.0, 1000.0: 1.0, -1000.0: 0.0},
    "softplus": {INF: INF, -INF: 0.0, 1000.0: 1000.0, -1000.0: 0.0, 1e308: 1e308, -1e308: 0.0},
    "erf": {INF: 1.0, -INF: -1.0, 1e308: 1.0, -1e308: -1.0},
    "sqrt": {INF: INF, -1.0: NAN, -INF: NAN, 9.0: 3.0},
}


def is_same(a, b):
    """Whether two floats are the same number, zeros told apart, or both NaN."""
    return (math.isnan(a) and math.isnan(b)) or (
        a == b and math.copysign(1, a) == math.copysign(1, b)
    )


def test_every_function_has_special_values():
    assert sorted(SPECIAL_VALUES) == sorted(NAMES)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [(name, x, value) for name, table in SPECIAL_VALUES.items() for x, value in table.items()],
)
def test_special_values_are_exact(name, x, expected):
    assert is_same(getattr(functions, name)(x), expected)


@pytest.mark.parametrize("name", ["erf", "expm1", "log1p", "sqrt", "tanh"])
def test_the_sign_of_zero_is_kept(name):
    function = getattr(functions, name)
    assert is_same(function(0.0), 0.0)
    assert is_same(function(-0.0), -0.0)


@pytest.mark.parametrize("name", NAMES)
@given(x=st.floats())
def test_every_float_gives_a_float_and_no_warning(name, x):
    value = getattr(functions, name)(x)
    assert type(value) is float
    if math.isnan(x):
        assert math.isnan(value)


@pytest.mark.parametrize("name", NAMES)
@given(x=st.one_of(st.floats(width=32).map(np.float32), st.floats().map(np.float64)))
def test_a_numpy_scalar_gives_a_python_float_and_no_warning(name, x):
    function = getattr(functions, name)
    assert type(function(x)) is float
    assert is_same(function(x), function(float(x)))


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sqrt"])
@given(x=st.floats())
def test_numpy_agrees(name, x):
    with np.errstate(all="ignore"):
        expected = float(getattr(np, name)(np.float64(x)))
    np.testing.assert_array_max_ulp(getattr(functions, name)(x), expected, maxulp=2)


@given(x=st.floats(-800.0, 800.0))
def test_sigmoid_and_softplus_are_accurate_in_both_tails(x):
    with np.errstate(all="ignore"):
        # Extended precision where the platform has it; sigmoid(x) = e**-softplus(-x) loses digits.
        power = np.exp(-np.longdouble(x)) if x > 0 else np.exp(np.longdouble(x))
    sigmoid = (1 if x > 0 else power) / (1 + power)
    softplus = max(np.longdouble(x), 0) + np.log1p(power)
    np.testing.assert_array_max_ulp(functions.sigmoid(x), float(sigmoid), maxulp=3)
    np.testing.assert_array_max_ulp(functions.softplus(x), float(softplus), maxulp=3)


@given(x=st.floats(allow_nan=False))
def test_sigmoid_is_a_probability_and_softplus_is_not_negative(x):
    assert 0.0 <= functions.sigmoid(x) <= 1.0
    assert functions.softplus(x) >= max(x, 0.0)
