"""Step for step the same as scikit-learn's MLP: copied weights, no shuffling, float64."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from netts import Network, Trainer, layers
from netts.optimizers import SGD, Adam
from netts.schedules import Adaptive, InverseScaling
from netts.training import EarlyStopping

EPOCHS, N_SAMPLES, N_FEATURES, HIDDEN = 20, 23, 3, (5, 4)
TOLERANCE = 1e-9

OPTIMIZERS = {
    "sgd": (
        SGD(0.1, momentum=0.0),
        {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0},
    ),
    "momentum": (
        SGD(0.05, momentum=0.8, nesterov=False),
        {
            "solver": "sgd",
            "learning_rate_init": 0.05,
            "momentum": 0.8,
            "nesterovs_momentum": False,
        },
    ),
    "nesterov": (
        SGD(0.05, momentum=0.8),
        {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.8},
    ),
    "adam": (
        Adam(0.01, epsilon_hat=True),
        {"solver": "adam", "learning_rate_init": 0.01},
    ),
    "adam with other constants": (
        Adam(0.02, beta_1=0.5, beta_2=0.9, epsilon=1e-3, epsilon_hat=True),
        {
            "solver": "adam",
            "learning_rate_init": 0.02,
            "beta_1": 0.5,
            "beta_2": 0.9,
            "epsilon": 1e-3,
        },
    ),
}
BATCHES = {"full batch": N_SAMPLES, "mini-batch, last one short": 5}
TASKS = ("multiclass", "binary", "regression")


def data(task):
    generator = np.random.default_rng(7)
    X = generator.normal(size=(N_SAMPLES, N_FEATURES))
    signal = X @ generator.normal(size=N_FEATURES)
    if task == "multiclass":
        return X, np.digitize(signal, np.quantile(signal, [0.3, 0.7]))
    if task == "binary":
        return X, (signal > 0).astype(int)
    if task == "two outputs":
        return X, np.column_stack([signal, X[:, 0] ** 2])
    return X, signal


def ours(task, activation="tanh", **settings):
    """A built network and its trainer."""
    outputs, loss = {
        "multiclass": (3, "cross_entropy"),
        "binary": (1, "binary_cross_entropy"),
        "regression": (1, "squared_error"),
        "two outputs": (2, "squared_error"),
    }[task]
    hidden = [layers.Dense(units, activation) for units in HIDDEN]
    network = Network([*hidden, layers.Dense(outputs)], np.float64)
    network.build(N_FEATURES, random_state=3)
    return Trainer(network, loss=loss, shuffle=False, **{"epochs": EPOCHS, **settings})


def theirs(task, network, **settings):
    """scikit-learn's estimator, which starts from the network's weights."""
    weights = network.weights()
    names = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
    pairs = [(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in names]

    class Copied(MLPRegressor if task in ("regression", "two outputs") else MLPClassifier):
        def __init__(self, **parameters):
            super().__init__(**parameters)
            self.pairs = iter(pairs)

        def _init_coef(self, fan_in, fan_out, dtype):
            weight, bias = next(self.pairs)
            assert weight.shape == (fan_in, fan_out)
            return weight.copy(), bias.copy()

    defaults = {"tol": 0, "n_iter_no_change": 1000, "max_iter": EPOCHS}
    return Copied(hidden_layer_sizes=HIDDEN, shuffle=False, **{**defaults, **settings})


def fit_theirs(model, *arguments, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*arguments, **keywords)


def assert_same_weights(network, model):
    arrays = list(network.weights().values())
    for found, right in zip(arrays[::2], model.coefs_, strict=True):
        np.testing.assert_allclose(found, right, rtol=0, atol=TOLERANCE)
    for found, right in zip(arrays[1::2], model.intercepts_, strict=True):
        np.testing.assert_allclose(found, right, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_loss_curve_equals_sklearn(task, optimizer, batch, device):
    X, y = data(task)
    rule, settings = OPTIMIZERS[optimizer]
    trainer = ours(task, optimizer=rule, l2=0.3, batch_size=BATCHES[batch], device=device)
    model = theirs(
        task, trainer.network, activation="tanh", alpha=0.3, batch_size=BATCHES[batch], **settings
    )
    history = trainer.fit(X, y)
    fit_theirs(model, X, y)
    np.testing.assert_allclose(history.loss, model.loss_curve_, rtol=0, atol=TOLERANCE)
    assert_same_weights(trainer.network, model)


@pytest.mark.parametrize(
    ("activation", "name"), [("relu",) * 2, ("sigmoid", "logistic"), ("identity",) * 2]
)
def test_activations_equal_sklearn(activation, name, device):
    X, y = data("multiclass")
    trainer = ours("multiclass", activation, optimizer=Adam(0.01, epsilon_hat=True), device=device)
    model = theirs("multiclass", trainer.network, activation=name, learning_rate_init=0.01, alpha=0)
    history = trainer.fit(X, y)
    fit_theirs(model, X, y)
    np.testing.assert_allclose(history.loss, model.loss_curve_, rtol=0, atol=TOLERANCE)


def test_several_outputs_train_alike_and_sklearn_reports_the_mean(device):
    X, y = data("two outputs")
    trainer = ours("two outputs", optimizer=SGD(0.01), batch_size=5, device=device)
    model = theirs(
        "two outputs", trainer.network, activation="tanh", solver="sgd", learning_rate_init=0.01,
        alpha=0, batch_size=5,
    )  # fmt: skip
    history = trainer.fit(X, y)
    fit_theirs(model, X, y)
    np.testing.assert_allclose(np.array(history.loss) / 2, model.loss_curve_, rtol=0, atol=1e-9)
    assert_same_weights(trainer.network, model)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("batch", BATCHES)
def test_sample_weights_train_as_in_sklearn(task, batch, device):
    X, y = data(task)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, N_SAMPLES)
    size = BATCHES[batch]
    trainer = ours(task, optimizer=SGD(0.05), l2=0.2, batch_size=size, device=device)
    model = theirs(
        task, trainer.network, activation="tanh", solver="sgd", learning_rate_init=0.05, alpha=0.2,
        batch_size=size,
    )  # fmt: skip
    history = trainer.fit(X, y, weight)
    fit_theirs(model, X, y, sample_weight=weight)
    assert_same_weights(trainer.network, model)
    if size == N_SAMPLES:
        np.testing.assert_allclose(history.loss, model.loss_curve_, rtol=0, atol=TOLERANCE)


def test_inverse_scaling_equals_sklearn(device):
    X, y = data("multiclass")
    trainer = ours(
        "multiclass", optimizer=SGD(0.2), schedule=InverseScaling(0.3), batch_size=5, device=device
    )
    model = theirs(
        "multiclass", trainer.network, activation="tanh", solver="sgd", learning_rate_init=0.2,
        alpha=0, batch_size=5, learning_rate="invscaling", power_t=0.3,
    )  # fmt: skip
    history = trainer.fit(X, y)
    fit_theirs(model, X, y)
    np.testing.assert_allclose(history.loss, model.loss_curve_, rtol=0, atol=TOLERANCE)
    assert history.learning_rate[1] == 0.2 / (N_SAMPLES + 1) ** 0.3


@pytest.mark.parametrize("schedule", ["constant", "adaptive"])
def test_plateaus_end_training_as_in_sklearn(schedule):
    X, y = data("multiclass")
    trainer = ours(
        "multiclass", optimizer=SGD(0.5), batch_size=N_SAMPLES, epochs=300, device="cpu",
        schedule=Adaptive() if schedule == "adaptive" else "constant",
        early_stopping=EarlyStopping("loss", patience=3, min_delta=1e-2, restore_best=False),
    )  # fmt: skip
    model = theirs(
        "multiclass", trainer.network, activation="tanh", solver="sgd", learning_rate_init=0.5,
        alpha=0, batch_size=N_SAMPLES, learning_rate=schedule, max_iter=300, n_iter_no_change=3,
        tol=1e-2,
    )  # fmt: skip
    history = trainer.fit(X, y)
    fit_theirs(model, X, y)
    assert history.stopped_by == "early_stopping"
    assert len(history) == model.n_iter_ < 300
    np.testing.assert_allclose(history.loss, model.loss_curve_, rtol=0, atol=TOLERANCE)
