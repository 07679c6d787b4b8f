"""Normalisation: against closed forms and PyTorch, running statistics, data far from zero."""

import numpy as np
import pytest

from netts import Network, Trainer, layers
from netts.errors import ParameterError, ShapeError
from netts.layers import BatchNorm, LayerNorm
from netts.layers.norms import batch_norm_predict, batch_statistics, layer_norm_forward
from netts.testing import check_layer

SHAPES = [(1,), (5,), (3, 4), (2, 3, 5)]


def normalised(x, axes, epsilon=1e-5):
    """In float64, by the textbook."""
    x = x.astype(np.float64)
    mean = x.mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_gradients_equal_differences(shape):
    check_layer(BatchNorm(), shape, batch_sizes=(2, 3))
    check_layer(BatchNorm(momentum=0.5, epsilon=0.1), shape, batch_sizes=(3,))


@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm_gradients_equal_differences(shape):
    for n_axes in range(1, len(shape) + 1):
        check_layer(LayerNorm(n_axes=n_axes), shape)


def test_batch_norm_normalises_every_channel(run_layer, device):
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(6, 3, 4, 5))
    weights = {"gamma": [1.0, 2.0, 3.0], "beta": [-1.0, 0.0, 1.0]}
    found = run_layer(BatchNorm(), x, weights=weights, device=device)
    gamma, beta = (np.reshape(one, (3, 1, 1)) for one in weights.values())
    expected = gamma * normalised(x, (0, 2, 3)) + beta
    np.testing.assert_allclose(found["output"], expected, rtol=1e-12, atol=1e-12)
    mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3), ddof=1)
    np.testing.assert_allclose(found["running_mean"], 0.1 * mean)
    np.testing.assert_allclose(found["running_variance"], 0.9 + 0.1 * variance)


def test_prediction_takes_the_running_statistics_whatever_the_batch():
    X = np.random.default_rng(0).normal(size=(9, 4))
    network = Network([BatchNorm()], np.float64).build(4)
    running = {"0.running_mean": np.arange(4.0), "0.running_variance": np.arange(1.0, 5.0)}
    network.set_weights(network.weights() | running)
    expected = (X - np.arange(4)) / np.sqrt(np.arange(1, 5) + 1e-5)
    for batch_size in (1, 2, 4, 9, 16):
        found = network.predict(X, batch_size=batch_size)
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    for name, values in running.items():
        np.testing.assert_array_equal(network.weights()[name], values)


def test_layer_norm_normalises_its_axes(run_layer, device):
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(4, 2, 3, 5))
    for n_axes in (1, 2, 3):
        found = run_layer(LayerNorm(n_axes=n_axes), x, device=device)
        expected = normalised(x, tuple(range(4 - n_axes, 4)))
        np.testing.assert_allclose(found["output"], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mean", [1e3, 1e5])
@pytest.mark.parametrize("layer", [BatchNorm(), LayerNorm(n_axes=3)])
def test_float32_is_as_good_as_its_data_far_from_zero(run_layer, layer, mean):
    # The data themselves are exact; a mean of them is rounded to half a unit in its last place.
    x = np.random.default_rng(0).normal(mean, 1.0, size=(16, 3, 20, 20)).astype(np.float32)
    found = run_layer(layer, x)["output"]
    axes = (0, 2, 3) if isinstance(layer, BatchNorm) else (1, 2, 3)
    assert np.abs(found - normalised(x, axes)).max() < 2 * mean * np.finfo(np.float32).eps


@pytest.mark.parametrize("shape", [(4096, 8), (16, 3, 400), (1, 2, 100_000)])
@pytest.mark.parametrize("mean", [1e3, 1e5, 1e6])
def test_float32_statistics_keep_their_digits_far_from_zero(shape, mean):
    # A plain sum of 1e5 numbers near 1e6 would be off by tens of units in the last place, and the
    # mean of squares less the square of the mean by more than the variance itself.
    x = np.random.default_rng(0).normal(mean, 1.0, size=shape).astype(np.float32)
    x = x.reshape(*shape[:2], -1)
    found = [np.ones(shape[1], np.float32) for _ in range(4)]
    batch_statistics(x, *found, 0.0, 1e-5)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(found[2], exact.mean(axis=(0, 2)), rtol=np.finfo(np.float32).eps)
    np.testing.assert_allclose(found[3], exact.var(axis=(0, 2), ddof=1), rtol=1e-4)


def test_equal_numbers_become_beta(run_layer):
    x = np.full((8, 3), 0.1, np.float32)
    weights = {"beta": [1.0, 2.0, 3.0]}
    for layer in (BatchNorm(), LayerNorm()):
        found = run_layer(layer, x, weights=weights)
        np.testing.assert_allclose(found["output"], np.tile([1.0, 2.0, 3.0], (8, 1)), rtol=1e-6)
        assert np.isfinite(found["grad_input"]).all()


@pytest.mark.parametrize("shape", [(5,), (3, 6), (3, 4, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_equals_pytorchs_over_several_steps(run_layer, shape, dtype):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    x = generator.normal(2.0, 3.0, size=(7, *shape)).astype(dtype)
    weights = {"gamma": generator.normal(size=shape[0]), "beta": generator.normal(size=shape[0])}
    classes = {1: torch.nn.BatchNorm1d, 2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm2d}
    theirs = classes[len(shape)](shape[0], momentum=0.3, dtype=torch.tensor(x).dtype)
    theirs.load_state_dict(
        theirs.state_dict()
        | {"weight": torch.tensor(weights["gamma"]), "bias": torch.tensor(weights["beta"])}
    )
    found = run_layer(
        BatchNorm(momentum=0.7), x, generator.standard_normal, weights=weights, steps=4
    )
    for _ in range(4):
        theirs.zero_grad()
        tensor = torch.tensor(x, requires_grad=True)
        output = theirs(tensor)
        output.backward(torch.tensor(found["grad_output"]))
    expected = {
        "output": output.detach(),
        "grad_input": tensor.grad,
        "grad_gamma": theirs.weight.grad,
        "grad_beta": theirs.bias.grad,
        "running_mean": theirs.running_mean,
        "running_variance": theirs.running_var,
    }
    tolerance = 500 * np.finfo(dtype).eps
    for name, values in expected.items():
        np.testing.assert_allclose(
            found[name], values.numpy(), rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_layer_norm_equals_pytorchs(run_layer, n_axes):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    x = generator.normal(2.0, 3.0, size=(4, 2, 3, 5))
    names = {"gamma": "weight", "beta": "bias"}
    weights = {name: generator.normal(size=x.shape[4 - n_axes :]) for name in names}
    found = run_layer(LayerNorm(n_axes=n_axes), x, generator.standard_normal, weights=weights)
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    tensor = torch.tensor(x, requires_grad=True)
    output = torch.nn.functional.layer_norm(tensor, x.shape[4 - n_axes :], *tensors.values())
    output.backward(torch.tensor(found["grad_output"]))
    expected = {"output": output.detach(), "grad_input": tensor.grad}
    expected |= {f"grad_{name}": one.grad for name, one in tensors.items()}
    for name, values in expected.items():
        np.testing.assert_allclose(
            found[name], values.numpy(), rtol=1e-11, atol=1e-12, err_msg=name
        )


def test_an_empty_batch_has_an_empty_output(device):
    x, ones = np.ones((0, 3, 2)), np.ones(3)
    batch_norm_predict.on(device)(x, ones, ones, ones, ones, np.ones_like(x), 1e-5)
    x, none = np.ones((0, 3)), np.ones(0)
    layer_norm_forward.on(device)(x, none, none, ones, ones, np.ones_like(x), 1e-5)


def data(n_samples):
    X = np.random.default_rng(0).normal(5.0, 3.0, size=(n_samples, 4))
    return X, (X[:, 0] > 5).astype(int)


def test_statistics_of_a_shorter_last_batch_are_of_its_rows_only(device):
    # With a learning rate that changes nothing, the running mean tells which rows were counted.
    X, y = data(7)
    network = Network([BatchNorm(momentum=0.0), layers.Dense(2)], np.float64)
    Trainer(network, epochs=1, batch_size=5, shuffle=False, random_state=0, device=device).fit(X, y)
    running = network.weights()
    np.testing.assert_allclose(running["0.running_mean"], X[5:].mean(axis=0), rtol=1e-12)
    expected = X[5:].var(axis=0, ddof=1)
    np.testing.assert_allclose(running["0.running_variance"], expected, rtol=1e-12)


def test_validation_does_not_move_the_running_statistics():
    X, y = data(20)
    found = []
    for validation in (None, (X[:3] + 100, y[:3])):
        network = Network([BatchNorm(), layers.Dropout(0.2), layers.Dense(2)], np.float64)
        trainer = Trainer(network, epochs=3, batch_size=8, random_state=0)
        trainer.fit(X, y, validation_data=validation)
        found.append(network.weights()["0.running_mean"])
    np.testing.assert_array_equal(*found)


def test_a_batch_of_one_is_refused_in_training_with_the_way_out():
    X, y = data(9)
    network = Network([layers.Dense(3), BatchNorm(), layers.Dense(2)])
    message = r"layer 1 \(BatchNorm\) trains on batches of 2 .* got a batch of 1: choose a batch_s"
    with pytest.raises(ShapeError, match=message):
        Trainer(network, batch_size=4, epochs=1).fit(X, y)
    Trainer(network, batch_size=5, epochs=1, random_state=0).fit(X, y)
    assert network.predict(X[:1]).shape == (1, 2)


def test_one_image_is_a_batch_that_has_a_variance(run_layer):
    x = np.random.default_rng(0).normal(size=(1, 2, 3, 3))
    found = run_layer(BatchNorm(), x)["output"]
    np.testing.assert_allclose(found, normalised(x, (0, 2, 3)), rtol=1e-12)


def test_scale_and_shift_do_not_decay():
    for layer in (BatchNorm(), LayerNorm()):
        assert not any(one.decays for one in layer.parameters((3,)).values())


@pytest.mark.parametrize("layer", [BatchNorm, LayerNorm])
@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), "small"])
def test_epsilon_is_above_zero(layer, epsilon):
    with pytest.raises(ParameterError, match=r"epsilon is a number in \(0, inf\)"):
        layer(epsilon=epsilon)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ParameterError, match=r"momentum is a number in \[0, 1\], got 1.5"):
        BatchNorm(momentum=1.5)
    with pytest.raises(ParameterError, match="n_axes is a whole number of at least 1, got 0"):
        LayerNorm(n_axes=0)
    with pytest.raises(ShapeError, match=r"layer 0 \(LayerNorm, n_axes=3\) expects samples of 3 "):
        Network([LayerNorm(n_axes=3)]).build((4, 5))
