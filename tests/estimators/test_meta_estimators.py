"""Inside scikit-learn's meta-estimators: the scores of its own MLP in the same place."""

import numpy as np
import pytest
from estimator_cases import ENGINES
from numpy.testing import assert_allclose
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.ensemble import AdaBoostClassifier, StackingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - as scikit-learn asks
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    LearningCurveDisplay,
    cross_val_predict,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import netts

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(X))
    return StandardScaler().fit_transform(X[rows]), y[rows]


def both(**settings):
    """The classifiers of both engines."""
    chosen = {"hidden_layer_sizes": (8,), "max_iter": 40, "learning_rate_init": 0.01}
    for module in ENGINES.values():
        yield module.MLPClassifier(**{**chosen, "random_state": 0, **settings})


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_grid_search(wine, n_jobs):
    grid = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(4,), (8, 4)]}
    ours, theirs = (GridSearchCV(one, grid, cv=3, n_jobs=n_jobs).fit(*wine) for one in both())
    assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert ours.best_params_ == theirs.best_params_


def test_halving_grid_search(wine):
    grid = {"alpha": [1e-4, 1e-2, 1.0]}
    ours, theirs = (
        HalvingGridSearchCV(one, grid, cv=3, min_resources=40, random_state=0).fit(*wine)
        for one in both()
    )
    assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert ours.best_params_ == theirs.best_params_


def test_stacking(wine):
    ours, theirs = (
        StackingClassifier([("mlp", one), ("line", LogisticRegression())], cv=3).fit(*wine)
        for one in both()
    )
    assert_allclose(ours.predict_proba(wine[0]), theirs.predict_proba(wine[0]), atol=1e-6)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(wine, method):
    ours, theirs = (CalibratedClassifierCV(one, method=method, cv=3).fit(*wine) for one in both())
    assert_allclose(ours.predict_proba(wine[0]), theirs.predict_proba(wine[0]), atol=1e-6)


def test_boosting_weighs_samples(wine):
    ours, theirs = (AdaBoostClassifier(one, n_estimators=3, random_state=0) for one in both())
    assert ours.fit(*wine).score(*wine) == theirs.fit(*wine).score(*wine)
    assert_allclose(ours.estimator_errors_, theirs.estimator_errors_, atol=1e-9)


def test_one_against_the_rest(wine):
    ours, theirs = (OneVsRestClassifier(one).fit(*wine) for one in both())
    assert_allclose(ours.predict_proba(wine[0]), theirs.predict_proba(wine[0]), atol=1e-9)


def test_a_pipeline_behind_columns_of_a_frame():
    pandas = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    assert isinstance(X, pandas.DataFrame)
    columns = [("scaled", StandardScaler(), list(X.columns[:3])), ("kept", "passthrough", [3])]
    ours, theirs = (
        make_pipeline(ColumnTransformer(columns).set_output(transform="pandas"), one).fit(X, y)
        for one in both()
    )
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    assert ours[-1].feature_names_in_.tolist() == theirs[-1].feature_names_in_.tolist()


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_predictions_out_of_fold(wine, method):
    ours, theirs = (cross_val_predict(one, *wine, cv=3, method=method) for one in both())
    assert_allclose(ours, theirs, atol=1e-6)


def test_several_scores(wine):
    scoring = ["accuracy", "neg_log_loss", "roc_auc_ovr", "f1_macro"]
    ours, theirs = (cross_validate(one, *wine, cv=3, scoring=scoring) for one in both())
    for name in scoring:
        assert_allclose(ours[f"test_{name}"], theirs[f"test_{name}"], atol=1e-9)


def test_permutation_importance(wine):
    ours, theirs = (
        permutation_importance(one.fit(*wine), *wine, n_repeats=2, random_state=0) for one in both()
    )
    assert_allclose(ours.importances, theirs.importances)


def test_learning_curves(wine):
    ours, theirs = (
        learning_curve(one, *wine, cv=3, train_sizes=[0.3, 1.0], shuffle=True, random_state=0)
        for one in both()
    )
    for one, other in zip(ours, theirs, strict=True):
        assert_allclose(one, other)


def test_a_display_of_learning_curves(wine):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    ours, theirs = (
        LearningCurveDisplay.from_estimator(one, *wine, cv=3, train_sizes=[0.5, 1.0])
        for one in both()
    )
    assert_allclose(ours.test_scores, theirs.test_scores)
    matplotlib.pyplot.close("all")


def test_targets_may_be_transformed():
    X, y = load_diabetes(return_X_y=True)
    ours, theirs = (
        TransformedTargetRegressor(
            module.MLPRegressor(
                hidden_layer_sizes=(8,), max_iter=30, learning_rate_init=0.01, random_state=0
            ),
            transformer=StandardScaler(),
        ).fit(X, y)
        for module in ENGINES.values()
    )
    assert_allclose(ours.predict(X), theirs.predict(X))


def routed(**requests):
    """Let metadata be routed, as scikit-learn will by default one day."""
    import sklearn

    return sklearn.config_context(enable_metadata_routing=True, **requests)


def test_a_pipeline_hands_on_validation_data_transformed(wine):
    X, y = wine
    with routed():
        for kind in (netts.MLPClassifier, netts.NetworkClassifier):
            model = kind(random_state=0).set_fit_request(X_val=True, y_val=True)
            scaled = Pipeline(
                [("scaler", StandardScaler()), ("model", model)], transform_input=["X_val"]
            )
            scaled.fit(3 * X[:120] + 7, y[:120], X_val=3 * X[120:] + 7, y_val=y[120:])
            direct = kind(random_state=0)
            scaler = StandardScaler().fit(3 * X[:120] + 7)
            direct.fit(
                scaler.transform(3 * X[:120] + 7), y[:120],
                X_val=scaler.transform(3 * X[120:] + 7), y_val=y[120:],
            )  # fmt: skip
            assert scaled[-1].validation_scores_ == direct.validation_scores_


def test_weights_are_routed_through_cross_validation(wine):
    weights = np.linspace(0, 2, len(wine[0]))
    with routed():
        ours, theirs = (
            cross_validate(
                one.set_fit_request(sample_weight=True).set_score_request(sample_weight=True),
                *wine,
                cv=3,
                params={"sample_weight": weights},
            )
            for one in both()
        )
    assert_allclose(ours["test_score"], theirs["test_score"])


@pytest.mark.parametrize(
    "kind",
    [netts.MLPClassifier, netts.MLPRegressor, netts.NetworkClassifier, netts.NetworkRegressor],
)
def test_notebooks_show_them_with_their_parameters(kind):
    shown = kind(device="cpu")._repr_html_()
    assert kind.__name__ in shown
    assert "device" in shown


@pytest.mark.parametrize("n_rows", [1, 7, 150])
def test_a_prediction_does_not_depend_on_its_batch(wine, n_rows):
    X, y = wine
    for model in (netts.MLPClassifier(random_state=0), netts.NetworkClassifier(random_state=0)):
        model.fit(X, y)
        together = model.predict_proba(X)
        assert_allclose(model.predict_proba(X[:n_rows]), together[:n_rows], atol=1e-12)
