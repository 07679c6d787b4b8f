"""Initial values have the spread that their sources give."""

import numpy as np
import pytest

from netts.errors import ParameterError
from netts.initializers import INITIALIZERS, Normal, Uniform, initializer_from
from netts.layers import Parameter

SHAPE = FAN_IN, FAN_OUT = 300, 200
VARIANCES = {
    "glorot_uniform": 2 / (FAN_IN + FAN_OUT),
    "glorot_normal": 2 / (FAN_IN + FAN_OUT),
    "he_uniform": 2 / FAN_IN,
    "he_normal": 2 / FAN_IN,
    "uniform": 0.1**2 / 12,
    "normal": 0.05**2,
    "zeros": 0.0,
    "ones": 0.0,
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_spread_is_that_of_the_source(name):
    values = INITIALIZERS[name](np.random.default_rng(0), SHAPE, FAN_IN, FAN_OUT)
    assert values.shape == SHAPE
    assert values.var() == pytest.approx(VARIANCES[name], rel=0.02)
    assert values.mean() == pytest.approx(1.0 if name == "ones" else 0.0, abs=1e-3)


def test_glorot_uniform_stays_inside_its_limit():
    values = INITIALIZERS["glorot_uniform"](np.random.default_rng(0), SHAPE, FAN_IN, FAN_OUT)
    limit = np.sqrt(6 / (FAN_IN + FAN_OUT))
    assert 0.999 * limit < np.abs(values).max() <= limit


def test_a_parameter_draws_with_its_own_fans():
    generators = [np.random.default_rng(0) for _ in range(2)]
    found = Parameter((5,), "glorot_uniform", fans=(7, 9)).draw(generators[0])
    limit = np.sqrt(6 / 16)
    np.testing.assert_array_equal(found, generators[1].uniform(-limit, limit, 5))


def test_settings_and_functions_of_ones_own():
    generator = np.random.default_rng(0)
    assert Uniform(2, 3)(generator, (9,), 1, 1).min() >= 2
    assert abs(Normal(5, 0.1)(generator, (99,), 1, 1).mean() - 5) < 0.1
    assert initializer_from(Uniform()) == Uniform()


def test_unknown_initializer_names_the_choices():
    with pytest.raises(ParameterError, match="unknown initializer 'xavier'; choose from: glorot_u"):
        initializer_from("xavier")
