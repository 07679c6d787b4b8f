"""What cannot be trained on or predicted is refused, and what was learned before stays."""

import copy
import signal

import estimator_cases
import numpy as np
import pytest
from estimator_cases import TASKS, data, estimator, fit, network_estimator
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import netts
from netts import layers
from netts.errors import (
    DataError,
    DeviceError,
    DivergenceError,
    InterruptedFitWarning,
    ParameterError,
    ShapeError,
)
from netts.layers import Dense
from netts.training import Callback


@pytest.fixture
def fitted():
    return fit(estimator("multiclass"), *data("multiclass"))


@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "predict_proba", "score"])
@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "Input X contains NaN"), (np.inf, "Input X contains infinity")]
)
def test_values_that_are_not_finite(fitted, method, value, message):
    X, y = data("multiclass")
    before = fitted.predict(X)
    bad = X.copy()
    bad[3, 1] = value
    with pytest.raises(ValueError, match=message):
        getattr(fitted, method)(*((bad,) if method.startswith("predict") else (bad, y)))
    assert_array_equal(fitted.predict(X), before)


def test_values_too_large_for_float32():
    X, y = data("regression")
    X[0, 0] = 1e300
    expected = pytest.raises(ValueError, match=r"too large for dtype..float32")
    with np.errstate(over="ignore"), expected:
        estimator("regression", dtype="float32").fit(X, y)


@pytest.mark.parametrize("method", ["partial_fit", "predict", "predict_log_proba", "score"])
def test_another_number_of_features(fitted, method):
    X, y = data("multiclass")
    message = "X has 2 features, but MLPClassifier is expecting 3 features as input"
    with pytest.raises(ValueError, match=message):
        getattr(fitted, method)(*((X[:, :2],) if method.startswith("predict") else (X[:, :2], y)))


def test_labels_never_seen_in_partial_fit(fitted):
    X, y = data("multiclass")
    y = y.astype(object)
    y[0] = "new"
    with pytest.raises(DataError, match=r"`y` has classes not in `self.classes_`.*new"):
        fitted.partial_fit(X, y)


def test_labels_never_seen_count_as_wrong_in_score(fitted):
    X, _ = data("multiclass")
    y = fitted.predict(X).astype(object)
    y[:3] = "new"
    assert fitted.score(X, y) == pytest.approx(1 - 3 / len(y))


def test_other_labels_in_a_warm_start(fitted):
    X, y = data("multiclass")
    fitted.set_params(warm_start=True)
    with pytest.raises(DataError, match="same classes as in the previous call to fit"):
        fitted.fit(X, np.where(y == "low", "new", y))


def test_the_first_partial_fit_needs_the_classes():
    X, y = data("multiclass")
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        estimator("multiclass").partial_fit(X, y)
    model = estimator("multiclass").partial_fit(X, y, classes=np.unique(y))
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, y, classes=["low", "mid"])


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_empty_data(task):
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        estimator(task).fit(np.empty((0, 3)), np.empty(0))
    with pytest.raises(ValueError, match=r"Found array with 0 feature\(s\)"):
        estimator(task).fit(np.empty((4, 0)), [0, 1, 0, 1])


def test_lengths_that_differ():
    X, y = data("regression")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator("regression").fit(X, y[:-1])


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_prediction_before_fit(task):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        estimator(task).predict(np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("task", "y", "message"),
    [
        ("regression", np.nan, "Input y contains NaN"),
        ("counts", -1.0, r"poisson expects y of at least 0, got \[-1\.\] in row 2"),
        ("binary", 0.5, "Unknown label type: continuous. Maybe you are trying to fit a classifier"),
    ],
)
def test_targets_without_a_meaning(task, y, message):
    X, targets = data(task)
    targets = targets.astype(float) if task != "binary" else np.arange(len(X)) / 2
    targets[2] = y
    with pytest.raises(ValueError, match=message):
        estimator(task).fit(X, targets)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(3), r"sample_weight.shape == \(3,\), expected \(23,\)"),
        (np.full(23, -1.0), "sample_weight is not negative, got -1"),
        (np.zeros(23), "Sample weights must contain at least one non-zero number"),
        (np.full(23, np.nan), "sample_weight contains NaN"),
    ],
)
def test_weights_without_a_meaning(weight, message):
    with pytest.raises(ValueError, match=message):
        estimator("regression").fit(*data("regression"), weight)


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_layer_sizes": -1},
        {"hidden_layer_sizes": "ten"},
        {"activation": "gelu"},
        {"solver": "rmsprop"},
        {"alpha": -1},
        {"batch_size": 0},
        {"learning_rate": 0.1},
        {"learning_rate_init": 0},
        {"power_t": -1},
        {"max_iter": 0},
        {"shuffle": "no"},
        {"random_state": "seed"},
        {"tol": -1},
        {"verbose": "loud"},
        {"warm_start": "yes"},
        {"momentum": 1.1},
        {"nesterovs_momentum": "yes"},
        {"early_stopping": "yes"},
        {"validation_fraction": 1},
        {"beta_1": 1},
        {"beta_2": -0.1},
        {"epsilon": 0},
        {"n_iter_no_change": 0},
        {"max_fun": 0},
        {"device": 0},
        {"dropout": 1},
        {"callbacks": Callback()},
    ],
)
def test_every_parameter_is_checked(settings):
    (name,) = settings
    model = estimator("multiclass").set_params(**settings)
    with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPClassifier must be"):
        model.fit(*data("multiclass"))


def test_an_unknown_loss():
    with pytest.raises(ValueError, match="The 'loss' parameter of MLPRegressor must be"):
        estimator("regression", loss="absolute_error").fit(*data("regression"))


both = pytest.mark.parametrize("make", [estimator, network_estimator], ids=["mlp", "network"])


@pytest.mark.parametrize("dtype", ["float16", int, "double trouble", 3])
@both
def test_dtypes_other_than_two(make, dtype):
    with pytest.raises(ParameterError, match="dtype is None, 'float32' or 'float64', got"):
        make("regression", dtype=dtype).fit(*data("regression"))


@both
def test_a_device_that_does_not_exist(make):
    with pytest.raises(DeviceError, match=r"there is no device 'abacus'.*; choose one of 'auto'"):
        make("regression", device="abacus").fit(*data("regression"))


@pytest.mark.parametrize("bad", [Callback, None, "progress", print])
@both
def test_callbacks_that_are_none(make, bad):
    with pytest.raises(ParameterError, match="a callback is an object whose class is derived from"):
        make("regression", callbacks=[bad]).fit(*data("regression"))


class Failing(Callback):
    """Raises at an event, behind the second epoch where there are several."""

    def __init__(self, event):
        self.event = event

    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "event"):
            return self.fail
        return object.__getattribute__(self, name)

    def fail(self, trainer, history=None):
        if history is None or len(history) == 2:
            raise LookupError("of the user's own")


@pytest.mark.parametrize(
    ("event", "n_epochs"),
    [("on_fit_begin", 0), ("on_epoch_begin", 2), ("on_epoch_end", 2), ("on_best", 2)],
)
@both
def test_an_error_in_a_callback_is_the_users_own_and_the_last_epoch_stays(make, event, n_epochs):
    X, y = data("regression")
    model = make("regression", callbacks=[Failing(event)])
    with pytest.raises(LookupError, match="of the user's own"):
        model.fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == n_epochs
    if n_epochs:
        name = "max_iter" if hasattr(model, "max_iter") else "epochs"
        short = fit(make("regression", **{name: n_epochs}), X, y)
        assert model.loss_curve_ == short.loss_curve_
        assert_array_equal(model.predict(X), short.predict(X))
    else:
        assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([layers.Conv2D(2, 3)], "Conv2D"),
        ([Dense(4), layers.MaxPool2D(2)], "MaxPool2D"),
        ([Dense(4), 7], "7"),
        ([layers.Residual([Dense(4)])], "Residual"),
    ],
)
def test_layers_that_fit_neither_the_samples_nor_each_other(wrong, message):
    with pytest.raises((ShapeError, ParameterError), match=message):
        network_estimator("regression", layers=wrong).fit(*data("regression"))


def test_hidden_layers_without_units():
    with pytest.raises(ParameterError, match=r"hidden_layer_sizes must be > 0, got \[3, 0\]"):
        estimator("regression", hidden_layer_sizes=(3, 0)).fit(*data("regression"))


@pytest.mark.parametrize("sizes", [(10.5,), ["ten"], [[3, 4]]])
def test_hidden_layers_of_something_else(sizes):
    with pytest.raises(ParameterError, match="hidden_layer_sizes must be whole numbers, got"):
        estimator("regression", hidden_layer_sizes=sizes).fit(*data("regression"))


def test_lbfgs_with_dropout_is_refused_with_the_way_out():
    model = estimator("regression", solver="lbfgs", dropout=0.5)
    with pytest.raises(ParameterError, match="dropout makes it random: set dropout=0, or choose"):
        model.fit(*data("regression"))


def test_partial_fit_with_early_stopping():
    with pytest.raises(ParameterError, match="partial_fit does not support early_stopping=True"):
        estimator("regression", early_stopping=True).partial_fit(*data("regression"))


def test_too_few_samples_to_validate_with():
    model = estimator("regression", early_stopping=True, validation_fraction=0.01)
    with pytest.raises(ValueError, match="The validation set is too small"):
        model.fit(*data("regression"))


def test_a_batch_larger_than_the_data_is_clipped():
    X, y = data("regression")
    model, whole = estimator("regression", batch_size=24), estimator("regression")
    expected = r"larger than sample size\. It is going to be clipped"
    with pytest.warns(UserWarning, match=expected) as caught:
        fit(model, X, y)
    assert caught[0].filename == estimator_cases.__file__
    assert model.loss_curve_ == fit(whole, X, y).loss_curve_


def test_epochs_that_were_not_enough():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(20\) reached") as caught:
        estimator("regression").fit(*data("regression"))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
def test_going_on_with_other_layers(fitted, how):
    X, y = data("multiclass")
    fitted.set_params(hidden_layer_sizes=(7,), warm_start=how == "warm_start")
    message = r"go on with layers of \[3, 5, 4, 3\] units, but .* ask for \[3, 7, 3\]"
    with pytest.raises(ParameterError, match=message):
        (fitted.fit if how == "warm_start" else fitted.partial_fit)(X, y)


def test_what_the_next_fit_would_have_does_not_change_what_was_learned(fitted):
    X, _ = data("multiclass")
    expected = fitted.predict_proba(X)
    for sizes in ((7,), (5, 4, 3), {"items": [5, 4]}, [0]):
        fitted.set_params(hidden_layer_sizes=sizes)
        assert_array_equal(fitted.predict_proba(X), expected)


def test_another_solver_in_partial_fit_begins_with_an_optimiser_of_its_own(fitted):
    X, y = data("multiclass")
    fitted.set_params(solver="sgd", momentum=0).partial_fit(X, y)
    fitted.set_params(solver="adam").partial_fit(X, y)
    assert len(fitted.loss_curve_) == 22


def test_a_partial_fit_that_is_refused_changes_nothing(fitted):
    X, y = data("multiclass")
    other = copy.deepcopy(fitted)
    with pytest.raises(DataError, match="not negative"):
        fitted.partial_fit(X, y, np.full(len(y), -1.0))
    assert fitted.n_iter_ == 20
    assert fitted.partial_fit(X, y).loss_curve_ == other.partial_fit(X, y).loss_curve_
    assert_array_equal(fitted.predict_proba(X), other.predict_proba(X))


class Interrupt(Callback):
    """Ctrl-C after some epochs."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, trainer, history):
        if len(history) == self.epochs:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("task", TASKS)
def test_ctrl_c_keeps_the_last_finished_epoch(task):
    X, y = data(task)
    model = estimator(task, callbacks=[Interrupt(3)], batch_size=5)
    with pytest.warns(InterruptedFitWarning, match="has the weights of epoch 3 of 20"):
        model.fit(X, y)
    short = fit(estimator(task, max_iter=3, batch_size=5), X, y)
    assert (model.n_iter_, model.t_, model.history_.stopped_by) == (3, short.t_, "interrupt")
    assert model.loss_curve_ == short.loss_curve_
    assert_array_equal(model.predict(X), short.predict(X))


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_loss_that_is_no_longer_finite(device):
    X, y = data("regression")
    model = estimator(
        "regression", solver="sgd", learning_rate_init=1e3, alpha=0, device=device, max_iter=1000
    )
    message = "the loss became .* in epoch .* try a smaller one.*scale the columns of X"
    with np.errstate(all="ignore"), pytest.raises(DivergenceError, match=message):
        model.fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert len(model.loss_curve_) == model.n_iter_


def test_a_fit_that_fails_at_the_door_leaves_the_model_as_it_was(fitted):
    X, y = data("multiclass")
    before = fitted.predict_proba(X)
    for bad in (
        {"solver": "lbfgs", "dropout": 0.5},
        {"dtype": "int8"},
        {"device": "abacus"},
        {"alpha": -1},
    ):
        with pytest.raises((ValueError, netts.errors.NettsError)):
            fitted.set_params(**bad).fit(X, y)
        fitted.set_params(solver="adam", dropout=0.0, dtype=None, device="auto", alpha=0.1)
        assert_array_equal(fitted.predict_proba(X), before)
