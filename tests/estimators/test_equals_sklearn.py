"""Equal settings and seeds give scikit-learn's weights, losses, stops and lines, to 1e-9."""

import warnings

import numpy as np
import pytest
import sklearn.utils
from estimator_cases import CLASSIFICATIONS, ENGINES, N_SAMPLES, TASKS, data, estimator, fit
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from netts.errors import OneClassWarning
from netts.estimators.protocol import EpochOrder

SOLVERS = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0},
    "momentum": {
        "solver": "sgd",
        "learning_rate_init": 0.05,
        "momentum": 0.8,
        "nesterovs_momentum": False,
    },
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.05},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "adam with other constants": {
        "solver": "adam",
        "learning_rate_init": 0.02,
        "beta_1": 0.5,
        "beta_2": 0.9,
        "epsilon": 1e-3,
    },
}
BATCHES = {"full batch": "auto", "mini-batch, last one short": 5}


def pair(task, **settings):
    """The estimators of both engines."""
    return [estimator(task, engine, **settings) for engine in ENGINES]


def assert_equal_fits(ours, theirs, X):
    """Compare everything that a fit leaves."""
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=0, atol=1e-9)
    found, expected = ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert_allclose(one, other, rtol=0, atol=1e-9)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("loss_", "best_loss_", "best_validation_score_"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-9), name
    if theirs.validation_scores_ is None:
        assert ours.validation_scores_ is None
    else:
        assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=0, atol=1e-9)
    assert_equal_predictions(ours, theirs, X)


def assert_equal_predictions(ours, theirs, X):
    found, expected = ours.predict(X), theirs.predict(X)
    assert found.dtype == expected.dtype
    if not hasattr(theirs, "predict_proba"):
        assert_allclose(found, expected, rtol=0, atol=1e-9)
        return
    assert_array_equal(found, expected)
    expected = theirs.predict_proba(X)
    for found in ours.predict_proba(X), np.exp(ours.predict_log_proba(X)):
        assert found.dtype == expected.dtype
        assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_and_batch_size(task, solver, batch):
    X, y = data(task)
    models = pair(task, activation="tanh", batch_size=BATCHES[batch], **SOLVERS[solver])
    for model in models:
        fit(model, X, y)
    assert_equal_fits(*models, X)
    assert models[0].n_iter_ == 20


@pytest.mark.parametrize("activation", ["identity", "logistic", "relu"])
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_every_activation(task, activation):
    X, y = data(task)
    models = [fit(model, X, y) for model in pair(task, activation=activation, batch_size=5)]
    assert_equal_fits(*models, X)


@pytest.mark.parametrize("hidden", [(), 3, [4], np.array([4, 2, 3])])
def test_every_way_to_name_hidden_layers(hidden):
    X, y = data("multiclass")
    models = [fit(model, X, y) for model in pair("multiclass", hidden_layer_sizes=hidden)]
    assert_equal_fits(*models, X)


@pytest.mark.parametrize("task", ["multiclass", "two outputs"])
def test_without_shuffling(task):
    X, y = data(task)
    models = [fit(model, X, y) for model in pair(task, shuffle=False, batch_size=5)]
    assert_equal_fits(*models, X)


@pytest.mark.parametrize("random_state", [0, None])
def test_the_order_of_epochs_is_that_of_sklearns_shuffle(random_state):
    ours, theirs = np.random.RandomState(5), np.random.RandomState(5)
    source, order = EpochOrder(ours), np.arange(N_SAMPLES)
    for _ in range(3):
        order = sklearn.utils.shuffle(order, random_state=theirs)
        assert_array_equal(source(N_SAMPLES), order)


def test_a_random_state_object_is_drawn_from_alike():
    X, y = data("multiclass")
    models = pair("multiclass", batch_size=5, early_stopping=True, validation_fraction=0.3)
    states = [np.random.RandomState(11) for _ in models]
    for model, state in zip(models, states, strict=True):
        fit(model.set_params(random_state=state), X, y)
    assert_equal_fits(*models, X)
    assert states[0].randint(2**31) == states[1].randint(2**31)


@pytest.mark.parametrize("task", TASKS)
def test_float32_follows_x_and_stays_close(task):
    X, y = data(task)
    models = [fit(model, X.astype(np.float32), y) for model in pair(task, batch_size=5)]
    ours, theirs = models
    assert {array.dtype for array in ours.coefs_ + ours.intercepts_} == {np.dtype(np.float32)}
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    assert (
        ours.predict(X[:2].astype(np.float32)).dtype
        == theirs.predict(X[:2].astype(np.float32)).dtype
    )


@pytest.mark.parametrize("task", TASKS)
def test_early_stopping(task):
    X, y = data(task, 80)
    settings = {"early_stopping": True, "validation_fraction": 0.25, "n_iter_no_change": 3}
    models = pair(task, **settings, max_iter=100, batch_size=16, learning_rate_init=0.02)
    for model in models:
        fit(model, X, y)
    assert_equal_fits(*models, X)
    assert models[0].n_iter_ < 100
    best = models[0].history_.best_epoch
    assert models[0].best_validation_score_ == models[0].validation_scores_[best - 1]


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_every_schedule_and_every_printed_line(schedule, early_stopping, capsys):
    X, y = data("multiclass", 60)
    models = pair(
        "multiclass", solver="sgd", learning_rate=schedule, learning_rate_init=0.3, power_t=0.3,
        tol=0.01, n_iter_no_change=2, max_iter=120, early_stopping=early_stopping, verbose=True,
    )  # fmt: skip
    printed = []
    for model in models:
        fit(model, X, y)
        printed.append(capsys.readouterr().out)
    assert_equal_fits(*models, X)
    assert printed[0] == printed[1]
    ending = {"adaptive": "Learning rate too small. Stopping.\n"}.get(schedule, "Stopping.\n")
    assert printed[0].endswith(ending)
    assert ("Setting learning rate to 0.060000\n" in printed[0]) == (schedule == "adaptive")


@pytest.mark.parametrize("schedule", ["invscaling", "adaptive"])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_warm_starts(task, schedule):
    X, y = data(task, 60)
    models = pair(
        task, solver="sgd", learning_rate=schedule, learning_rate_init=0.1, tol=0.01, max_iter=7,
        n_iter_no_change=3, warm_start=True, batch_size=16,
    )  # fmt: skip
    for _ in range(4):
        for model in models:
            fit(model, X, y)
        assert_equal_fits(*models, X)


def test_a_warm_start_without_a_better_epoch_keeps_the_best_weights():
    # scikit-learn 1.9 overwrites them: its `coefs_` and its copy of the best are the same arrays.
    X, y = data("binary", 60)
    settings = {"early_stopping": True, "warm_start": True, "validation_fraction": 0.3}
    model = fit(estimator("binary", learning_rate_init=0.05, **settings), X, y)
    fit(model, X, y)
    best, weights = model.best_validation_score_, [array.copy() for array in model.coefs_]
    fit(model, X, y)
    assert max(model.history_.validation_score) <= best == model.best_validation_score_ == 1
    for one, other in zip(model.coefs_, weights, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("after", ["nothing", "fit"])
@pytest.mark.parametrize("task", TASKS)
def test_partial_fit_goes_on(task, solver, after):
    X, y = data(task)
    models = pair(
        task, solver=solver, learning_rate="adaptive", learning_rate_init=0.05, tol=0.1,
        n_iter_no_change=2, batch_size=5,
    )  # fmt: skip
    first = {"classes": np.unique(y)} if task in CLASSIFICATIONS else {}
    if task == "multilabel":
        first = {"classes": np.arange(3)}
    for model in models:
        if after == "fit":
            fit(model, X, y)
        else:
            model.partial_fit(X, y, **first)
        for part in (slice(0, 12), slice(12, 23), slice(5, 20)) * 3:
            model.partial_fit(X[part], y[part])
    assert_equal_fits(*models, X)
    assert models[0].n_iter_ == 1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_lbfgs(task, is_weighted):
    X, y = data(task, 60)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, 60) if is_weighted else None
    settings = {"solver": "lbfgs", "activation": "tanh", "alpha": 0.1, "max_iter": 12}
    models = pair(task, **settings)
    for model in models:
        fit(model, X, y, weight)
    assert_equal_minima(*models, X)
    assert models[0].n_iter_ == 12


def test_lbfgs_converges_where_sklearn_does():
    X, y = data("multiclass", 60)
    models = pair(
        "multiclass", solver="lbfgs", activation="tanh", alpha=5.0, tol=1e-2, max_iter=500
    )
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.fit(X, y)
    assert_equal_minima(*models, X)
    assert 5 < models[0].n_iter_ < 500
    assert models[0].history_.stopped_by == "converged"


def test_lbfgs_ignores_early_stopping_and_batches_as_in_sklearn():
    X, y = data("binary", 60)
    models = pair(
        "binary", solver="lbfgs", max_iter=8, early_stopping=True, batch_size=7, alpha=0.1
    )
    for model in models:
        fit(model, X, y)
    assert_equal_minima(*models, X)


def test_lbfgs_goes_on_with_a_warm_start():
    X, y = data("regression", 60)
    models = pair("regression", solver="lbfgs", max_iter=4, warm_start=True, alpha=0.1)
    for _ in range(3):
        for model in models:
            fit(model, X, y)
        assert_equal_minima(*models, X)


@pytest.mark.parametrize("limits", [{"max_iter": 3}, {"max_fun": 5}])
def test_lbfgs_warns_where_it_did_not_converge_in_sklearns_words(limits):
    X, y = data("multiclass", 60)
    said = []
    for model in pair("multiclass", solver="lbfgs", alpha=0.1, **limits):
        with pytest.warns(ConvergenceWarning) as caught:
            model.fit(X, y)
        said.append(str(caught[0].message).split("You might")[0])
        assert caught[0].filename == __file__ or "sklearn" in type(model).__module__
    assert said[0] == said[1]


def assert_equal_minima(ours, theirs, X):
    """Line searches feed rounding back into the next point, so that less is equal."""
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-7)
    for name in ("t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    found, expected = ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one, other, rtol=0, atol=1e-6)
    if hasattr(theirs, "predict_proba"):
        assert_array_equal(ours.predict(X), theirs.predict(X))
        assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-6)
    else:
        assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-6)


def test_partial_fit_takes_labels_that_come_later():
    X, y = data("multiclass")
    models = pair("multiclass")
    for model in models:
        model.partial_fit(X[:2], ["low", "mid"], classes=["top", "mid", "low", "never"])
        model.partial_fit(X, y)
    assert_equal_fits(*models, X)
    assert models[0].classes_.tolist() == ["low", "mid", "never", "top"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("batch", BATCHES)
def test_sample_weights_change_weights_alike(task, batch):
    X, y = data(task)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, N_SAMPLES)
    models = pair(task, batch_size=BATCHES[batch], tol=0.0, n_iter_no_change=100)
    for model in models:
        fit(model, X, y, sample_weight=weight)
        model.partial_fit(X, y, sample_weight=weight)
    ours, theirs = models
    for one, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        assert_allclose(one, other, rtol=0, atol=1e-9)
    if batch == "full batch":
        assert_equal_fits(ours, theirs, X)


def test_sample_weights_in_early_stopping():
    X, y = data("binary", 60)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, 60)
    models = pair("binary", early_stopping=True, validation_fraction=0.3)
    for model in models:
        fit(model, X, y, weight)
    assert_equal_fits(*models, X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("labels", ["only", 7])
def test_one_class_is_learned_as_in_sklearn(labels):
    X, _ = data("binary")
    models = pair("binary")
    with pytest.warns(OneClassWarning, match=f"y has one class only, {labels!r}, which every") as w:
        models[0].fit(X, [labels] * N_SAMPLES)
    assert w[0].filename == __file__
    fit(models[1], X, [labels] * N_SAMPLES)
    assert_equal_fits(*models, X)
    assert models[0].predict(X).tolist() == [labels] * N_SAMPLES


def test_a_column_of_targets_is_taken_with_sklearns_warning():
    X, y = data("binary")
    for model in pair("binary"):
        with pytest.warns(sklearn.exceptions.DataConversionWarning, match="column-vector y"):
            fit(model, X, y.reshape(-1, 1))


def test_sparse_x_is_made_dense():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    X, y = data("multiclass")
    X[X < 0] = 0
    dense = fit(estimator("multiclass"), X, y)
    sparse = fit(estimator("multiclass"), scipy_sparse.csr_array(X), y)
    assert sparse.loss_curve_ == dense.loss_curve_
    assert_array_equal(sparse.predict_proba(scipy_sparse.csc_array(X)), dense.predict_proba(X))


def test_log_probabilities_stay_finite_where_sklearns_do_not():
    X, y = data("binary")
    model = fit(estimator("binary", activation="identity"), X, y)
    logs = model.predict_log_proba(1e5 * X)
    assert np.isfinite(logs).all()
    assert (np.exp(logs) == 0).any()
