"""`evaluate` predicts and compares, with any estimator that follows scikit-learn's conventions."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import netts
from netts import MLPClassifier, MLPRegressor
from netts.data import load
from netts.errors import DataError, ParameterError
from netts.estimators import TableModel
from netts.evaluation import ClassificationEvaluation, RegressionEvaluation, evaluate

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4))
SIDES = np.where(X[:, 0] > 0, "right", "left")
SEVERAL = (X[:, :3] > 0.3).astype(int)
QUANTITIES = np.column_stack([X[:, 0] + X[:, 1], 10 * X[:, 2]])


def classifier(**settings):
    return MLPClassifier((8,), learning_rate_init=0.05, tol=1e-2, random_state=0, **settings)


def regressor():
    return MLPRegressor(hidden_layer_sizes=(8,), learning_rate_init=0.05, tol=1e-2, random_state=0)


@pytest.mark.parametrize(
    "estimator",
    [
        classifier(),
        classifier(dtype="float32"),
        make_pipeline(StandardScaler(), classifier()),
        LogisticRegression(),
    ],
)
def test_a_classifier_is_evaluated_by_its_own_predictions(estimator):
    estimator.fit(X[:80], SIDES[:80])
    found = evaluate(estimator, X[80:], SIDES[80:])
    assert isinstance(found, ClassificationEvaluation)
    assert found.n_samples == 40
    assert found.labels == ("left", "right")
    assert found.report.accuracy == estimator.score(X[80:], SIDES[80:])
    predicted = estimator.predict(X[80:])
    np.testing.assert_array_equal(found.confusion_matrix, confusion_matrix(SIDES[80:], predicted))
    assert found.measures["log loss"] > 0


def test_a_classifier_without_probabilities_has_no_curves():
    found = evaluate(SVC().fit(X, SIDES), X, SIDES)
    assert found.curves == ()
    assert found.report.log_loss is found.report.classes[0].roc_auc is None
    assert "ROC AUC" not in str(found)


@pytest.mark.parametrize("estimator", [classifier(), RandomForestClassifier(5, random_state=0)])
def test_several_labels_of_a_sample_are_evaluated(estimator):
    found = evaluate(estimator.fit(X, SEVERAL), X, SEVERAL)
    assert found.is_multilabel
    assert found.labels == ("0", "1", "2")
    assert found.report.accuracy == estimator.score(X, SEVERAL)
    assert found.confusion_matrix.shape == (3, 2, 2)
    assert found.report.micro_average.f1 > 0.5
    assert found.report.macro_average.roc_auc > 0.8


def test_quantities_are_evaluated_one_by_one_and_together():
    found = evaluate(regressor().fit(X, QUANTITIES), X, QUANTITIES)
    assert isinstance(found, RegressionEvaluation)
    assert [one.name for one in found.report.outputs] == ["output 0", "output 1"]
    assert found.report.r2 == pytest.approx(np.mean([one.r2 for one in found.report.outputs]))
    assert found.residuals.shape == (120, 2)
    assert str(found).splitlines()[-1].startswith("output 1")


def test_a_table_model_is_evaluated_on_a_table():
    table = load("diabetes")
    model = TableModel(regressor()).fit(table, table.y)
    found = evaluate(model, table, table.y)
    assert found.report.r2 == model.score(table, table.y)
    assert found.report.n_features == 10


def test_weights_of_zero_leave_rows_out():
    fitted = classifier().fit(X, SIDES)
    weights = (np.arange(120) < 50).astype(float)
    weighted = evaluate(fitted, X, SIDES, sample_weight=weights)
    assert weighted.measures == pytest.approx(evaluate(fitted, X[:50], SIDES[:50]).measures)


@pytest.mark.parametrize(
    ("fitted", "y"),
    [
        (classifier().fit(X, SIDES), SIDES),
        (classifier().fit(X, SEVERAL), SEVERAL),
        (regressor().fit(X, QUANTITIES), QUANTITIES),
        (regressor().fit(X, X[:, 0]), np.ones(120)),  # R2 is NaN
    ],
)
def test_the_dictionary_is_plain_and_the_json_strict(fitted, y):
    found = evaluate(fitted, X, y)

    def refuse(name):
        raise AssertionError(name)

    assert json.loads(found.to_json(), parse_constant=refuse) == found.to_dict()


def test_what_is_not_finite_has_a_form_in_json():
    found = evaluate(regressor().fit(X, X[:, 0]), X, np.ones(120)).to_dict()
    assert found["report"]["r2"] is None
    perfect = evaluate(LogisticRegression().fit(X, SIDES), X, SIDES)
    assert not math.isnan(perfect.report.mcc)


def test_long_curves_are_thinned_and_keep_their_ends():
    many = rng.normal(size=(20_000, 1))
    sides = np.where(many[:, 0] + rng.normal(size=20_000) > 0, "b", "a")
    found = evaluate(LogisticRegression().fit(many, sides), many, sides)
    (curve,) = found.to_dict()["curves"]
    assert len(found.curves[0].roc.x) > 1000
    for name in ("roc", "precision_recall"):
        x, y = curve[name]["x"], curve[name]["y"]
        whole = getattr(found.curves[0], name)
        assert len(x) == len(y) <= 200
        assert (x[0], y[0], x[-1], y[-1]) == (whole.x[0], whole.y[0], whole.x[-1], whole.y[-1])
        np.testing.assert_allclose(np.trapezoid(y, x), np.trapezoid(whole.y, whole.x), atol=0.01)


def test_a_label_that_was_never_learned_is_named():
    fitted = classifier().fit(X, SIDES)
    with pytest.raises(DataError, match="y_true contains 'up', which is none of the classes left"):
        evaluate(fitted, X[:2], ["left", "up"])


def test_an_empty_table_is_refused():
    with pytest.raises(DataError, match="y is empty: there is nothing to evaluate"):
        evaluate(classifier().fit(X, SIDES), X[:0], SIDES[:0])


def test_other_numbers_of_rows_are_refused():
    with pytest.raises(DataError, match=r"got \(3,\) and \(2,\)"):
        evaluate(classifier().fit(X, SIDES), X[:2], SIDES[:3])


def test_what_neither_classifies_nor_regresses_is_refused():
    with pytest.raises(ParameterError, match="is a classifier or a regressor, got KMeans"):
        evaluate(KMeans(), X, SIDES)


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_a_model_file_keeps_the_whole_report(name, tmp_path):
    table = load(name)
    model = TableModel(classifier() if name == "iris" else regressor()).fit(table, table.y)
    model.report_ = evaluate(model, table, table.y).report
    model.save(tmp_path / "model.netts")
    assert netts.load(tmp_path / "model.netts").report_ == model.report_
