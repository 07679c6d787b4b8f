"""Parameters that change between `fit` and `partial_fit` are heeded, or refused with a reason."""

import warnings

import numpy as np
import pytest
from estimator_cases import ENGINES, data, estimator, fit, network_estimator
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

import netts
from netts.errors import DeviceError, ParameterError
from netts.layers import Dense
from netts.optimizers import SGD, Adam

KINDS = {"mlp": estimator, "network": network_estimator}


def gone_on(model, X, y, change, calls=2):
    """A model that was fitted, changed and trained on."""
    fit(model, X, y)
    model.set_params(**change)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(calls):
            model.partial_fit(X, y)
    return model


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": 3.0},
        {"batch_size": 7},
        {"activation": "logistic"},
        {"shuffle": False},
        {"tol": 10.0},
        {"learning_rate_init": 0.5},
        {"random_state": 9},
        {"max_iter": 1, "n_iter_no_change": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_an_mlp_goes_on_as_scikit_learns_does(task, change):
    X, y = data(task)
    ours, theirs = (gone_on(estimator(task, engine), X, y, change) for engine in ENGINES)
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-7, atol=1e-12)


def test_the_loss_of_a_regressor_may_change_where_its_outputs_stay_what_they_are():
    X, y = data("counts")
    model = gone_on(estimator("counts"), X, y, {"loss": "squared_error"})
    assert np.isfinite(model.predict(X)).all()
    assert model.n_iter_ == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    [{"class_weight": {"low": 5.0}}, {"n_threads": 1}, {"device": "reference"}],
    ids=str,
)
@pytest.mark.usefixtures("no_device_asked_for")
def test_where_and_with_which_weights_is_heeded(kind, change):
    X, y = data("multiclass")
    model = gone_on(KINDS[kind]("multiclass"), X, y, change)
    plain = gone_on(KINDS[kind]("multiclass"), X, y, {})
    if "class_weight" in change:
        weighted = fit(KINDS[kind]("multiclass"), X, y)
        for _ in range(2):
            weighted.partial_fit(X, y, np.where(y == "low", 5.0, 1.0))
        assert_array_equal(model.predict_proba(X), weighted.predict_proba(X))
        assert (model.predict_proba(X) != plain.predict_proba(X)).any()
    else:
        assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-10)
    if "device" in change:
        assert (model.device_, plain.device_) == ("reference", "cpu")
    if "n_threads" in change:
        assert model.device_choice_.n_threads == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_dtype_that_changes_waits_for_the_next_fit(kind):
    X, y = data("regression")
    model = gone_on(KINDS[kind]("regression", dtype="float32"), X, y, {"dtype": "float64"})
    same = gone_on(KINDS[kind]("regression", dtype="float32"), X, y, {})
    assert model.predict(X).dtype == np.float32
    assert_array_equal(model.predict(X), same.predict(X))
    assert fit(model, X, y).predict(X).dtype == np.float64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_layer_sizes": (5,)}, "go on with layers of"),
        ({"batch_norm": True}, "batch_norm=True is not true"),
        ({"activation": ["relu"]}, "one for each of the 2 hidden layers, got 1"),
        ({"early_stopping": True}, "partial_fit does not support early_stopping"),
        ({"alpha": "much"}, "alpha"),
    ],
)
def test_what_asks_for_another_mlp_is_refused_and_the_model_stays(change, message):
    X, y = data("regression")
    model = fit(estimator("regression"), X, y)
    before, settings = model.predict(X), {name: model.get_params()[name] for name in change}
    if change == {"alpha": "much"}:
        with pytest.raises((ValueError, TypeError)):
            model.set_params(**change).partial_fit(X, y)
    else:
        with pytest.raises(ParameterError, match=message):
            model.set_params(**change).partial_fit(X, y)
    assert_array_equal(model.set_params(**settings).predict(X), before)


def test_another_solver_of_an_mlp_has_no_partial_fit():
    model = fit(estimator("regression"), *data("regression")).set_params(solver="lbfgs")
    assert not hasattr(model, "partial_fit")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": [Dense(3)]}, "go on with .* but layers and y ask for"),
        ({"layers__0__units": 7}, "go on with .* but layers and y ask for"),
        ({"add_output": False}, r"the layers give outputs of shape \(5,\), y needs \(1,\)"),
        ({"validation_fraction": 0.3}, "of which none can be held out"),
        ({"early_stopping": True}, "of which none can be held out"),
        ({"loss": "cross entropy"}, "unknown loss 'cross entropy' .did you mean 'cross_entropy'"),
        ({"optimizer": "adamw2"}, "unknown optimizer 'adamw2' .did you mean 'adamw'"),
        ({"schedule": "sometimes"}, "unknown schedule 'sometimes'; choose from"),
    ],
)
def test_what_asks_for_another_network_is_refused_and_the_model_stays(change, message):
    X, y = data("regression")
    model = network_estimator("regression").fit(X, y)
    before = model.predict(X)
    with pytest.raises((ParameterError, netts.errors.ShapeError), match=message):
        model.set_params(**change).partial_fit(X, y)
    assert_array_equal(model.predict(X), before)


@pytest.mark.usefixtures("no_device_asked_for")
@pytest.mark.parametrize("kind", KINDS)
def test_a_device_that_does_not_exist_is_refused_and_the_model_stays(kind):
    X, y = data("regression")
    model = fit(KINDS[kind]("regression"), X, y)
    before = model.predict(X)
    with pytest.raises(DeviceError, match="there is no device 'abacus'"):
        model.set_params(device="abacus").partial_fit(X, y)
    assert_array_equal(model.set_params(device="cpu").predict(X), before)


def test_the_rate_of_an_optimiser_that_changes_is_that_of_a_new_optimiser():
    X, y = data("regression")
    slow = gone_on(network_estimator("regression"), X, y, {"optimizer": SGD(1e-12)}, calls=3)
    still = network_estimator("regression").fit(X, y)
    assert_allclose(slow.predict(X), still.predict(X), atol=1e-8)
    named = gone_on(network_estimator("regression"), X, y, {"optimizer__learning_rate": 0.2})
    given = gone_on(network_estimator("regression"), X, y, {"optimizer": Adam(0.2)})
    assert_array_equal(named.predict(X), given.predict(X))


def test_an_interrupt_while_the_network_is_made_anew_leaves_no_half_of_it(monkeypatch):
    X, y = data("binary")
    model = fit(estimator("binary"), X, y)
    expected = model.predict_proba(X)
    model.set_params(dropout=0.5)  # another network with the same weights, for the next fit

    def interrupted(network):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("netts.estimators.live._pieces", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.predict_proba(X)
    assert_array_equal(model.predict_proba(X), expected)


REFUSED = {
    "validation data": lambda X: {"X_val": X},
    "weights": lambda X: {"sample_weight": -np.ones(3)},
}


@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_is_refused_leaves_what_was_learned(kind, why):
    X, y = data("multiclass")
    model = KINDS[kind]("multiclass")
    fit(model, X, y)
    names, expected = set(vars(model)), model.predict(X)
    with pytest.raises((ValueError, ParameterError)):
        model.fit(X[:, :2], np.char.add(y, "er"), **REFUSED[why](X))
    assert set(vars(model)) == names
    assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_fit_that_is_refused_leaves_an_estimator_unfitted(kind):
    X, y = data("multiclass")
    model = KINDS[kind]("multiclass")
    with pytest.raises(ParameterError):
        model.fit(X, y, X_val=X)
    with pytest.raises(NotFittedError):
        model.predict(X)
