"""Estimators of any architecture: the results of a Trainer behind scikit-learn's interface."""

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from estimator_cases import (
    CLASSIFICATIONS,
    HIDDEN,
    TASKS,
    data,
    estimator,
    fit,
    network_estimator,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import netts
from netts import Network, NetworkClassifier, NetworkRegressor, Trainer, layers
from netts.errors import BrokenModelError, ParameterError, ShapeError
from netts.layers import Dense
from netts.losses import CrossEntropy, Hinge, SquaredError
from netts.optimizers import SGD, Adam
from netts.schedules import Cosine
from netts.training import EarlyStopping


@pytest.fixture(scope="module")
def images():
    X, y = load_digits(return_X_y=True)
    return (X[:300].reshape(-1, 1, 8, 8) / 16).astype(np.float32), y[:300]


def convolutional(**settings):
    architecture = [layers.Conv2D(6, kernel_size=3, activation="relu"), layers.MaxPool2D(2)]
    return NetworkClassifier(
        architecture, optimizer=Adam(0.01), **{"epochs": 15, "random_state": 0, **settings}
    )


@pytest.mark.parametrize("task", TASKS)
def test_they_predict_what_their_kind_of_target_is(task):
    X, y = data(task)
    model = network_estimator(task).fit(X, y)
    predictions = model.predict(X)
    assert predictions.shape == y.shape
    assert predictions.dtype.kind == ("f" if task not in CLASSIFICATIONS else y.dtype.kind)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.history_) == 15
    assert model.loss_ == model.loss_curve_[-1] < model.loss_curve_[0]
    if task in CLASSIFICATIONS:
        probabilities = model.predict_proba(X)
        assert set(np.ravel(predictions)) <= set(model.classes_) | {0, 1}
        assert probabilities.shape == (len(X), len(model.classes_))
        assert_allclose(model.predict_log_proba(X), np.log(probabilities))
        if task != "multilabel":
            assert_allclose(probabilities.sum(axis=1), 1)
            assert_array_equal(model.classes_[probabilities.argmax(axis=1)], predictions)


def test_a_fit_is_that_of_a_trainer_over_the_same_layers():
    X, y = data("multiclass")
    generator = np.random.RandomState(3)
    model = network_estimator("multiclass", random_state=generator).fit(X, y)
    generator = np.random.RandomState(3)
    network = Network([*HIDDEN, Dense(3)], np.float64).build(3, random_state=generator)
    trainer = Trainer(network, optimizer=Adam(0.01), epochs=15, random_state=generator)
    history = trainer.fit(X, np.unique(y, return_inverse=True)[1])
    assert model.loss_curve_ == history.loss
    assert_array_equal(model.predict_proba(X), trainer.predict(X))


def test_images_go_in_as_they_are_and_are_flattened_before_the_output(images):
    model = convolutional().fit(*images)
    kinds = [type(layer).__name__ for layer in model.network_.layers]
    assert kinds == ["Conv2D", "MaxPool2D", "Flatten", "Dense"]
    assert model.network_.dtype == np.float32
    assert model.score(*images) > 0.8
    assert model.n_features_in_ == 1
    with pytest.raises(ShapeError, match="the network takes X of shape"):
        model.predict(images[0][:, :, :4])


def test_signals_too():
    X = np.random.default_rng(0).normal(size=(40, 2, 9))
    model = NetworkRegressor([layers.Conv1D(3, kernel_size=3)], epochs=2, random_state=0)
    assert model.fit(X, X[:, 0, 0]).predict(X).shape == (40,)


def test_the_output_layer_may_be_ones_own():
    X, y = data("multiclass")
    own = network_estimator("multiclass", layers=[*HIDDEN, Dense(3)], add_output=False).fit(X, y)
    assert_array_equal(
        own.predict_proba(X), network_estimator("multiclass").fit(X, y).predict_proba(X)
    )
    wrong = network_estimator("multiclass", layers=[*HIDDEN, Dense(4)], add_output=False)
    with pytest.raises(ShapeError, match=r"outputs of shape \(4,\), y needs \(3,\): end them"):
        wrong.fit(X, y)
    with pytest.raises(ParameterError, match="leave that layer out, or pass add_output=False"):
        network_estimator("multiclass", layers=[*HIDDEN, Dense(3)]).fit(X, y)


@pytest.mark.parametrize(
    ("task", "loss", "n_outputs"),
    [
        ("binary", "cross_entropy", 2),
        ("binary", "binary_cross_entropy", 1),
        ("binary", Hinge(), 1),
        ("binary", SquaredError(), 1),
        ("multiclass", CrossEntropy(), 3),
        ("multiclass", "hinge", 3),
        ("multiclass", "squared_error", 3),
        ("multilabel", "squared_error", 3),
    ],
)
def test_classes_by_any_loss_that_fits(task, loss, n_outputs):
    X, y = data(task, 60)
    rate = Adam(learning_rate=0.03)
    model = network_estimator(task, layers=[Dense(8, "tanh")], loss=loss, optimizer=rate, epochs=60)
    assert model.fit(X, y).n_outputs_ == n_outputs
    assert np.mean(model.predict(X) == y) > 0.85
    assert hasattr(model, "predict_proba") == ("entropy" in str(loss) or "Entropy" in str(loss))


@pytest.mark.parametrize(
    ("task", "loss"), [("multiclass", "binary_cross_entropy"), ("multilabel", "hinge")]
)
def test_a_loss_that_does_not_fit_the_labels_is_refused(task, loss):
    with pytest.raises(ParameterError, match="leave loss='auto'"):
        network_estimator(task, loss=loss).fit(*data(task))


def test_parameters_of_parameters_are_read_and_set_by_name():
    model = NetworkClassifier(
        [layers.Residual([Dense(4, "relu"), Dense(3)]), Dense(8)], schedule=Cosine()
    )
    deep = model.get_params()
    assert deep["layers__0__layers__1__units"] == 3
    assert deep["layers__1"] == Dense(8)
    assert deep["optimizer__learning_rate"] == 0.001
    before = model.layers
    model.set_params(
        layers__0__layers__0__activation="tanh", layers__1__units=5, optimizer__beta_1=0.5,
        early_stopping=EarlyStopping("loss"), early_stopping__patience=3,
    )  # fmt: skip
    assert model.layers == [layers.Residual([Dense(4, "tanh"), Dense(3)]), Dense(5)]
    assert before[1] == Dense(8)  # what was there has not changed
    assert model.optimizer == Adam(beta_1=0.5)
    assert model.early_stopping == EarlyStopping("loss", patience=3)
    model.set_params(optimizer="sgd", optimizer__learning_rate=0.5)
    assert model.optimizer == SGD(learning_rate=0.5)
    assert not {name for name in model.get_params(deep=False) if "__" in name}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("layers__2__units", "Invalid parameter '2' of layers = .*choose from 0, 1"),
        ("layers__0__unit", "Invalid parameter 'unit' of layers__0 = Dense"),
        ("optimizer__rate", "Invalid parameter 'rate' of optimizer = Adam.*learning_rate"),
        ("loss__delta", "none, it has no parameters"),
        ("layer__0", "Invalid parameter 'layer'"),
    ],
)
def test_a_parameter_that_is_not_there_is_an_error_that_says_what_is(name, message):
    with pytest.raises(ValueError, match=message):
        NetworkClassifier([Dense(2), Dense(3)]).set_params(**{name: 1})


def test_a_value_that_a_layer_cannot_have_is_refused_when_set():
    with pytest.raises(ParameterError, match="units is a whole number of at least 1, got 0"):
        NetworkClassifier([Dense(2)]).set_params(layers__0__units=0)


def test_grid_search_over_layers_and_optimiser():
    X, y = data("binary", 60)
    grid = {"layers__0__units": [2, 7], "optimizer__learning_rate": [1e-5, 0.03]}
    model = network_estimator("binary", layers=[Dense(4, "tanh")], epochs=40)
    search = GridSearchCV(model, grid, cv=3).fit(X, y)
    assert search.best_params_["optimizer__learning_rate"] == 0.03
    assert (
        search.best_estimator_.network_.layers[0].units == search.best_params_["layers__0__units"]
    )
    assert model.layers == [Dense(4, "tanh")]


def test_a_clone_has_learned_nothing_and_trains_alike():
    X, y = data("multiclass")
    model = network_estimator("multiclass").fit(X, y)
    other = clone(model)
    with pytest.raises(NotFittedError):
        other.predict(X)
    assert other.fit(X, y).loss_curve_ == model.loss_curve_


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("way", ["pickle", "deepcopy", "file"])
def test_copies_predict_the_same_bits_and_train_on_alike(task, way, tmp_path):
    X, y = data(task)
    model = network_estimator(task, optimizer=SGD(0.05, momentum=0.9), l2=0.1).fit(X, y)
    if way == "file":
        model.save(tmp_path / "model.netts")
        other = netts.load(tmp_path / "model.netts")
        assert str(other) == str(model)
    else:
        other = copy.deepcopy(model) if way == "deepcopy" else pickle.loads(pickle.dumps(model))
    assert_array_equal(other.predict(X), model.predict(X), strict=True)
    for one in (model, other):
        one.partial_fit(X, y).partial_fit(X[::2], y[::2])
    assert other.loss_curve_ == model.loss_curve_
    assert_array_equal(other.predict(X), model.predict(X), strict=True)


@dataclass(frozen=True)
class Doubled(layers.Layer):
    """A layer of one's own."""

    def passes_through(self, is_training):
        return True


def test_a_file_may_name_layers_of_ones_own(tmp_path):
    X, y = data("regression")
    model = network_estimator("regression", layers=[Doubled(), Dense(4)]).fit(X, y)
    model.save(tmp_path / "model.netts")
    other = netts.load(tmp_path / "model.netts", custom=[Doubled])
    assert_array_equal(other.predict(X), model.predict(X))
    with pytest.raises(LookupError, match="Doubled"):
        netts.load(tmp_path / "model.netts")


def test_weights_of_classes_come_back_from_a_file_whatever_their_labels(tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 2))
    model = network_estimator("binary", class_weight={4: 2.0, 7: 1.0}).fit(X, 4 + 3 * (X[:, 0] > 0))
    model.save(tmp_path / "model.netts")
    assert netts.load(tmp_path / "model.netts").class_weight == {4: 2.0, 7: 1.0}


def test_a_file_that_contradicts_itself_is_refused():
    from netts.estimators.network_saved import describe_network_estimator
    from netts.estimators.network_saving import _check_network

    model = network_estimator("regression").fit(*data("regression"))
    saved = describe_network_estimator(model)
    other = Network([Dense(2)]).build(3)
    with pytest.raises(BrokenModelError, match="outputs"):
        _check_network(other, saved.learned)


def test_going_on_with_other_layers_or_samples_is_refused():
    X, y = data("regression")
    model = network_estimator("regression", warm_start=True).fit(X, y)
    n_before = len(model.loss_curve_)
    with pytest.raises(ParameterError, match="call fit with warm_start=False"):
        model.set_params(layers__0__units=7).fit(X, y)
    model.set_params(layers__0__units=6).fit(X, y)
    assert len(model.loss_curve_) == 2 * n_before
    with pytest.raises(ValueError, match="2 features"):
        model.partial_fit(X[:, :2], y)


def trained_on(model, X, y, n_sessions, *, is_new):
    """Weights and losses after calls on parts, and how many sessions they took."""
    n_before, calls = len(n_sessions), [slice(k, None, 4) for k in range(4)]
    first = {"classes": np.unique(y)} if hasattr(model, "class_weight") else {}
    for part in calls:
        if is_new:  # a copy has nothing that was recorded
            model = pickle.loads(pickle.dumps(model))
        model.partial_fit(X[part], y[part], **first)
        first = {}
    return model.network_.weights(), model.loss_curve_, len(n_sessions) - n_before


@pytest.mark.parametrize("rule", [{"optimizer": SGD(0.005, momentum=0.9), "l1": 0.01}, {}])
@pytest.mark.parametrize("task", TASKS)
def test_partial_fit_records_once_and_has_the_bits_of_new_sessions(task, rule, n_sessions):
    X, y = data(task, 40)
    hidden = [Dense(6), layers.BatchNorm(), layers.Dropout(0.2)]
    found, losses, n_made = trained_on(
        network_estimator(task, layers=hidden, **rule), X, y, n_sessions, is_new=False
    )
    expected, new_losses, n_new = trained_on(
        network_estimator(task, layers=hidden, **rule), X, y, n_sessions, is_new=True
    )
    assert (n_made, n_new) == (1, 4)
    assert losses == new_losses
    for name, array in expected.items():
        assert_array_equal(found[name], array)


def test_partial_fit_on_images_records_once(images, n_sessions):
    X, y = images[0], images[1].astype(str)
    found, losses, n_made = trained_on(convolutional(), X, y, n_sessions, is_new=False)
    expected, new_losses, _ = trained_on(convolutional(), X, y, n_sessions, is_new=True)
    assert n_made == 1
    assert losses == new_losses
    for name, array in expected.items():
        assert_array_equal(found[name], array)


@pytest.mark.parametrize("make", [network_estimator, estimator], ids=["network", "mlp"])
@pytest.mark.parametrize("task", TASKS)
def test_a_warm_start_records_once_and_has_the_bits_of_new_sessions(make, task, n_sessions):
    X, y = data(task, 40)
    model = make(task, warm_start=True, dropout=0.2) if make is estimator else make(task)
    model = fit(model.set_params(warm_start=True), X, y)
    other = pickle.loads(pickle.dumps(model))
    for _ in range(3):
        fit(model, X, y)
    assert len(n_sessions) == 1
    for _ in range(3):
        other = fit(pickle.loads(pickle.dumps(other)), X, y)
    assert len(n_sessions) == 4
    assert model.loss_curve_ == other.loss_curve_
    assert_array_equal(model.predict(X), other.predict(X))


@pytest.mark.parametrize("make", [network_estimator, estimator], ids=["network", "mlp"])
def test_a_warm_start_keeps_no_large_samples_and_none_beside_validation(make, n_sessions):
    X = np.random.default_rng(0).normal(size=(70_000, 16))  # 9 MB
    model = make("regression", warm_start=True, batch_size=200)
    model.set_params(**({"max_iter": 1} if make is estimator else {"epochs": 1}))
    for _ in range(2):
        fit(model, X, X[:, 0])
    assert len(n_sessions) == 2
    for _ in range(2):
        fit(model, X[:200], X[:200, 0], X_val=X[:20], y_val=X[:20, 0])
    assert len(n_sessions) == 4


@pytest.mark.parametrize(
    "change", [{"l2": 0.5}, {"loss": "huber"}, {"batch_size": 7}, {"optimizer": "sgd"}, "fit"]
)
def test_what_changes_between_calls_is_heeded(change, n_sessions):
    X, y = data("regression")
    model = network_estimator("regression", warm_start=False).partial_fit(X, y)
    other = pickle.loads(pickle.dumps(model))
    for one in (model, other):
        if change == "fit":  # from new weights
            one.fit(X, y)
        else:
            one.set_params(**change)
        one.partial_fit(X, y)
    assert len(n_sessions) == (3 if change != "fit" else 5)
    assert model.loss_curve_ == other.loss_curve_
    assert_array_equal(model.predict(X), other.predict(X))


def test_partial_fit_with_another_optimiser_begins_its_memory_anew():
    X, y = data("regression")
    models = [network_estimator("regression").fit(X, y) for _ in range(2)]
    for model in models:
        model.set_params(optimizer="sgd").partial_fit(X, y)
    assert models[0].loss_curve_ == models[1].loss_curve_
    assert np.isfinite(models[0].predict(X)).all()


def test_a_minimiser_takes_all_samples_and_has_no_partial_fit():
    X, y = data("regression")
    smooth = [Dense(4, "tanh")]
    model = network_estimator("regression", layers=smooth, optimizer="lbfgs").fit(X, y)
    assert model.history_.outcome is not None
    assert not hasattr(model, "partial_fit")


def test_early_stopping_holds_out_and_restores():
    X, y = data("binary", 80)
    model = network_estimator(
        "binary", epochs=200, early_stopping=EarlyStopping(patience=2), validation_fraction=0.25,
        optimizer=Adam(0.05),
    ).fit(X, y)  # fmt: skip
    assert model.n_iter_ < 200
    assert model.history_.stopped_by == "early_stopping"
    assert len(model.validation_scores_) == model.n_iter_


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_devices_and_what_was_chosen(device):
    X, y = data("regression")
    model = network_estimator("regression", device=device, epochs=2, n_threads=1).fit(X, y)
    assert (model.device_, model.device_choice_.n_threads) == (device, 1)
    assert model.device_choice_.precision == "float64"
