"""Concatenation, sums and products of branches against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netts import Network
from netts.layers import Add, Concatenate, Input, Multiply


@st.composite
def concatenations(draw):
    """An axis, counted with the batch, and the shapes of batches that differ along it."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axis = draw(st.integers(1, len(shape)))
    extents = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    shapes = [(*shape[: axis - 1], n, *shape[axis:]) for n in extents]
    return draw(st.sampled_from([axis, axis - len(shape) - 1])), shapes


@settings(max_examples=30)
@given(concatenations(), st.sampled_from([np.float32, np.float64]))
def test_concatenation_equals_numpys(case, dtype):
    axis, shapes = case
    names = [f"x{k}" for k in range(len(shapes))]
    network = Network([Concatenate([[Input(name)] for name in names], axis=axis)], dtype)
    network.build(dict(zip(names, shapes, strict=True)))
    rng = np.random.default_rng(0)
    X = {
        name: rng.normal(size=(3, *shape)).astype(dtype)
        for name, shape in zip(names, shapes, strict=True)
    }
    expected = np.concatenate(list(X.values()), axis=axis)
    np.testing.assert_array_equal(network.predict(X), expected, strict=True)


@pytest.mark.parametrize(("layer", "combine"), [(Add, np.add), (Multiply, np.multiply)])
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3, 4)])
def test_sums_and_products_equal_numpys(layer, combine, n, shape):
    names = [f"x{k}" for k in range(n)]
    network = Network([layer([[Input(name)] for name in names])], np.float64)
    network.build(dict.fromkeys(names, shape))
    rng = np.random.default_rng(0)
    X = {name: rng.normal(size=(7, *shape)) for name in names}
    expected = combine.reduce(list(X.values()))
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-15)
