"""Every measure is scikit-learn's, or the number that its formula gives by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.feature_selection import f_regression
from sklearn.linear_model import LinearRegression

from netts.errors import DataError, ParameterError
from netts.evaluation import (
    classification_report,
    evaluate_classes,
    evaluate_quantities,
    regression_report,
)

N = 300
rng = np.random.default_rng(0)
WEIGHTS = [None, rng.uniform(0.0, 2.0, N)]


def classes_of(n_classes):
    """Return labels, probabilities that know something of them, and what is most probable."""
    random = np.random.default_rng(n_classes)
    true = random.integers(0, n_classes, N)
    logits = random.normal(size=(N, n_classes)) + 1.5 * np.eye(n_classes)[true]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return true, probabilities, probabilities.argmax(axis=1)


@pytest.mark.parametrize("weights", WEIGHTS, ids=["even", "weighted"])
@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_measures_of_classes_are_those_of_scikit_learn(n_classes, weights):
    true, probabilities, predicted = classes_of(n_classes)
    report = classification_report(
        true, predicted, range(n_classes),
        probabilities=probabilities, sample_weight=weights, beta=2.0,
    )  # fmt: skip
    each = {"average": None, "sample_weight": weights}
    expected = {
        "precision": metrics.precision_score(true, predicted, **each),
        "recall": metrics.recall_score(true, predicted, **each),
        "f1": metrics.f1_score(true, predicted, **each),
        "f_beta": metrics.fbeta_score(true, predicted, beta=2.0, **each),
        "specificity": [
            metrics.recall_score(true != k, predicted != k, sample_weight=weights)
            for k in range(n_classes)
        ],
        "roc_auc": [
            metrics.roc_auc_score(true == k, probabilities[:, k], sample_weight=weights)
            for k in range(n_classes)
        ],
        "average_precision": [
            metrics.average_precision_score(true == k, probabilities[:, k], sample_weight=weights)
            for k in range(n_classes)
        ],
        "support": np.bincount(true),
    }
    for name, values in expected.items():
        np.testing.assert_allclose([getattr(one, name) for one in report.classes], values)
        if name != "support":
            assert getattr(report.macro_average, name) == pytest.approx(np.mean(values))
    whole = {"sample_weight": weights}
    assert report.accuracy == pytest.approx(metrics.accuracy_score(true, predicted, **whole))
    assert report.balanced_accuracy == pytest.approx(
        metrics.balanced_accuracy_score(true, predicted, **whole)
    )
    assert report.mcc == pytest.approx(metrics.matthews_corrcoef(true, predicted, **whole))
    assert report.log_loss == pytest.approx(metrics.log_loss(true, probabilities, **whole))
    scores = probabilities if n_classes > 2 else probabilities[:, 1]
    assert report.brier_score == pytest.approx(metrics.brier_score_loss(true, scores, **whole))
    weighted = metrics.f1_score(true, predicted, average="weighted", **whole)
    assert report.weighted_average.f1 == pytest.approx(weighted)


@pytest.mark.parametrize("weights", WEIGHTS, ids=["even", "weighted"])
def test_measures_of_several_labels_are_those_of_scikit_learn(weights):
    random = np.random.default_rng(1)
    true = random.random((N, 4)) < 0.3
    probabilities = np.clip(0.4 * true + random.random((N, 4)) * 0.6, 0, 1)
    predicted = probabilities > 0.5
    found = evaluate_classes(
        true.astype(int), predicted.astype(int), "abcd",
        probabilities=probabilities, sample_weight=weights,
    )  # fmt: skip
    report, whole = found.report, {"sample_weight": weights}
    assert found.is_multilabel
    assert report.accuracy == pytest.approx(metrics.accuracy_score(true, predicted, **whole))
    assert report.hamming_loss == pytest.approx(metrics.hamming_loss(true, predicted, **whole))
    micro = metrics.precision_recall_fscore_support(true, predicted, average="micro", **whole)
    average = report.micro_average
    assert (average.precision, average.recall, average.f1) == pytest.approx(micro[:3])
    losses = [metrics.log_loss(true[:, k], probabilities[:, k], **whole) for k in range(4)]
    assert report.log_loss == pytest.approx(np.mean(losses))
    briers = [metrics.brier_score_loss(true[:, k], probabilities[:, k], **whole) for k in range(4)]
    assert report.brier_score == pytest.approx(np.mean(briers))
    np.testing.assert_allclose(
        found.confusion_matrix, metrics.multilabel_confusion_matrix(true, predicted, **whole)
    )
    assert [one.label for one in found.curves] == [*"abcd"]
    assert report.balanced_accuracy is report.mcc is None


@pytest.mark.parametrize("weights", WEIGHTS, ids=["even", "weighted"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_measures_of_quantities_are_those_of_scikit_learn(n_outputs, weights):
    random = np.random.default_rng(n_outputs)
    true = random.normal(size=(N, n_outputs)) * [1, 10, 100][:n_outputs]
    predicted = true + random.normal(size=true.shape)
    report = regression_report(true, predicted, sample_weight=weights, n_features=5)
    whole = {"sample_weight": weights}
    assert report.mse == pytest.approx(metrics.mean_squared_error(true, predicted, **whole))
    assert report.mae == pytest.approx(metrics.mean_absolute_error(true, predicted, **whole))
    rmse = metrics.root_mean_squared_error(true, predicted, **whole)
    assert report.rmse == pytest.approx(rmse)
    r2 = metrics.r2_score(true, predicted, **whole)
    assert report.r2 == pytest.approx(r2)
    assert report.adjusted_r2 == pytest.approx(1 - (1 - r2) * (N - 1) / (N - 5 - 1))
    assert len(report.outputs) == (0 if n_outputs == 1 else n_outputs)


def test_f_of_a_linear_model_of_one_feature_is_scikit_learns():
    X = rng.normal(size=(40, 1))
    y = X[:, 0] + rng.normal(size=40)
    predicted = LinearRegression().fit(X, y).predict(X)
    expected = f_regression(X, y)[0][0]
    assert regression_report(y, predicted, n_features=1).f_statistic == pytest.approx(expected)


@pytest.mark.parametrize(("n_samples", "n_features"), [(3, 2), (3, 5), (1, 1)])
def test_too_few_rows_for_the_features_leave_adjusted_r2_and_f_undefined(n_samples, n_features):
    y = np.arange(float(n_samples))
    report = regression_report(y, y + 0.1, n_features=n_features)
    assert report.adjusted_r2 is report.f_statistic is None


def test_a_perfect_regression_has_an_infinite_f():
    report = regression_report([1.0, 2.0, 4.0, 5.0], [1.0, 2.0, 4.0, 5.0], n_features=1)
    assert (report.r2, report.adjusted_r2, report.f_statistic) == (1.0, 1.0, math.inf)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_curves_are_those_of_scikit_learn(n_classes):
    true, probabilities, predicted = classes_of(n_classes)
    curves = evaluate_classes(true, predicted, range(n_classes), probabilities=probabilities).curves
    assert [one.label for one in curves] == (["1"] if n_classes == 2 else ["0", "1", "2"])
    for one in curves:
        of_class, scores = true == int(one.label), probabilities[:, int(one.label)]
        x, y, _ = metrics.roc_curve(of_class, scores)
        np.testing.assert_allclose((one.roc.x, one.roc.y), (x, y))
        precision, recall, _ = metrics.precision_recall_curve(
            of_class, scores, drop_intermediate=True
        )
        np.testing.assert_allclose(one.precision_recall.x, recall[::-1])
        np.testing.assert_allclose(one.precision_recall.y, precision[::-1])
        share, mean = calibration_curve(of_class, scores, n_bins=10)
        np.testing.assert_allclose((one.calibration.x, one.calibration.y), (mean, share))


def test_whole_weights_are_as_good_as_repeated_rows():
    true, probabilities, predicted = classes_of(3)
    times = rng.integers(0, 3, N)
    weighted = evaluate_classes(
        true, predicted, range(3), probabilities=probabilities, sample_weight=times
    )
    repeated = evaluate_classes(
        true.repeat(times), predicted.repeat(times), range(3),
        probabilities=probabilities.repeat(times, axis=0),
    )  # fmt: skip
    assert weighted.report.measures == pytest.approx(repeated.report.measures)
    np.testing.assert_allclose(weighted.confusion_matrix, repeated.confusion_matrix)
    for one, other in zip(weighted.curves, repeated.curves, strict=True):
        np.testing.assert_allclose(one.calibration.y, other.calibration.y)
        np.testing.assert_allclose(one.roc.y, other.roc.y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_of_an_estimators_probabilities_is_scikit_learns(dtype):
    true, probabilities, predicted = classes_of(3)
    probabilities = probabilities.astype(dtype)
    probabilities[0] = np.eye(3)[(true[0] + 1) % 3]  # surely wrong
    report = classification_report(true, predicted, range(3), probabilities=probabilities)
    expected = metrics.log_loss(true, probabilities)
    assert report.log_loss == pytest.approx(expected, rel=1e-4 if dtype == np.float32 else 1e-12)


def test_a_class_missing_in_the_table_leaves_undefined_what_needs_it():
    report = classification_report(
        ["a", "b"], ["a", "b"], ["a", "b", "c"], probabilities=[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]
    )
    missing = report.classes[2]
    assert (missing.support, missing.recall, missing.specificity) == (0, 0.0, 1.0)
    assert missing.roc_auc is missing.average_precision is None
    assert report.macro_average.roc_auc == 1.0
    assert report.balanced_accuracy == 1.0
    assert str(report).splitlines()[3].split() == [
        "c", "0.000", "0.000", "1.000", "0.000", "-", "-", "0",
    ]  # fmt: skip


def test_a_single_class_can_be_evaluated():
    found = evaluate_classes(["a"] * 3, ["a"] * 3, ["a"], probabilities=np.ones((3, 1)))
    assert found.report.accuracy == 1.0
    assert found.report.mcc == 0.0
    assert found.report.log_loss is found.report.classes[0].specificity is None
    assert found.curves[0].roc is None
    assert found.to_dict()["confusion_matrix"] == [[3]]


def test_a_single_class_in_the_table_of_two_can_be_evaluated():
    found = evaluate_classes(
        ["b"] * 2, ["a", "b"], ["a", "b"], probabilities=[[0.6, 0.4], [0.2, 0.8]]
    )
    assert found.report.balanced_accuracy == 0.5
    assert found.report.log_loss == pytest.approx(-(math.log(0.4) + math.log(0.8)) / 2)
    assert found.curves[0].precision_recall is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": [[math.nan, 0.5], [0.5, 0.5]]}, "has [nan, 0.5] in row 0, and 1 such"),
        ({"probabilities": [[0.5, 0.5], [1.5, -0.5]]}, "has [1.5, -0.5] in row 1"),
        ({"probabilities": [[0.5, 0.5], [0.2, 0.2]]}, "adds up to 0.4 in row 1"),
        ({"probabilities": [[1.0], [1.0]]}, "has shape (2, 2), a column for each class"),
        ({"probabilities": [["x", "y"], ["z", "w"]]}, "probabilities holds what is no number"),
        ({"sample_weight": [1.0]}, "sample_weight has shape (2,), got (1,)"),
        ({"sample_weight": [1.0, -1.0]}, "nowhere negative"),
        ({"sample_weight": [0.0, 0.0]}, "somewhere above 0"),
        ({"sample_weight": [1.0, math.nan]}, "sample_weight is finite"),
        ({"classes": [0, 1, 1]}, "classes names a label twice: 0, 1, 1"),
        ({"classes": ["0", "1"]}, "y_true holds numbers, such as 0, and the classes are text"),
        ({"y_true": [0, 2]}, "y_true contains '2', which is none of the classes 0, 1"),
        ({"y_pred": [0, math.nan]}, "y_pred contains 'nan', which is none of the classes"),
        ({"y_true": [[0, 1], [2, 0]], "y_pred": [[0, 1], [1, 0]]}, "other values than 0 and 1"),
        ({"y_true": [[0], [1]], "y_pred": [[0], [1]]}, "y_true has 1 columns for 2 labels"),
        ({"y_true": [[0], [1, 2]]}, "y_true is no array"),
    ],
)  # fmt: skip
def test_what_no_score_can_be_computed_from_is_refused(change, message):
    arguments = {"y_true": [0, 1], "y_pred": [0, 1], "classes": [0, 1], **change}
    with pytest.raises(DataError) as caught:
        classification_report(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("beta", [0, -1.0, math.nan, "2"])
def test_beta_is_above_zero(beta):
    with pytest.raises(ParameterError, match="beta is a number in"):
        classification_report([0, 1], [0, 1], [0, 1], beta=beta)


def test_text_where_quantities_are_due_is_refused():
    with pytest.raises(DataError, match="y_true holds what is no number"):
        evaluate_quantities(["a"], [1.0])


def test_quantities_whose_squares_overflow_are_refused():
    with pytest.raises(DataError, match=r"y_pred holds 1e\+200, and squares of more than"):
        evaluate_quantities([1.0, 2.0], [1e200, 1.0])


def test_another_number_of_names_than_outputs_is_refused():
    with pytest.raises(DataError, match="output_names has 1 names for 2 outputs"):
        evaluate_quantities(np.zeros((3, 2)), np.zeros((3, 2)), output_names=["a"])


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(
            st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=1, max_size=40
        ).map(lambda pairs: (n, np.array(pairs)))
    )
)
def test_scores_follow_from_the_confusion_matrix_whatever_the_labels(drawn):
    n_classes, pairs = drawn
    found = evaluate_classes(pairs[:, 0], pairs[:, 1], range(n_classes))
    matrix, n_samples = found.confusion_matrix, len(pairs)
    assert matrix.sum() == n_samples
    assert found.report.accuracy == pytest.approx(np.trace(matrix) / n_samples)
    for k, scores in enumerate(found.report.classes):
        hits, of_class, said = matrix[k, k], matrix[k].sum(), matrix[:, k].sum()
        assert scores.support == of_class
        assert scores.recall == pytest.approx(hits / of_class if of_class else 0.0)
        assert scores.precision == pytest.approx(hits / said if said else 0.0)
        others = n_samples - of_class
        specificity = (others - said + hits) / others if others else None
        assert scores.specificity == (None if specificity is None else pytest.approx(specificity))
    assert len(str(found).splitlines()) == n_classes + 8
