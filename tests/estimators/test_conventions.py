"""scikit-learn's own checks, and its tools around our estimators."""

import inspect

import joblib
import numpy as np
import pytest
import sklearn.neural_network
from estimator_cases import ENGINES, data, estimator, fit
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris, load_wine
from sklearn.ensemble import BaggingClassifier, VotingRegressor
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator as check_generator
from sklearn.utils.estimator_checks import parametrize_with_checks

from netts import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor
from netts.layers import Dense

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


FASTER = {"optimizer__learning_rate": 0.01}


def checked(**where):
    """What scikit-learn checks: its own MLPs have 100 epochs there too. No check may fail.

    Networks take all samples in one step, as MLPs do with so few: repeating samples is the same as
    weighting them only where that does not change which of them meet in a batch.
    """
    networks = {"epochs": 60, "batch_size": None, **where}
    return [
        MLPClassifier(max_iter=100, **where),
        MLPRegressor(max_iter=100, **where),
        NetworkClassifier([Dense(100, "relu")], **networks).set_params(**FASTER),
        NetworkRegressor([Dense(100, "relu")], **networks).set_params(**FASTER),
    ]


QUICK = (
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_n_features_in",
    "check_dict_unchanged",
    "check_classifiers_one_label",
    "check_regressors_no_decision_function",
)
"""The checks that the reference sits: of what depends on how data reach kernels, the quick ones."""


@pytest.mark.filterwarnings("ignore::netts.errors.OneClassWarning")
@parametrize_with_checks(checked())
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def quick(estimators):
    """Those checks, one parameter each."""
    for one in estimators:
        for made, check in check_generator(one):
            if check.func.__name__ in QUICK:
                name = f"{type(one).__name__}-{check.func.__name__}"
                yield pytest.param(made, check, id=name)


@pytest.mark.filterwarnings("ignore::netts.errors.OneClassWarning")
@pytest.mark.parametrize(("estimator", "check"), list(quick(checked(device="reference"))))
def test_a_quick_subset_of_the_checks_on_the_reference(estimator, check):
    cut = {"max_iter": 1} if hasattr(estimator, "max_iter") else {"epochs": 1}
    small = {"hidden_layer_sizes": (3,)} if "max_iter" in cut else {"layers__0__units": 3}
    check(estimator.set_params(**cut, **small))


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore::netts.errors.OneClassWarning")
@parametrize_with_checks(checked(device="cuda"))
def test_scikit_learns_own_checks_on_a_gpu(estimator, check):
    check(estimator)


@pytest.mark.parametrize("ours", [MLPClassifier, MLPRegressor])
def test_the_constructor_is_scikit_learns_and_a_few_keywords_more(ours):
    theirs = getattr(sklearn.neural_network, ours.__name__)
    found = list(inspect.signature(ours).parameters.values())
    expected = list(inspect.signature(theirs).parameters.values())
    extras = found[len(expected) :]
    for one, other in zip(found, expected, strict=False):
        assert (one.name, one.kind, one.default) == (other.name, other.kind, other.default)
    names = ["device", "dtype", "dropout", "callbacks", "precision", "batch_norm", "n_threads"]
    assert [one.name for one in extras] == names + ["class_weight"] * (ours is MLPClassifier)
    assert {one.kind for one in extras} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("ours", [MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor])
def test_every_parameter_is_documented(ours):
    for name in inspect.signature(ours).parameters:
        assert f"\n    {name}" in ours.__doc__ or f", {name} :" in ours.__doc__, name
    assert "$" not in ours.__doc__


@pytest.mark.parametrize("ours", [MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor])
def test_estimators_are_equal_to_none_but_themselves_and_keys_of_dictionaries(ours):
    one, other = ours(), ours()
    assert one != other
    assert {one: 1, other: 2}[one] == 1


def both(**settings):
    """Pipelines of both engines' classifiers behind scaled inputs."""
    return [
        make_pipeline(StandardScaler(), estimator("multiclass", engine, max_iter=30, **settings))
        for engine in ENGINES
    ]


def test_cross_validation_scores_equal_scikit_learns():
    X, y = load_wine(return_X_y=True)
    ours, theirs = (cross_val_score(model, X, y, cv=3) for model in both())
    assert_allclose(ours, theirs)


def test_out_of_fold_probabilities_equal_scikit_learns():
    X, y = load_iris(return_X_y=True)
    ours, theirs = (
        cross_val_predict(model, X, y, cv=3, method="predict_proba") for model in both()
    )
    assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_grid_search_finds_what_it_finds_for_scikit_learns():
    X, y = load_iris(return_X_y=True)
    grid = {"mlpclassifier__hidden_layer_sizes": [(3,), (8, 4)], "mlpclassifier__alpha": [0.01, 10]}
    ours, theirs = (GridSearchCV(model, grid, cv=3, n_jobs=1).fit(X, y) for model in both())
    assert ours.best_params_ == theirs.best_params_
    assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_the_extras_are_searchable():
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(both()[0], {"mlpclassifier__dropout": [0.0, 0.5]}, cv=3).fit(X, y)
    assert search.best_estimator_[-1].dropout in (0.0, 0.5)


def test_bagging_equals_scikit_learns():
    X, y = load_iris(return_X_y=True)
    ours, theirs = (
        BaggingClassifier(model, n_estimators=3, random_state=0).fit(X, y) for model in both()
    )
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-9)


def test_voting_with_scikit_learns_own():
    X, y = data("regression")
    members = [(engine, estimator("regression", engine)) for engine in ENGINES]
    vote = VotingRegressor(members).fit(X, y)
    assert_allclose(vote.predict(X), fit(estimator("regression"), X, y).predict(X))


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_folds_may_run_side_by_side(backend):
    X, y = load_iris(return_X_y=True)
    alone = cross_val_score(both()[0], X, y, cv=8)
    with joblib.parallel_config(backend=backend, n_jobs=4):
        assert_allclose(cross_val_score(both()[0], X, y, cv=8, error_score="raise"), alone)


def test_threads_may_predict_with_one_model_at_once():
    X, y = load_iris(return_X_y=True)
    model = both()[0].fit(X, y)
    expected = model.predict_proba(X)
    work = joblib.delayed(model.predict_proba)
    with joblib.parallel_config(backend="threading", n_jobs=4):
        for found in joblib.Parallel()(work(X[start:]) for start in range(60)):
            assert_allclose(found, expected[-len(found) :], rtol=1e-12)


def test_feature_names_are_kept_and_compared():
    pandas = pytest.importorskip("pandas")
    X, y = data("regression")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = fit(estimator("regression"), frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert_allclose(model.predict(frame), fit(estimator("regression"), X, y).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(np.asarray(frame))


@pytest.mark.parametrize("kind", [MLPClassifier, NetworkClassifier])
def test_tensors_on_the_host_are_answered_with_arrays(kind):
    torch = pytest.importorskip("torch")
    X, y = load_iris(return_X_y=True)
    model = kind(random_state=0).fit(torch.from_numpy(X), torch.from_numpy(y))
    found = model.predict_proba(torch.from_numpy(X))
    assert type(found) is np.ndarray
    assert_allclose(found, kind(random_state=0).fit(X, y).predict_proba(X))
