"""A loss, an optimiser and a layer that a user writes train like netts's own."""

from dataclasses import dataclass

import numpy as np
import pytest

from netts import Network, Trainer, accelerate, layers, parallel
from netts.errors import ParameterError
from netts.losses import ElementLoss, Loss, SquaredError
from netts.optimizers import SGD


@accelerate
def absolute_error_forward(output, targets, losses):
    for i in parallel(output.shape[0]):
        losses[i] = abs(output[i, 0] - targets[i, 0])


@accelerate
def absolute_error_backward(output, targets, weights, weight_sum, grad_output):
    for i in parallel(output.shape[0]):
        sign = 1.0 if output[i, 0] > targets[i, 0] else -1.0
        grad_output[i, 0] = sign * weights[i] / weight_sum[0]


@dataclass(frozen=True)
class AbsoluteError(Loss):
    def targets(self, y, n_outputs, dtype):
        return np.ascontiguousarray(y.reshape(-1, 1), dtype)

    def forward(self, output, targets, losses):
        absolute_error_forward(output, targets, losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        absolute_error_backward(output, targets, weights, weight_sum, grad_output)

    def predict(self, output, prediction):
        SquaredError().predict(output, prediction)

    def score(self, output, targets, weights):
        return -float(np.abs(output - targets).mean())


@accelerate
def descend(parameters, gradients, learning_rate):
    for i in parallel(parameters.shape[0]):
        parameters[i] -= learning_rate[0] * gradients[i]


@dataclass(frozen=True)
class Descent:
    learning_rate: float = 0.1
    state_names: tuple = ()
    weight_decay: float = 0.0

    def update(self, at):
        descend(at.parameters, at.gradients, at.learning_rate)


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(30, 3))
    return X, X @ [1.0, -2.0, 0.5]


def fitted(data, **settings):
    network = Network([layers.Dense(1)], np.float64).build(3, random_state=0)
    trainer = Trainer(network, **{"batch_size": 7, "random_state": 0, "epochs": 30} | settings)
    return trainer, trainer.fit(*data)


def test_a_loss_of_ones_own_trains_validates_and_predicts(data, device):
    trainer, history = fitted(
        data, loss=AbsoluteError(), optimizer=Descent(), validation_fraction=0.2, device=device
    )
    assert history.loss[-1] < 0.1 < history.loss[0]
    assert history.validation_score[-1] == pytest.approx(-history.validation_loss[-1])
    outputs = trainer.network.predict(data[0], device=device)
    np.testing.assert_array_equal(trainer.predict(data[0]), outputs)


def half_square(output, target):
    return 0.5 * (output - target) ** 2


def half_square_derivative(output, target):
    return output - target


def twice_the_derivative(output, target):
    return 2.0 * (output - target)


def test_a_loss_of_two_functions_equals_netts(data, device):
    settings = {"epochs": 5, "device": device, "validation_fraction": 0.2}
    loss = ElementLoss(half_square, half_square_derivative)
    mine, history = fitted(data, loss=loss, **settings)
    theirs, expected = fitted(data, loss="squared_error", **settings)
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-12)
    np.testing.assert_allclose(mine.predict(data[0]), theirs.predict(data[0]), rtol=1e-12)


def test_a_wrong_derivative_is_refused_before_anything_changes(data):
    loss = ElementLoss(half_square, twice_the_derivative)
    with pytest.raises(ParameterError, match=r"but half_square changes there by"):
        fitted(data, loss=loss)


def test_an_optimiser_of_ones_own_equals_netts(data, device):
    settings = {"loss": "squared_error", "epochs": 5, "device": device}
    mine, history = fitted(data, optimizer=Descent(), **settings)
    theirs, expected = fitted(data, optimizer=SGD(0.1, momentum=0.0), **settings)
    assert history.loss == expected.loss
    np.testing.assert_array_equal(mine.predict(data[0]), theirs.predict(data[0]))
