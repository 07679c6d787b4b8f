"""What MLPs take beyond scikit-learn's: validation data, class weights, normalisation, threads."""

import numpy as np
import pytest
from estimator_cases import CLASSIFICATIONS, TASKS, data, estimator, fit
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils._param_validation import InvalidParameterError
from test_network_estimators import network_estimator

import netts
import netts.layers
from netts.errors import DataError, ParameterError
from netts.training import Callback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

MAKERS = {"MLP": estimator, "Network": network_estimator}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("task", TASKS)
def test_validation_data_are_measured_and_change_nothing(task, make):
    X, y = data(task, 60)
    alone = fit(make(task), X[:40], y[:40])
    watched = fit(make(task), X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert watched.loss_curve_ == alone.loss_curve_
    assert alone.validation_scores_ is None
    assert len(watched.validation_scores_) == watched.n_iter_
    if task in ("binary", "multiclass", "regression", "two outputs"):
        # R^2 of several outputs is measured over all of them at once, where scikit-learn averages.
        close = 1e-9 if task != "two outputs" else 0.3
        assert watched.validation_scores_[-1] == pytest.approx(
            watched.score(X[40:], y[40:]), abs=close
        )


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_weights_of_validation_data_count(make):
    X, y = data("binary", 60)
    weights = np.r_[np.ones(10), np.zeros(10)]
    held = {"X_val": X[40:], "y_val": y[40:], "sample_weight_val": weights}
    weighted = fit(make("binary"), X[:40], y[:40], **held)
    few = fit(make("binary"), X[:40], y[:40], X_val=X[40:50], y_val=y[40:50])
    assert_allclose(weighted.validation_scores_, few.validation_scores_)
    assert_allclose(weighted.history_.validation_loss, few.history_.validation_loss)


def test_early_stopping_watches_the_validation_data_that_are_passed():
    X, y = data("binary", 90)
    model = estimator(
        "binary", early_stopping=True, n_iter_no_change=3, max_iter=300, learning_rate_init=0.02
    )
    fit(model, X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert model.n_iter_ < 300
    assert model.t_ == 60 * model.n_iter_  # nothing was held out
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.score(X[60:], y[60:]) == pytest.approx(model.best_validation_score_)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("task", "held", "message"),
    [
        ("regression", lambda X, y: (X[:, :2], y), "X has 2 features"),
        ("regression", lambda X, y: (X[:-1], y), "y_val has 23 targets for 22 samples"),
        (
            "regression",
            lambda X, y: (X, np.c_[y, y]),
            "y_val has 2 quantities for each sample, y 1",
        ),
        ("regression", lambda X, y: (np.full_like(X, np.nan), y), "cannot be used: Input X"),
        ("regression", lambda X, y: (X, y + np.nan), "cannot be used: Input y_val"),
        ("multiclass", lambda X, y: (X, ["new"] * 23), r"labels that y has not: \['new'\]"),
        ("multiclass", lambda X, y: (X, np.ones((23, 2), int)), "y_val has one label"),
        ("multilabel", lambda X, y: (X, y[:, :2]), "y_val has 2 labels, y 3"),
    ],
)
def test_validation_data_that_do_not_fit_are_refused(task, held, message, make):
    X, y = data(task)
    X_val, y_val = held(X, y)
    model = make(task)
    with pytest.raises(DataError, match=message):
        model.fit(X, y, X_val=X_val, y_val=y_val)
    assert not hasattr(model, "history_")


@pytest.mark.parametrize("name", ["X_val", "y_val"])
def test_validation_data_come_together(name):
    X, y = data("regression")
    with pytest.raises(ParameterError, match=r"pass [Xy]_val too"):
        estimator("regression").fit(X, y, **{name: X if name == "X_val" else y})


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("weights", ["balanced", {"low": 2.0, "top": 0.5}])
def test_class_weights_are_sample_weights(weights, make):
    from sklearn.utils.class_weight import compute_sample_weight

    X, y = data("multiclass")
    by_class = fit(make("multiclass", class_weight=weights), X, y)
    by_sample = fit(make("multiclass"), X, y, compute_sample_weight(weights, y))
    assert by_class.loss_curve_ == by_sample.loss_curve_
    assert_array_equal(by_class.predict_proba(X), by_sample.predict_proba(X))
    own = np.linspace(1, 2, len(X))
    both = fit(make("multiclass", class_weight=weights), X, y, own)
    assert (
        both.loss_curve_
        == fit(make("multiclass"), X, y, own * compute_sample_weight(weights, y)).loss_curve_
    )


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_class_weights_that_cannot_be(make):
    X, y = data("multiclass")
    with pytest.raises(ParameterError, match=r"weights for \['tpo'\], no classes of y: it has"):
        make("multiclass", class_weight={"tpo": 2.0}).fit(X, y)
    with pytest.raises(InvalidParameterError, match="class_weight"):
        make("multiclass", class_weight="even").fit(X, y)
    with pytest.raises(ParameterError, match="of which partial_fit sees a part"):
        make("multiclass", class_weight="balanced").partial_fit(X, y, classes=np.unique(y))


def test_an_activation_for_each_layer():
    X, y = data("regression")
    model = fit(estimator("regression", activation=["tanh", "relu"]), X, y)
    kinds = [type(layer).__name__ for layer in model._network().layers]
    assert kinds == ["Dense", "Tanh", "Dense", "ReLU", "Dense"]
    same = fit(estimator("regression", activation=("relu", "relu")), X, y)
    assert_array_equal(same.predict(X), fit(estimator("regression"), X, y).predict(X))
    with pytest.raises(ParameterError, match="one for each of the 2 hidden layers, got 1"):
        estimator("regression", activation=["tanh"]).fit(X, y)
    with pytest.raises(ParameterError, match=r"unknown activation 'tahn' .did you mean 'tanh'"):
        estimator("regression", activation=["tahn", "relu"]).fit(X, y)


@pytest.mark.parametrize("task", CLASSIFICATIONS)
def test_batch_normalisation_is_kept_copied_and_trained_on(task, tmp_path):
    X, y = data(task, 40)
    model = fit(estimator(task, batch_norm=True), X, y)
    assert [norm["gamma"].shape for norm in model.norms_] == [(5,), (4,)]
    assert (model.norms_[0]["running_mean"] != 0).all()
    model.save(tmp_path / "model.netts")
    other = netts.load(tmp_path / "model.netts")
    assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    for one in (model, other):
        one.partial_fit(X, y)
    assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    model.norms_[0]["beta"][:] += 1
    assert (other.predict_proba(X) != model.predict_proba(X)).any()
    with pytest.raises(ParameterError, match="batch_norm=False is not true"):
        model.set_params(batch_norm=False).partial_fit(X, y)
    with pytest.raises(ParameterError, match="solver='lbfgs' looks at weights"):
        estimator(task, batch_norm=True, solver="lbfgs").fit(X, y)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_threads_are_limited(make):
    X, y = data("regression")
    assert fit(make("regression", n_threads=1), X, y).device_choice_.n_threads == 1
    with pytest.raises(InvalidParameterError, match="n_threads"):
        make("regression", n_threads=0).fit(X, y)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "flaot32"}, "dtype is None, 'float32' or 'float64', got 'flaot32'"),
        ({"dtype": "float16"}, "got 'float16'"),
        ({"device": "cuda:7"}, "cuda:7"),
        ({"device": "gpu"}, "there is no device 'gpu'"),
        ({"precision": "half"}, "precision"),
        ({"callbacks": [Callback]}, "a callback is an object"),
    ],
)
def test_settings_that_cannot_be_say_so_and_nothing_is_learned(settings, message, make, no_gpu):
    X, y = data("regression")
    model = make("regression", **settings)
    with pytest.raises((ValueError, RuntimeError), match=message):
        model.fit(X, y)
    assert not hasattr(model, "history_")


def test_layers_that_do_not_fit_name_the_layer():
    X, y = data("regression")
    model = network_estimator("regression", layers=[netts.layers.Conv2D(2, kernel_size=3)])
    with pytest.raises(ValueError, match=r"layer 0 \(Conv2D"):
        model.fit(X, y)
    with pytest.raises(InvalidParameterError, match="layers"):
        network_estimator("regression", layers="dense").fit(X, y)


class Failing(Callback):
    def on_epoch_end(self, trainer, history):
        if len(history) == 3:
            raise LookupError("of the user's own")


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_callback_that_raises_ends_the_fit_and_the_last_epoch_stays(make):
    X, y = data("regression")
    model = make("regression", callbacks=[Failing()])
    with pytest.raises(LookupError, match="of the user's own"):
        model.fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    cut = {"max_iter": 3} if make is estimator else {"epochs": 3}
    assert_array_equal(model.predict(X), fit(make("regression", **cut), X, y).predict(X))


@pytest.mark.parametrize("name", ["hidden_layer_sizes", "batch_norm"])
def test_parameters_changed_between_fit_and_partial_fit(name):
    X, y = data("regression")
    model = fit(estimator("regression"), X, y)
    other = {"hidden_layer_sizes": (9,), "batch_norm": True}[name]
    with pytest.raises(ParameterError, match="call fit with warm_start=False"):
        model.set_params(**{name: other}).partial_fit(X, y)
