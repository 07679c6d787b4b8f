"""Global pooling against NumPy; ties, NaN and shapes."""

import numpy as np
import pytest

from netts.errors import ShapeError
from netts.layers import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    MaxPool1D,
    MaxPool2D,
)
from netts.network import Network

GLOBAL = [
    (GlobalMaxPool2D(), (3, 4, 5, 6), np.max),
    (GlobalAveragePool2D(), (3, 4, 5, 6), np.mean),
    (GlobalMaxPool1D(), (3, 4, 7), np.max),
    (GlobalAveragePool1D(), (3, 4, 7), np.mean),
    (GlobalAveragePool2D(), (1, 1, 1, 1), np.mean),
    (GlobalMaxPool1D(), (0, 2, 3), np.max),
]


def named(value):
    """Return the same name for a value in every process: pytest-xdist compares them."""
    return getattr(value, "__name__", None) or str(value)


@pytest.mark.parametrize(("layer", "shape", "reduce"), GLOBAL, ids=named)
def test_global_pools_equal_numpys(layer, shape, reduce, run_layer, device):
    x = np.random.default_rng(0).normal(size=shape)
    found = Network([layer], np.float64).build(shape[1:]).predict(x, device=device)
    np.testing.assert_allclose(found, reduce(x, axis=tuple(range(2, len(shape)))), rtol=1e-14)


@pytest.mark.parametrize(("layer", "shape", "reduce"), GLOBAL[:4], ids=named)
def test_gradients_go_to_the_first_maximum_or_to_all(layer, shape, reduce, run_layer):
    x = np.random.default_rng(0).integers(-2, 3, shape).astype(np.float64)  # with ties
    found = run_layer(layer, x, np.random.default_rng(1).standard_normal)
    places = x.reshape(*shape[:2], -1)
    given = found["grad_output"][..., None]
    expected = np.broadcast_to(given / places.shape[2], places.shape)
    if reduce is np.max:
        expected = np.zeros_like(places)
        np.put_along_axis(expected, places.argmax(axis=2)[..., None], given, axis=2)
    np.testing.assert_allclose(found["grad_input"].reshape(places.shape), expected, rtol=1e-14)


@pytest.mark.parametrize("place", range(3))
def test_nan_wins(run_layer, device, place):
    x = np.arange(3.0).reshape(1, 1, 3)
    x[0, 0, place] = np.nan
    found = run_layer(GlobalMaxPool1D(), x, device=device)
    assert np.isnan(found["output"]).all()
    assert found["grad_input"][0, 0, place] == 1


def test_global_pools_are_pools_over_all(run_layer):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    for whole, windows in [
        (GlobalMaxPool2D(), MaxPool2D((4, 5))),
        (GlobalAveragePool2D(), AveragePool2D((4, 5))),
    ]:
        one, other = run_layer(whole, x), run_layer(windows, x)
        np.testing.assert_allclose(one["output"], other["output"][:, :, 0, 0], rtol=1e-14)
        np.testing.assert_allclose(one["grad_input"], other["grad_input"], rtol=1e-14)


@pytest.mark.parametrize("pool", [MaxPool1D, AveragePool1D])
def test_pools_of_signals_are_pools_of_images_of_a_row(pool, run_layer, device):
    twin = {MaxPool1D: MaxPool2D, AveragePool1D: AveragePool2D}[pool]
    x = np.random.default_rng(0).integers(-3, 4, (2, 3, 11)).astype(np.float64)
    one = run_layer(pool(3, stride=2, padding=1), x, device=device)
    two = run_layer(twin((1, 3), stride=(1, 2), padding=(0, 1)), x[:, :, None], device=device)
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name].reshape(array.shape), err_msg=name)


def test_samples_of_other_axes_are_refused():
    with pytest.raises(ShapeError, match=r"\(batch, channels, length\), got \(batch, 3, 4, 5\)"):
        Network([GlobalMaxPool1D()]).build((3, 4, 5))
    with pytest.raises(ShapeError, match=r"\(batch, channels, height, width\), got \(batch, 3\)"):
        Network([GlobalAveragePool2D()]).build(3)
    with pytest.raises(ShapeError, match="length is at least the pool's, 9"):
        Network([MaxPool1D(9)]).build((3, 4))
