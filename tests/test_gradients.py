"""Gradients of every layer and every loss against central differences, in float64, everywhere.

What is exported and has no example here fails: a new layer brings its own.
"""

import numpy as np
import pytest

import netts
from netts import layers, losses
from netts.layers import (
    ELU,
    GELU,
    Activation,
    Add,
    AveragePool1D,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    Identity,
    Input,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool1D,
    MaxPool2D,
    Multiply,
    RandomBrightness,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomShift,
    ReLU,
    Residual,
    Sigmoid,
    Softmax,
    Swish,
    Tanh,
)
from netts.layers.base import describe
from netts.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    ElementLoss,
    Hinge,
    Huber,
    Loss,
    Poisson,
    Quantile,
    SquaredError,
)
from netts.testing import available_devices, check_layer

CATEGORIES = np.array([[0, 3, 1], [3, 3, 2]])

LAYERS = [
    (Activation("tanh"), 3, {}),
    (Add([[], [Dense(3)]]), 3, {}),
    (Add([[Input("x")], [Input("y"), Tanh()], [Input("x"), Dense(2)]]), {"x": 2, "y": 2}, {}),
    (AveragePool1D(3, stride=2, padding=1, count_include_pad=False), (2, 5), {}),
    (AveragePool2D((1, 2), stride=2), (2, 5, 4), {}),
    (AveragePool2D(3, stride=2, padding=1), (1, 3, 3), {"batch_sizes": (1, 2)}),
    (AveragePool2D(3, stride=2, padding=1, count_include_pad=False), (2, 5, 4), {}),
    (BatchNorm(), 4, {"batch_sizes": (2, 5)}),
    (BatchNorm(momentum=0.5, epsilon=0.1), (2, 2, 3), {}),
    (Concatenate([[], [Dense(2)], [Dense(1)]]), 3, {}),
    (Concatenate([[], [Tanh()]], axis=-2), (2, 3, 2), {}),
    (Concatenate([[Conv2D(2, 2)], [MaxPool2D(2, stride=1)]]), (1, 3, 3), {}),
    (
        Concatenate([[Input("x"), Dense(2)], [Input("k"), Embedding(4, 2), Flatten()]]),
        {"x": 3, "k": 2},
        {"samples": {"k": CATEGORIES}},
    ),
    (Conv1D(2, 3, padding="same", dilation=2, activation="tanh"), (1, 4), {}),
    (Conv1D(4, 2, stride=2, padding=1, groups=2, use_bias=False), (2, 5), {}),
    (Conv2D(1, 1), (1, 1, 1), {"batch_sizes": (1, 2)}),
    (Conv2D(2, 3, padding="same", activation="relu"), (1, 3, 2), {}),
    (Conv2D(2, 2, padding="same", dilation=2, use_bias=False), (1, 3, 3), {}),
    (Conv2D(4, (2, 3), stride=(2, 1), dilation=(1, 2), groups=2), (2, 3, 5), {}),
    (Conv2D(3, 3, stride=2, padding=(1, 2), groups=3, use_bias=False), (3, 3, 2), {}),
    (Dense(3), 4, {}),
    (Dense(1, use_bias=False), 5, {"batch_sizes": (1, 7)}),
    (Dropout(0.0), 4, {}),
    (Dropout(0.4), (2, 3), {}),
    (ELU(), 4, {}),
    (ELU(alpha=0.3), (2, 3), {}),
    (Embedding(4, 3), 3, {"samples": CATEGORIES}),
    (Embedding(5, 1), 1, {"samples": CATEGORIES[:, :1]}),
    (Flatten(), (2, 3, 2), {}),
    (GaussianNoise(0.3), (2, 3, 4), {"batch_sizes": (1, 2)}),
    (GELU(), (2, 3), {}),
    (GlobalAveragePool1D(), (2, 3), {}),
    (GlobalAveragePool2D(), (2, 3, 2), {}),
    (GlobalMaxPool1D(), (2, 3), {}),
    (GlobalMaxPool2D(), (2, 3, 2), {}),
    (Identity(), 3, {}),
    (Input("x"), {"x": (2, 3)}, {}),
    (LayerNorm(), 5, {}),
    (LayerNorm(n_axes=3, epsilon=0.1), (2, 2, 3), {}),
    (LeakyReLU(), 4, {}),
    (LeakyReLU(slope=0.3), (2, 3), {}),
    (MaxPool1D(3, stride=2, padding=1), (2, 6), {}),
    (MaxPool2D(2), (1, 3, 3), {"batch_sizes": (1, 2)}),
    (MaxPool2D((3, 2), stride=1, padding=(1, 0)), (2, 5, 4), {}),
    (Multiply([[Dense(3)], [Dense(3, "sigmoid")]]), 2, {}),
    (Multiply([[], [], [Tanh()]]), (2, 3), {}),
    (RandomBrightness(0.5), (2, 3, 4), {"batch_sizes": (1, 2)}),
    (RandomCrop((2, 3)), (2, 3, 4), {}),
    (RandomCrop(3, padding=1), (2, 3, 4), {"batch_sizes": (1, 2)}),
    (RandomFlip(), (2, 3, 4), {"batch_sizes": (1, 2)}),
    (RandomFlip(horizontal=True, vertical=True), (2, 3, 4), {}),
    (RandomRotation(90), (2, 3, 4), {"batch_sizes": (1, 2)}),
    (RandomShift(1), (2, 3, 4), {"batch_sizes": (1, 2)}),
    (RandomShift((0, 2)), (2, 3, 4), {}),
    (ReLU(), (2, 3), {}),
    (Residual([Dense(4, "tanh"), Dense(3)]), 3, {}),
    (Residual([Residual([Tanh()])], shortcut=[Dense(2)], activation="tanh"), 2, {}),
    (
        Residual([Conv2D(2, 2, stride=2), BatchNorm()], [Conv2D(2, 1, stride=2)], "relu"),
        (1, 4, 4),
        {},
    ),
    (Sigmoid(), (2, 3), {}),
    (Softmax(), 5, {}),
    (Swish(), (2, 3), {}),
    (Tanh(), (2, 3), {}),
]
"""A layer, the shape of its samples, and what else its exam takes."""


@netts.element
def quartic(output, target):
    return (output - target) ** 4 + 0.5 * output * target


@netts.element
def quartic_derivative(output, target):
    return 4.0 * (output - target) ** 3 + 0.5 * target


def quantities(rng, shape):
    return rng.normal(size=shape)


def classes(rng, shape):
    return rng.integers(0, shape[1], (shape[0], 1))


LOSSES = [
    (CrossEntropy(), classes),
    (BinaryCrossEntropy(), lambda rng, shape: rng.integers(0, 2, shape).astype(float)),
    (SquaredError(), quantities),
    (Poisson(), lambda rng, shape: rng.poisson(1.0, shape).astype(float)),
    (AbsoluteError(), quantities),
    (Huber(), quantities),
    (Huber(delta=2.5), quantities),
    (Quantile(), quantities),
    (Quantile(0.9), quantities),
    (Hinge(), classes),
    (ElementLoss(quartic, quartic_derivative), quantities),
]
"""A loss, and targets as its kernels take them."""

NOT_TO_BE_RUN = {Layer, Loss}
"""What others are derived from, or are like."""


@pytest.fixture(params=available_devices())
def device(request):
    return request.param


def exported(module, methods):
    """Return the classes that a package exports, of those that have certain methods."""
    every = (getattr(module, name) for name in module.__all__)
    found = {one for one in every if isinstance(one, type)}
    return {one for one in found if all(hasattr(one, name) for name in methods)} - NOT_TO_BE_RUN


def test_every_exported_layer_and_loss_is_examined():
    methods = ("forward", "backward")
    assert exported(layers, methods) == {type(layer) for layer, _, _ in LAYERS}
    assert exported(losses, methods) == {type(loss) for loss, _ in LOSSES}
    assert set(map(type, losses.LOSSES.values())) == exported(losses, methods) - {ElementLoss}


@pytest.mark.parametrize(
    ("layer", "shape", "options"), LAYERS, ids=[describe(one) for one, _, _ in LAYERS]
)
def test_gradients_of_layers_equal_differences(layer, shape, options, device):
    check_layer(layer, shape, devices=(device,), **({"batch_sizes": (2,)} | options))


@pytest.mark.parametrize(("loss", "targets"), LOSSES, ids=[str(loss) for loss, _ in LOSSES])
@pytest.mark.parametrize("shape", [(1, 2), (7, 4)])
def test_gradients_of_losses_equal_differences(loss, targets, shape, device):
    rng = np.random.default_rng(0)
    assert_gradient(loss, rng.normal(scale=2, size=shape), targets(rng, shape), rng, device)


def test_gradient_of_hinge_with_one_output_equals_differences(device):
    rng = np.random.default_rng(0)
    targets = rng.choice([-1.0, 1.0], (9, 1))
    assert_gradient(Hinge(), rng.normal(scale=2, size=(9, 1)), targets, rng, device)


def test_gradient_of_several_quantiles_equals_differences(device):
    rng, loss = np.random.default_rng(0), Quantile((0.1, 0.5, 0.9))
    targets = loss.targets(rng.normal(size=7), 3, np.float64)
    assert_gradient(loss, rng.normal(scale=2, size=(7, 3)), targets, rng, device)


def assert_gradient(loss, output, targets, rng, device):
    shape, weights = output.shape, rng.uniform(0.5, 2, len(output))

    def costs(moved):
        found = np.empty(len(moved))
        loss.forward(moved, targets, found)
        return found

    measured, found, step = np.empty(shape), np.empty(shape), 1e-6
    with netts.device(device):
        for place in np.ndindex(shape):
            above, below = output.copy(), output.copy()
            above[place] += step
            below[place] -= step
            difference = costs(above) - costs(below)
            measured[place] = np.average(difference, weights=weights) / (2 * step)
        total = np.array([weights.sum()])
        loss.backward(output, targets, costs(output), weights, total, found)
    np.testing.assert_allclose(found, measured, rtol=1e-8, atol=1e-8)
