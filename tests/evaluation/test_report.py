"""Reports agree with hand-computed scores and print as tables."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from netts.errors import DataError
from netts.evaluation import classification_report, regression_report

TRUE = ["cat", "cat", "cat", "dog", "dog", "emu"]
PREDICTED = ["cat", "cat", "dog", "dog", "cat", "dog"]


def test_classification_scores_are_those_computed_by_hand():
    report = classification_report(TRUE, PREDICTED, ["cat", "dog", "emu"])
    cat, dog, emu = report.classes
    assert report.accuracy == pytest.approx(3 / 6)
    assert (cat.precision, cat.recall, cat.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (dog.precision, dog.recall, dog.f1) == pytest.approx((1 / 3, 1 / 2, 2 / 5))
    assert [scores.support for scores in report.classes] == [3, 2, 1]
    assert report.macro_average.precision == pytest.approx((2 / 3 + 1 / 3) / 3)
    assert report.macro_average.support == 6
    assert emu.label == "emu"


def test_a_class_never_predicted_scores_zero_without_a_warning():
    emu = classification_report(TRUE, PREDICTED, ["cat", "dog", "emu"]).classes[2]
    assert (emu.precision, emu.recall, emu.f1) == (0.0, 0.0, 0.0)


def test_a_class_without_samples_scores_zero_without_a_warning():
    report = classification_report([0, 1], [0, 1], [0, 1, 2])
    assert report.classes[2].support == 0
    assert report.classes[2].recall == 0.0


def test_classes_are_reported_in_the_order_given():
    report = classification_report(TRUE, PREDICTED, ["emu", "cat", "dog"])
    assert [scores.label for scores in report.classes] == ["emu", "cat", "dog"]


def test_numbers_may_be_labels():
    report = classification_report(np.array([0, 1, 1]), np.array([0, 1, 0]), np.array([0, 1]))
    assert [scores.label for scores in report.classes] == ["0", "1"]
    assert report.accuracy == pytest.approx(2 / 3)


def test_a_classification_report_prints_as_a_table():
    assert str(classification_report(TRUE, PREDICTED, ["cat", "dog", "emu"])).splitlines() == [
        "                   precision  recall  specificity     F1 support",
        "cat                    0.667   0.667        0.667  0.667       3",
        "dog                    0.333   0.500        0.500  0.400       2",
        "emu                    0.000   0.000        1.000  0.000       1",
        "",
        "macro average          0.333   0.389        0.722  0.356       6",
        "weighted average       0.444   0.500        0.667  0.467       6",
        "",
        "accuracy               0.500",
        "balanced accuracy      0.389",
        "MCC                    0.151",
    ]


def test_columns_stay_aligned_under_a_long_label():
    lines = str(classification_report([0, 1], [0, 1], [0, 1])).splitlines()
    long = ["a label longer than any other", "b"]
    wide = str(classification_report(long, long, long)).splitlines()
    for table in (lines, wide):
        assert len({len(line) for line in table[: table.index("")]}) == 1


def test_regression_scores_are_those_computed_by_hand():
    report = regression_report([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 6.0])
    assert report.rmse == pytest.approx(1.0)
    assert report.mae == pytest.approx(0.5)
    assert report.r2 == pytest.approx(1 - 4 / 5)
    assert report.n_samples == 4


@pytest.mark.parametrize(("true", "predicted"), [([1.0], [2.0]), ([3.0, 3.0], [1.0, 2.0])])
def test_r2_of_constant_targets_is_nan_and_said_to_be_undefined(true, predicted):
    report = regression_report(true, predicted)
    assert math.isnan(report.r2)
    assert str(report).endswith("nan  undefined: the targets are all equal")


def test_a_regression_report_prints_as_lines():
    assert str(regression_report([100.0, 200.0, 300.0], [100.0, 200.0, 400.0])).splitlines() == [
        "RMSE       57.74  root mean squared error, in the target's unit",
        "MAE        33.33  mean absolute error, in the target's unit",
        "MSE         3333  mean squared error",
        "R2        0.5000  1 is perfect, 0 no better than the mean",
    ]


REPORTS = {
    "(n_samples,) or (n_samples, n_labels)": lambda *y: classification_report(*y, [0, 1]),
    "(n_samples,) or (n_samples, n_outputs)": regression_report,
}


@pytest.mark.parametrize("shapes", REPORTS)
@pytest.mark.parametrize(
    ("true", "predicted", "got"),
    [
        ([0, 1], [0], "(2,) and (1,)"),
        ([[0], [1]], [0, 1], "(2, 1) and (2,)"),
        ([[[0]]], [[[0]]], "(1, 1, 1) and (1, 1, 1)"),
        (0, 1, "() and ()"),
    ],
)
def test_shapes_that_cannot_be_compared_are_refused(shapes, true, predicted, got):
    message = f"y_true and y_pred must both have shape {shapes}, got {got}"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        REPORTS[shapes](true, predicted)


@pytest.mark.parametrize("shapes", REPORTS)
def test_nothing_cannot_be_scored(shapes):
    with pytest.raises(DataError, match="y_pred are empty: there is nothing to score"):
        REPORTS[shapes]([], [])


@pytest.mark.parametrize(
    ("true", "predicted", "name"), [(["fox"], ["cat"], "y_true"), (["cat"], ["fox"], "y_pred")]
)
def test_a_label_that_is_no_class_is_refused(true, predicted, name):
    message = f"^{name} contains 'fox', which is none of the classes cat, dog$"
    with pytest.raises(DataError, match=message):
        classification_report(true, predicted, ["cat", "dog"])


@pytest.mark.parametrize(
    ("true", "predicted", "name"),
    [([math.nan], [1.0], "y_true"), ([1.0], [math.inf], "y_pred")],
)
def test_a_value_that_is_not_finite_is_refused(true, predicted, name):
    message = f"^{name} contains NaN or infinity, which no score can be computed from$"
    with pytest.raises(DataError, match=message):
        regression_report(true, predicted)
