"""An estimator behind an encoder: raw columns in, predictions in the target's own unit out."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.preprocessing import StandardScaler

import netts
from netts import MLPClassifier, MLPRegressor
from netts.data import TableEncoder, load
from netts.data.scaling import Scaling
from netts.errors import DataError, ParameterError, UnknownValueError
from netts.estimators import TableModel

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = {"hidden_layer_sizes": (8,), "max_iter": 30, "random_state": 0, "learning_rate_init": 0.02}


def mixed(n_samples: int = 60):
    """Columns of every kind, labels and prices that hang on them."""
    random = np.random.default_rng(0)
    size = random.normal(90, 30, n_samples)
    place = random.choice(["Bern", "Genf", "Chur"], n_samples).astype(object)
    garden = random.random(n_samples) < 0.5
    sold = np.datetime64("2020-01-01") + random.integers(0, 1000, n_samples)
    price = 1e6 + 1e4 * size + 3e5 * (place == "Genf") + 2e5 * garden
    size[::10], place[5::10] = np.nan, None
    X = {"size": size, "place": place, "garden": garden, "sold": sold}
    return X, np.where(price > np.median(price), "dear", "cheap"), price


@pytest.fixture(scope="module")
def classifier():
    X, labels, _ = mixed()
    return TableModel(MLPClassifier(**QUICK)).fit(X, labels)


@pytest.fixture(scope="module")
def regressor():
    X, _, prices = mixed()
    return TableModel(MLPRegressor(**QUICK)).fit(X, prices)


def test_a_classifier_learns_labels_from_columns_of_every_kind(classifier):
    X, labels, _ = mixed()
    assert classifier.classes_.tolist() == ["cheap", "dear"]
    assert classifier.score(X, labels) > 0.9
    probabilities = classifier.predict_proba(X)
    assert_allclose(probabilities.sum(axis=1), 1)
    assert_array_equal(classifier.classes_[probabilities.argmax(axis=1)], classifier.predict(X))


def test_a_regressor_predicts_in_the_unit_of_the_target(regressor):
    X, _, prices = mixed()
    assert regressor.score(X, prices) > 0.8
    assert_allclose(regressor.predict(X).mean(), prices.mean(), rtol=0.05)
    assert regressor.target_scaling_ == Scaling(prices.mean(), prices.std())


def test_it_is_the_estimator_on_the_encoded_table():
    X, labels, prices = mixed()
    inputs = TableEncoder().fit_transform(X)
    alone = MLPClassifier(**QUICK).fit(inputs, labels)
    model = TableModel(MLPClassifier(**QUICK)).fit(X, labels)
    assert_array_equal(model.predict_proba(X), alone.predict_proba(inputs))
    scaler = StandardScaler().fit(prices[:, np.newaxis])
    targets = scaler.transform(prices[:, np.newaxis])[:, 0]
    alone = MLPRegressor(**QUICK).fit(inputs, targets)
    expected = scaler.inverse_transform(alone.predict(inputs)[:, np.newaxis])[:, 0]
    assert_allclose(TableModel(MLPRegressor(**QUICK)).fit(X, prices).predict(X), expected)


def test_the_unit_of_the_target_does_not_matter(regressor):
    X, _, prices = mixed()
    other = TableModel(MLPRegressor(**QUICK)).fit(X, prices / 1024)
    assert_allclose(other.predict(X) * 1024, regressor.predict(X), rtol=1e-6)


def test_targets_of_the_poisson_loss_are_counts_and_stay_as_they_are():
    X, _, prices = mixed()
    counts = np.round(prices / 1e5)
    model = TableModel(MLPRegressor(loss="poisson", **QUICK)).fit(X, counts)
    assert model.target_scaling_ == Scaling(0.0, 1.0)
    assert (model.predict(X) > 0).all()


def test_a_target_with_one_value_is_predicted_as_it_is():
    X, _, prices = mixed()
    model = TableModel(MLPRegressor(**QUICK)).fit(X, np.full_like(prices, 7.0))
    assert model.target_scaling_.scale == 1.0
    assert_allclose(model.predict(X), 7.0, atol=0.5)


def test_columns_may_come_in_another_order_and_beside_others(classifier):
    X, _, _ = mixed()
    other = {"note": ["?"] * 60} | dict(reversed(X.items()))
    assert_array_equal(classifier.predict_proba(other), classifier.predict_proba(X))


def test_tables_arrays_and_frames_are_the_same():
    iris = load("iris")
    model = TableModel(MLPClassifier(**QUICK)).fit(iris, iris.y)
    expected = model.predict_proba(iris)
    assert_array_equal(model.predict_proba(iris.columns), expected)
    assert_array_equal(model.predict_proba(iris.X), expected)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(iris.X, columns=iris.feature_names)
    assert_array_equal(model.predict_proba(frame), expected)
    assert_array_equal(clone(model).fit(frame, iris.y).predict_proba(frame), expected)


def test_the_encoder_can_be_chosen():
    X, labels, _ = mixed()
    encoder = TableEncoder(max_categories=1, handle_unknown="error")
    model = TableModel(MLPClassifier(**QUICK), encoder=encoder).fit(X, labels)
    assert not hasattr(encoder, "columns_")
    assert model.encoder_.columns_[1].n_rare == 2
    X["garden"] = [None] * 60
    with pytest.raises(UnknownValueError, match="column 'garden' has no value in 60 rows"):
        model.predict(X)


def test_weights_of_samples_reach_the_estimator():
    X, labels, _ = mixed()
    weights = np.where(labels == "dear", 1.0, 1e-3)
    weighted = TableModel(MLPClassifier(**QUICK)).fit(X, labels, weights)
    assert (weighted.predict(X) == "dear").mean() > (labels == "dear").mean() + 0.1


def test_scores_are_scikit_learns_with_weights_and_without(classifier, regressor):
    X, labels, prices = mixed()
    weights = np.linspace(0, 1, 60)
    for weight in (None, weights):
        expected = accuracy_score(labels, classifier.predict(X), sample_weight=weight)
        assert classifier.score(X, labels, weight) == expected
        expected = r2_score(prices, regressor.predict(X), sample_weight=weight)
        assert regressor.score(X, prices, sample_weight=weight) == expected


def test_scikit_learn_knows_which_is_which(classifier, regressor):
    assert is_classifier(classifier)
    assert not is_regressor(classifier)
    assert is_regressor(regressor)
    assert not is_classifier(regressor)
    assert hasattr(classifier, "predict_proba")
    assert not hasattr(regressor, "predict_proba")


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_before_fit_it_says_that_it_is_not_fitted(method):
    X, labels, _ = mixed()
    model = TableModel(MLPClassifier(**QUICK))
    with pytest.raises(NotFittedError, match="This TableModel instance is not fitted yet"):
        getattr(model, method)(X, *([labels] if method == "score" else []))
    assert not hasattr(model, "classes_")
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("estimator", [MLPClassifier(**QUICK), MLPRegressor(**QUICK)])
def test_it_can_be_cross_validated(estimator):
    iris = load("iris")
    y = iris.y if is_classifier(estimator) else iris.X[:, 0]
    model, folds = TableModel(estimator), KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(model, iris.X, y, cv=folds, error_score="raise")
    assert (scores > 0.6).all()
    assert cross_val_predict(model, iris.X, y, cv=folds).dtype == y.dtype


def test_a_pandas_frame_of_every_kind_can_be_cross_validated():
    pandas = pytest.importorskip("pandas")
    X, labels, _ = mixed()
    model = TableModel(MLPClassifier(**QUICK))
    scores = cross_val_score(model, pandas.DataFrame(X), labels, cv=3, error_score="raise")
    assert scores.mean() > 0.7


def test_what_is_inside_can_be_searched():
    iris = load("iris")
    grid = {"estimator__alpha": [1e-4, 1e3], "encoder": [None, TableEncoder(max_categories=3)]}
    search = GridSearchCV(TableModel(MLPClassifier(**QUICK)), grid, cv=3).fit(iris.X, iris.y)
    assert search.best_params_["estimator__alpha"] == 1e-4
    assert search.best_estimator_.estimator_.alpha == 1e-4


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_copies_predict_the_same(classifier, regressor, copied):
    X, _, _ = mixed()
    for model in (classifier, regressor):
        assert_array_equal(copied(model).predict(X), model.predict(X))


def test_a_clone_is_not_fitted_and_fits_to_the_same(regressor):
    X, _, prices = mixed()
    twin = clone(regressor)
    assert not hasattr(twin, "estimator_")
    assert_array_equal(twin.fit(X, prices).predict(X), regressor.predict(X))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array(["a"] * 60), "y holds text, NaN or infinity, and a regressor learns finite"),
        (np.full(60, np.nan), "y holds text, NaN or infinity, and a regressor learns finite"),
        (np.full(60, np.inf), "y holds text, NaN or infinity, and a regressor learns finite"),
        (np.full(60, 1e200), "the target holds 1e+200, and targets are standardised up to 1e+150"),
    ],
)
def test_targets_that_are_no_quantities_are_refused(y, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        TableModel(MLPRegressor(**QUICK)).fit(mixed()[0], y)


@pytest.mark.parametrize("estimator", [MLPClassifier(**QUICK), MLPRegressor(**QUICK)])
def test_a_target_of_another_length_is_refused(estimator):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 59\]"):
        TableModel(estimator).fit(mixed()[0], np.arange(59) % 2)


def test_what_was_learned_stays_where_fitting_again_fails(classifier):
    X, labels, _ = mixed()
    model = copy.deepcopy(classifier)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        model.fit({"a": range(60)}, labels[1:])
    with pytest.raises(ValueError, match="NaN"):
        model.fit({"a": range(60)}, np.full(60, np.nan))
    assert_array_equal(model.predict(X), classifier.predict(X))


@pytest.mark.parametrize("scaler", ["min-max", "robust", "decimal", (-1.0, 1.0)])
def test_predictions_are_in_the_targets_unit_whatever_scaled_it(tmp_path, scaler):
    X, _, prices = mixed()
    encoder = TableEncoder(scaler={"size": scaler}, encodings={"place": ["Bern", "Chur", "Genf"]})
    estimator = MLPRegressor(**{**QUICK, "max_iter": 300})
    model = TableModel(estimator, encoder=encoder, target_scaler=scaler).fit(X, prices)
    assert np.abs(model.predict(X) / prices - 1).mean() < 0.3
    model.save(tmp_path / "a.netts")
    loaded = netts.load(tmp_path / "a.netts")
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.get_params()["encoder__encodings"] == encoder.encodings
    assert loaded.target_scaler == scaler
    assert loaded.encoder_.columns_ == model.encoder_.columns_


def test_codes_are_no_quantities_and_scalers_are_known():
    X, labels, prices = mixed()
    encoder = TableEncoder(encodings={"place": "embedding"})
    with pytest.raises(ParameterError, match="makes codes of 'place', which are names"):
        TableModel(MLPClassifier(**QUICK), encoder=encoder).fit(X, labels)
    with pytest.raises(ParameterError, match="a scaler is one of standard, min-max"):
        TableModel(MLPRegressor(**QUICK), target_scaler="max").fit(X, prices)
