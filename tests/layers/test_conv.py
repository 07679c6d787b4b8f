"""Convolutions against SciPy and PyTorch, and their gradients against the identity of adjoints."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netts.errors import ParameterError, ShapeError
from netts.graph import TaskGraph
from netts.layers import Conv1D, Conv2D, Dense, ReLU
from netts.layers.conv import conv2d_forward, conv2d_grad_input, conv2d_grad_weight
from netts.network import Network
from netts.network.propagation import Propagation

few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def pairs(low, high):
    return st.one_of(st.integers(low, high), st.tuples(*[st.integers(low, high)] * 2))


def both(value):
    return value if isinstance(value, tuple) else (value, value)


@st.composite
def convolutions(draw):
    """A layer and the shape of a batch that it takes."""
    groups = draw(st.integers(1, 3))
    layer = Conv2D(
        groups * draw(st.integers(1, 3)),
        draw(pairs(1, 3)),
        stride=draw(pairs(1, 3)),
        padding=draw(st.one_of(st.just("valid"), pairs(0, 1))),
        dilation=draw(pairs(1, 2)),
        groups=groups,
        use_bias=draw(st.booleans()),
        bias_initializer="normal",
    )
    shape = (groups * draw(st.integers(1, 2)), draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    try:
        layer.output_shape(shape)
    except ShapeError:
        assume(False)
    return layer, (draw(st.integers(1, 3)), *shape)


def integers(shape):
    """Small whole numbers, whose sums of products are exact in any order."""
    return np.random.default_rng(sum(shape)).integers(-4, 5, shape).astype(np.float64)


def correlated(layer, x, weight, bias):
    """The convolution by SciPy: channel by channel, of the padded image, every stride-th place."""
    (stride_y, stride_x), (dilation_y, dilation_x) = both(layer.stride), both(layer.dilation)
    pad_y, pad_x = both(0 if layer.padding == "valid" else layer.padding)
    x = np.pad(x, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)))
    filters, channels, height, width = weight.shape
    spread = np.zeros(
        (filters, channels, dilation_y * (height - 1) + 1, dilation_x * (width - 1) + 1)
    )
    spread[:, :, ::dilation_y, ::dilation_x] = weight
    images = []
    for image in x:
        planes = []
        for o in range(filters):
            first = o // (filters // layer.groups) * channels
            plane = sum(
                scipy.signal.correlate(image[first + c], spread[o, c], "valid", "direct")
                for c in range(channels)
            )
            planes.append(plane[::stride_y, ::stride_x] + bias[o])
        images.append(planes)
    return np.array(images)


@given(convolutions())
@few
def test_convolution_equals_scipys_bit_for_bit_on_whole_numbers(run_layer, case):
    layer, shape = case
    x = integers(shape)
    weights = {k: integers(p.shape) for k, p in layer.parameters(shape[1:]).items()}
    found = run_layer(layer, x, weights=weights)
    bias = weights.get("bias", np.zeros(layer.filters))
    np.testing.assert_array_equal(found["output"], correlated(layer, x, weights["weight"], bias))


@given(convolutions())
@few
def test_gradients_are_the_adjoints_exactly_on_whole_numbers(run_layer, case):
    # The output is linear in the image and in the weight: <conv(x), g> = <x, grad_input(g)>.
    layer, shape = case
    x = integers(shape)
    weights = {k: integers(p.shape) for k, p in layer.parameters(shape[1:]).items()}
    found = run_layer(layer, x, integers, weights=weights)
    bias = weights.get("bias", np.zeros(layer.filters)).reshape(-1, 1, 1)
    product = ((found["output"] - bias) * found["grad_output"]).sum()
    assert (x * found["grad_input"]).sum() == product
    assert (weights["weight"] * found["grad_weight"]).sum() == product
    if layer.use_bias:
        sums = found["grad_output"].sum(axis=(0, 2, 3))
        np.testing.assert_array_equal(found["grad_bias"], sums)


def compare_with_pytorch(run_layer, case, dtype, function):
    """Compare output and gradients with those of a function of `torch.nn.functional`."""
    torch = pytest.importorskip("torch")
    layer, shape = case
    generator = np.random.default_rng(0)
    x = generator.normal(size=shape).astype(dtype)
    declared = layer.parameters(shape[1:])
    weights = {k: generator.normal(size=p.shape).astype(dtype) for k, p in declared.items()}
    found = run_layer(layer, x, generator.standard_normal, weights=weights)
    tensors = {k: torch.tensor(v, requires_grad=True) for k, v in ({"input": x} | weights).items()}
    output = getattr(torch.nn.functional, function)(
        tensors["input"],
        tensors["weight"],
        tensors.get("bias"),
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
    )
    output.backward(torch.tensor(found["grad_output"]))
    expected = {"output": output.detach()} | {f"grad_{k}": v.grad for k, v in tensors.items()}
    tolerance = 200 * np.finfo(dtype).eps
    for name, values in expected.items():
        np.testing.assert_allclose(
            found[name], values.numpy(), rtol=tolerance, atol=20 * tolerance, err_msg=name
        )


@given(convolutions(), st.sampled_from([np.float32, np.float64]))
@few
def test_convolution_and_gradients_equal_pytorchs(run_layer, case, dtype):
    compare_with_pytorch(run_layer, case, dtype, "conv2d")


@pytest.mark.filterwarnings("ignore:Using padding='same' with even:UserWarning")
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (4, 1), (5, 2)])
@pytest.mark.parametrize("dilation", [1, (1, 2)])
def test_same_padding_equals_pytorchs(kernel_size, dilation):
    torch = pytest.importorskip("torch")
    X = np.random.default_rng(0).normal(size=(2, 3, 6, 5))
    layer = Conv2D(4, kernel_size, padding="same", dilation=dilation)
    network = Network([layer], np.float64).build(X.shape[1:], random_state=0)
    weights = {k: torch.tensor(v) for k, v in network.weights().items()}
    expected = torch.nn.functional.conv2d(
        torch.tensor(X), weights["0.weight"], weights["0.bias"], padding="same", dilation=dilation
    )
    assert network.shapes[-1] == (4, 6, 5)
    np.testing.assert_allclose(network.predict(X), expected.numpy(), rtol=1e-12, atol=1e-12)


def test_same_padding_puts_the_odd_zero_below_and_to_the_right(run_layer):
    x = integers((1, 1, 3, 3))
    found = run_layer(
        Conv2D(1, 2, padding="same", use_bias=False), x, weights={"weight": np.ones((1, 1, 2, 2))}
    )
    padded = np.pad(x[0, 0], ((0, 1), (0, 1)))
    sums = padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]
    np.testing.assert_array_equal(found["output"][0, 0], sums)


def test_devices_agree_bit_for_bit_on_whole_numbers(run_layer, device):
    layer, x = Conv2D(4, (2, 3), stride=2, padding=1, groups=2), integers((2, 2, 5, 7))
    weights = {k: integers(p.shape) for k, p in layer.parameters(x.shape[1:]).items()}
    found = run_layer(layer, x, integers, weights=weights, device=device)
    expected = run_layer(layer, x, integers, weights=weights, device="reference")
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_an_empty_batch_has_an_empty_output_and_no_gradient(device):
    images, weight = np.ones((0, 1, 2, 5, 5)), np.ones((1, 3, 2, 3, 3))
    output, bias, geometry = np.ones((0, 1, 3, 3, 3)), np.ones((1, 3)), (1, 1, 0, 0, 1, 1)
    conv2d_forward.on(device)(images, weight, bias, output, *geometry)
    conv2d_grad_input.on(device)(output, weight, images, *geometry)
    conv2d_grad_weight.on(device)(images, output, weight, *geometry)
    np.testing.assert_array_equal(weight, 0)


def test_convolution_with_activation_is_two_layers():
    assert Conv2D(3, 2, activation="relu").expand() == (Conv2D(3, 2), ReLU())
    assert Conv2D(3, 2).expand() == (Conv2D(3, 2),)


def test_fans_count_the_area_of_the_kernel():
    declared = Conv2D(8, (3, 5), groups=2).parameters((6, 9, 9))
    assert declared["weight"].shape == (8, 3, 3, 5)
    assert declared["weight"].fans == declared["bias"].fans == (3 * 15, 8 * 15)
    assert {name: one.decays for name, one in declared.items()} == {"weight": True, "bias": False}


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            Conv2D(2, 3),
            (64,),
            r"layer 0 \(Conv2D, filters=2, kernel_size=3\) expects input of shape",
        ),
        (Conv2D(2, 3), (64,), r"height, width\), got \(batch, 64\): reshape flat samples"),
        (Conv2D(2, 3), (8, 8), r"got \(batch, 8, 8\): images of one channel are X\[:, None\]"),
        (Conv2D(2, 3), (1, 8, 8, 8), r"got \(batch, 1, 8, 8, 8\): give each sample three axes"),
        (
            Conv2D(2, 3),
            (1, 5, 2),
            r"width is at least the kernel's, 3, got \(batch, 1, 5, 2\): use",
        ),
        (
            Conv2D(2, 3, dilation=2, padding=(1, 0)),
            (1, 2, 5),
            "height .* 5, got .*, 4 with padding",
        ),
        (Conv2D(4, 3, groups=2), (3, 5, 5), "channels that 2 groups divide, got 3 channels"),
    ],
)
def test_images_that_do_not_fit_are_refused_with_the_way_out(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        Network([layer]).build(shape)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, "stride is a whole number of at least 1, got 0"),
        ({"stride": (1, 0)}, "each of stride is a whole number of at least 1, got 0"),
        ({"kernel_size": 0}, "kernel_size is a whole number of at least 1"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size is a whole number or two, .* \(3, 3, 3\)"),
        ({"dilation": 0}, "dilation is a whole number"),
        ({"padding": -1}, "padding is a whole number of at least 0"),
        ({"padding": 4}, "padding is at most the kernel, 3 on the height, got 4"),
        ({"padding": (0, 4)}, "padding is at most the kernel, 3 on the width"),
        ({"padding": "full"}, "padding is 'same', 'valid' or whole numbers, got 'full'"),
        ({"padding": "same", "stride": 2}, "'same' needs stride 1, got 2"),
        ({"filters": 0}, "filters is a whole number of at least 1"),
        ({"groups": 2}, "2 groups do not divide 3 filters"),
        ({"activation": "rleu"}, "unknown activation"),
        ({"weight_initializer": "nothing"}, "unknown initializer"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ParameterError, match=message):
        Conv2D(**({"filters": 3, "kernel_size": 3} | settings))


def test_a_dense_layer_after_images_asks_for_flatten():
    with pytest.raises(ShapeError, match="flatten it first"):
        Network([Conv2D(2, 3), Dense(10)]).build((1, 8, 8))


@st.composite
def convolutions_of_signals(draw):
    """A layer and the shape of a batch that it takes."""
    groups = draw(st.integers(1, 2))
    layer = Conv1D(
        groups * draw(st.integers(1, 3)),
        draw(st.integers(1, 4)),
        stride=draw(st.integers(1, 3)),
        padding=draw(st.integers(0, 1)),
        dilation=draw(st.integers(1, 2)),
        groups=groups,
        use_bias=draw(st.booleans()),
    )
    shape = (groups * draw(st.integers(1, 2)), draw(st.integers(1, 12)))
    try:
        layer.output_shape(shape)
    except ShapeError:
        assume(False)
    return layer, (draw(st.integers(1, 3)), *shape)


@given(convolutions_of_signals(), st.sampled_from([np.float32, np.float64]))
@few
def test_convolutions_of_signals_and_gradients_equal_pytorchs(run_layer, case, dtype):
    compare_with_pytorch(run_layer, case, dtype, "conv1d")


def test_a_convolution_of_signals_is_one_of_images_of_a_row(run_layer, device):
    x = integers((2, 3, 9))
    weight = integers((4, 3, 3))
    options = {"padding": "same", "dilation": 2, "use_bias": False}
    one = run_layer(Conv1D(4, 3, **options), x, integers, {"weight": weight}, device=device)
    two = run_layer(
        Conv2D(4, (1, 3), padding="same", dilation=(1, 2), use_bias=False),
        x[:, :, None], one["grad_output"][:, :, None], {"weight": weight[:, :, None]},
        device=device,
    )  # fmt: skip
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name].reshape(array.shape), err_msg=name)


def test_convolutions_of_signals_reach_blas_in_every_pass():
    network = Network([Conv1D(16, 5, padding="same"), Conv1D(16, 3)]).build((8, 64))
    graph = TaskGraph()
    propagation = Propagation(network, graph, 32, gradients=network.parameters.like("gradients"))
    x = np.zeros((32, 8, 64), np.float32)
    with graph.recording():
        values = propagation.forward(x)
        propagation.backward(values, np.zeros(values[-1].shape, np.float32))
    explained = graph.compile(device="cpu").explain()
    for name in ("forward", "grad_weight", "grad_input"):
        assert f"conv2d_{name}: BLAS" in explained


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Conv1D(2, (3, 3)),
            ParameterError,
            r"kernel_size is a whole number or one, \(along",
        ),
        (
            lambda: Conv1D(2, 0),
            ParameterError,
            "kernel_size is a whole number of at least 1, got 0",
        ),
        (
            lambda: Conv1D(2, 3, padding=4),
            ParameterError,
            "at most the kernel, 3 on the length, got",
        ),
        (lambda: Conv1D(2, 3, padding="same", stride=2), ParameterError, "'same' needs stride 1"),
        (lambda: Network([Conv1D(2, 3)]).build(9), ShapeError, r"X\[:, None\]"),
        (lambda: Network([Conv1D(2, 3)]).build((1, 9, 9)), ShapeError, "such as Conv2D"),
        (
            lambda: Network([Conv1D(2, 5)]).build((1, 4)),
            ShapeError,
            "length is at least the kernel's",
        ),
        (lambda: Network([Conv1D(2, 1, groups=2)]).build((3, 4)), ShapeError, "2 groups divide"),
    ],
)
def test_convolutions_of_signals_that_make_no_sense_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
