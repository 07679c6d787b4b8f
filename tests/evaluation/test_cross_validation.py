"""Cross-validation: folds as asked for, each predicted by a clone trained on the others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from netts import MLPClassifier
from netts.data import load
from netts.errors import DataError, ParameterError
from netts.estimators import TableModel
from netts.evaluation import cross_validate

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
SIDES = np.where(X[:, 0] + 0.5 * rng.normal(size=60) > 0.8, "right", "left")
PEOPLE = np.repeat(np.arange(12), 5)


def test_the_scores_are_those_of_scikit_learn():
    found = cross_validate(LogisticRegression(), X, SIDES, n_splits=4, random_state=0)
    seed = np.random.RandomState(0).randint(2**31 - 1)
    splitter = StratifiedKFold(4, shuffle=True, random_state=seed)
    expected = cross_val_score(LogisticRegression(), X, SIDES, cv=splitter)
    np.testing.assert_array_equal(found.scores["accuracy"], expected)
    assert found.means["accuracy"] == expected.mean()
    assert found.deviations["accuracy"] == expected.std()


def test_repeats_divide_the_rows_anew_and_a_seed_repeats_them():
    one, again = (
        cross_validate(LinearRegression(), X, X[:, 0], n_splits=3, n_repeats=2, random_state=7)
        for _ in range(2)
    )
    assert [(fold.repeat, fold.number) for fold in one.folds] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2),
    ]  # fmt: skip
    assert one.folds[0].rows.tolist() != one.folds[3].rows.tolist()
    for fold, same in zip(one.folds, again.folds, strict=True):
        np.testing.assert_array_equal(fold.rows, same.rows)


def test_classes_have_the_same_share_of_each_fold_unless_asked_otherwise():
    def shares(stratify):
        found = cross_validate(
            LogisticRegression(), X, SIDES, n_splits=4, stratify=stratify, random_state=0
        )
        return [np.count_nonzero(SIDES[fold.rows] == "right") for fold in found.folds]

    assert max(shares(None)) - min(shares(None)) <= 1
    assert max(shares(False)) - min(shares(False)) > 1


@pytest.mark.parametrize("stratify", [True, False])
def test_groups_stay_together(stratify):
    found = cross_validate(
        LogisticRegression(), X, SIDES, n_splits=4, groups=PEOPLE, stratify=stratify, random_state=0
    )
    for fold in found.folds:
        rest = np.setdiff1d(np.arange(60), fold.rows)
        assert not set(PEOPLE[fold.rows]) & set(PEOPLE[rest])


def test_weights_reach_training_and_scores():
    weights = np.where(np.arange(60) < 40, 1.0, 0.0)
    y = X[:, 0] + np.where(weights, 0.0, 1e6)  # what has no weight is wrong
    found = cross_validate(
        LinearRegression(), X, y, n_splits=3, sample_weight=weights, random_state=0
    )
    assert found.means["RMSE"] < 1e-6


@pytest.mark.parametrize("form", ["table", "columns", "array"])
def test_tables_mappings_and_arrays_are_divided(form):
    iris = load("iris")
    data = {"table": iris, "columns": iris.columns, "array": iris.X}[form]
    model = TableModel(MLPClassifier((8,), learning_rate_init=0.05, tol=1e-2, random_state=0))
    found = cross_validate(model, data, iris.y, n_splits=3, random_state=0)
    assert found.means["accuracy"] > 0.85


def test_it_prints_as_a_table_and_gives_a_plain_dictionary():
    found = cross_validate(LogisticRegression(), X, SIDES, n_splits=3, random_state=0)
    lines = str(found).splitlines()
    assert lines[0].split() == ["mean", "deviation", "least", "greatest"]
    assert float(lines[1].split()[1]) == pytest.approx(found.means["accuracy"], rel=1e-3)
    assert lines[-1] == "3 folds"
    plain = found.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["folds"][2]["rows"] == found.folds[2].rows.tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_splits": 1}, ParameterError, "n_splits is a whole number of at least 2, got 1"),
        ({"n_repeats": 0}, ParameterError, "n_repeats is a whole number of at least 1, got 0"),
        ({"n_splits": 61, "stratify": False}, DataError, "60 rows cannot be divided into 61 folds"),
        ({"groups": PEOPLE, "n_splits": 13}, DataError, "12 groups cannot be divided into 13"),
        ({"groups": PEOPLE[:7]}, DataError, "groups has 7 rows, y has 60"),
        ({"groups": np.arange(59)}, DataError, "groups has 59 rows, y has 60"),
        ({"n_splits": 40}, DataError, "fewer than 40 folds: ask for fewer folds, leave"),
        ({"y": X[:, 0], "stratify": True}, ParameterError, "pass stratify=False"),
        ({"y": [*SIDES[:-1], "up"], "stratify": False}, DataError, "y_true contains 'up', which"),
        ({"X": X[:50]}, DataError, "X has 50 rows, y has 60"),
        ({"X": {"a": X[:, 0], "b": X[:9, 1]}}, DataError, "X['b'] has 9 rows, y has 60"),
    ],
)  # fmt: skip
def test_what_cannot_be_divided_is_refused(arguments, error, message):
    arguments = {"X": X, "y": SIDES, **arguments}
    with pytest.raises(error) as caught:
        cross_validate(LogisticRegression(), **arguments)
    assert message in str(caught.value)
