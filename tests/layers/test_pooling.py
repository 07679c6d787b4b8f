"""Pooling against NumPy's windows and PyTorch; ties, NaN and padding."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netts.errors import ParameterError, ShapeError
from netts.layers import AveragePool2D, Flatten, MaxPool2D
from netts.layers.pooling import average_pool_backward, max_pool_backward, max_pool_forward
from netts.network import Network

few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def pools(draw):
    """The settings of a pool and the shape of a batch that it takes."""
    size = draw(st.tuples(*[st.integers(1, 4)] * 2))
    chosen = {
        "pool_size": size,
        "stride": draw(st.one_of(st.none(), st.tuples(*[st.integers(1, 4)] * 2))),
        "padding": tuple(draw(st.integers(0, one // 2)) for one in size),
    }
    sides = [draw(st.integers(one, 9)) for one in size]
    return chosen, (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *sides)


def windows(x, pool_size, stride, padding, fill):
    """Every window of the padded images, as two more axes."""
    (pad_y, pad_x), (stride_y, stride_x) = padding, stride or pool_size
    padded = np.pad(x, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)), constant_values=fill)
    seen = np.lib.stride_tricks.sliding_window_view(padded, pool_size, axis=(2, 3))
    return seen[:, :, ::stride_y, ::stride_x]


@given(pools())
@few
def test_pools_equal_numpys(run_layer, case):
    chosen, shape = case
    x = np.random.default_rng(0).integers(-9, 10, shape).astype(np.float64)
    highest = windows(x, **chosen, fill=-np.inf).max(axis=(4, 5))
    np.testing.assert_array_equal(run_layer(MaxPool2D(**chosen), x)["output"], highest)

    sums = windows(x, **chosen, fill=0.0).sum(axis=(4, 5))
    counts = windows(np.ones_like(x), **chosen, fill=0.0).sum(axis=(4, 5))
    area = np.prod(chosen["pool_size"])
    means = run_layer(AveragePool2D(**chosen), x)["output"]
    np.testing.assert_allclose(means, sums / area, rtol=1e-15)
    means = run_layer(AveragePool2D(**chosen, count_include_pad=False), x)["output"]
    np.testing.assert_allclose(means, sums / counts, rtol=1e-15)


@given(pools(), st.sampled_from([np.float32, np.float64]))
@few
def test_pools_and_gradients_equal_pytorchs(run_layer, case, dtype):
    # Whole numbers: maxima are tied often.
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    chosen, shape = case
    x = np.random.default_rng(0).integers(-2, 3, shape).astype(dtype)
    sizes = (chosen["pool_size"], chosen["stride"], chosen["padding"])
    for layer, pool in [
        (MaxPool2D(**chosen), lambda x: functional.max_pool2d(x, *sizes)),
        (AveragePool2D(**chosen), lambda x: functional.avg_pool2d(x, *sizes)),
        (
            AveragePool2D(**chosen, count_include_pad=False),
            lambda x: functional.avg_pool2d(x, *sizes, count_include_pad=False),
        ),
    ]:
        found = run_layer(layer, x, np.random.default_rng(1).standard_normal)
        tensor = torch.tensor(x, requires_grad=True)
        output = pool(tensor)
        output.backward(torch.tensor(found["grad_output"]))
        tolerance = 32 * np.finfo(dtype).eps
        for name, values in {"output": output.detach(), "grad_input": tensor.grad}.items():
            np.testing.assert_allclose(
                found[name], values.numpy(), rtol=tolerance, atol=tolerance, err_msg=name
            )


def test_the_first_of_equal_maxima_gets_the_gradient(run_layer, device):
    x = np.array([[[[0.0, 7.0, 7.0], [7.0, 7.0, 7.0], [1.0, 1.0, 1.0]]]])
    found = run_layer(MaxPool2D(2, stride=1), x, device=device)
    expected = [[0.0, 2.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_array_equal(found["grad_input"][0, 0], expected)


def test_a_window_of_the_lowest_numbers_gives_its_gradient_to_the_first(run_layer, device):
    x = np.full((1, 1, 2, 2), -np.inf)
    found = run_layer(MaxPool2D(2), x, device=device)
    assert found["output"] == -np.inf
    np.testing.assert_array_equal(found["grad_input"][0, 0], [[1, 0], [0, 0]])


@pytest.mark.parametrize("place", range(4))
def test_nan_wins(run_layer, device, place):
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    x.flat[place] = np.nan
    found = run_layer(MaxPool2D(2), x, device=device)
    assert np.isnan(found["output"]).all()
    assert found["grad_input"].flat[place] == 1


def test_padding_is_never_the_maximum(run_layer, device):
    x = np.full((1, 1, 2, 2), -5.0)
    found = run_layer(MaxPool2D(3, stride=1, padding=1), x, device=device)
    np.testing.assert_array_equal(found["output"], -5)


def test_an_empty_batch_has_an_empty_output(device):
    images, output = np.ones((0, 2, 4, 4)), np.ones((0, 2, 2, 2))
    geometry = (2, 2, 2, 2, 0, 0)
    max_pool_forward.on(device)(images, output, *geometry)
    max_pool_backward.on(device)(images, output, output, np.ones_like(images), *geometry)
    average_pool_backward.on(device)(output, images, *geometry, True)


@pytest.mark.parametrize("pool", [MaxPool2D, AveragePool2D])
def test_pools_that_make_no_sense_are_refused(pool):
    with pytest.raises(ParameterError, match="padding is at most half of pool_size, 1 on the"):
        pool(2, padding=2)
    with pytest.raises(ParameterError, match="stride is a whole number of at least 1, got 0"):
        pool(2, stride=0)
    with pytest.raises(ParameterError, match="pool_size is a whole number of at least 1, got 0"):
        pool(0)
    with pytest.raises(
        ShapeError, match=r"layer 0 \(\w+, pool_size=3\) expects samples whose height"
    ):
        Network([pool(3)]).build((4, 2, 8))
    with pytest.raises(ShapeError, match=r"expects input of shape \(batch, channels, height"):
        Network([pool(2)]).build(64)
    with pytest.raises(ParameterError, match="count_include_pad is True or False, got 1"):
        AveragePool2D(2, count_include_pad=1)


def test_flatten_keeps_the_numbers_in_order(device):
    X = np.random.default_rng(0).normal(size=(3, 2, 4, 5))
    network = Network([Flatten()], np.float64).build(X.shape[1:])
    np.testing.assert_array_equal(network.predict(X, device=device), X.reshape(3, -1))
