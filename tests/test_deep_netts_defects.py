"""What users of Deep Netts run into does not happen here: each test names one such defect."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

import netts
from netts import MLPClassifier, MLPRegressor, Network, Trainer, layers
from netts.data import load
from netts.data.splitting import split_table
from netts.errors import DivergenceError, ParameterError
from netts.estimators import TableModel
from netts.evaluation import (
    classification_report,
    cross_validate,
    evaluate,
    evaluate_classes,
    regression_report,
)
from netts.optimizers import SGD
from netts.training import EarlyStopping

TRUE = ["a"] * 6 + ["b"] * 3 + ["c"]
PREDICTED = ["a", "a", "a", "a", "b", "c", "b", "b", "a", "a"]


@pytest.fixture(scope="module")
def iris():
    table = load("iris")
    return (table.X - table.X.mean(axis=0)) / table.X.std(axis=0), table.y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_save_and_load_gives_the_same_predictions_bit_by_bit(iris, tmp_path, dtype):
    X, y = iris
    classifier = MLPClassifier((16, 8), dtype=dtype, tol=1e-2, random_state=0).fit(X, y)
    classifier.save(tmp_path / "classifier.netts")
    network = Network([layers.Dense(8, "tanh"), layers.BatchNorm(), layers.Dense(3)], dtype)
    codes = np.unique(y, return_inverse=True)[1]
    Trainer(network, epochs=3, random_state=0).fit(X.astype(dtype), codes)
    network.save(tmp_path / "network.netts")
    loaded = netts.load(tmp_path / "classifier.netts")
    probabilities = loaded.predict_proba(X)
    assert probabilities.dtype == dtype
    assert probabilities.tobytes() == classifier.predict_proba(X).tobytes()
    assert loaded.predict(X).tolist() == classifier.predict(X).tolist()
    outputs = netts.load(tmp_path / "network.netts").predict(X.astype(dtype))
    assert outputs.tobytes() == network.predict(X.astype(dtype)).tobytes()


def test_save_and_load_of_a_whole_table_model_too(tmp_path):
    table = load("diabetes")
    model = TableModel(MLPRegressor(hidden_layer_sizes=(8,), tol=0.1, random_state=0))
    model.fit(table, table.y).save(tmp_path / "model.netts")
    loaded = netts.load(tmp_path / "model.netts")
    assert loaded.predict(table).tobytes() == model.predict(table).tobytes()


def test_cross_validation_evaluates_the_trained_clone_of_each_fold(iris):
    X, y = iris
    original = MLPClassifier((8,), learning_rate_init=0.05, tol=1e-2, random_state=0)
    found = cross_validate(original, X, y, n_splits=3, random_state=0)
    assert not hasattr(original, "coefs_")
    for fold in found.folds:
        assert fold.estimator is not original
        rest = np.setdiff1d(np.arange(len(y)), fold.rows)
        again = MLPClassifier((8,), learning_rate_init=0.05, tol=1e-2, random_state=0)
        again.fit(X[rest], y[rest])
        score = np.mean(again.predict(X[fold.rows]) == y[fold.rows])
        assert fold.evaluation.report.accuracy == score > 0.8
    tested = np.concatenate([fold.rows for fold in found.folds])
    assert sorted(tested) == list(range(len(y)))


class Memory(ClassifierMixin, BaseEstimator):
    """Knows the rows that it was trained on by heart, and says "?" to all others."""

    def fit(self, X, y):
        self.classes_ = np.unique([*y, "?"])
        self.answers_ = dict(zip(X[:, 0].tolist(), y, strict=True))
        return self

    def predict(self, X):
        return np.array([self.answers_.get(one, "?") for one in X[:, 0].tolist()])


def test_cross_validation_tests_on_rows_that_the_clone_has_not_seen():
    X, y = np.arange(20.0).reshape(-1, 1), np.array(["a", "b"] * 10)
    assert evaluate(Memory().fit(X, y), X, y).report.accuracy == 1.0
    assert cross_validate(Memory(), X, y, n_splits=4).means["accuracy"] == 0.0


def test_recall_is_tp_over_tp_plus_fn():
    a, b, c = classification_report(TRUE, PREDICTED, ["a", "b", "c"]).classes
    assert (a.recall, b.recall, c.recall) == (4 / 6, 2 / 3, 0 / 1)
    assert (a.precision, b.precision, c.precision) == (4 / 6, 2 / 3, 0 / 1)
    assert (a.specificity, b.specificity, c.specificity) == (2 / 4, 6 / 7, 8 / 9)
    unequal = classification_report([1, 1, 1, 0], [1, 0, 0, 1], [0, 1]).classes[1]
    assert (unequal.recall, unequal.precision) == (1 / 3, 1 / 2)


def test_accuracy_of_several_classes_is_the_share_of_right_predictions():
    # Not (TP + TN) / all of each class against the rest, which would be 22 / 30 here.
    evaluation = evaluate_classes(TRUE, PREDICTED, ["a", "b", "c"])
    assert evaluation.report.accuracy == 6 / 10
    assert evaluation.report.accuracy == np.trace(evaluation.confusion_matrix) / 10


def test_f_is_explained_variance_per_feature_by_unexplained_per_degree_of_freedom():
    rng = np.random.default_rng(0)
    n, p = 30, 3
    X = np.column_stack([np.ones(n), rng.normal(size=(n, p))])
    y = X @ [1.0, 2.0, 0.0, -1.0] + rng.normal(size=n)
    predicted = X @ np.linalg.lstsq(X, y)[0]
    explained = np.sum((predicted - y.mean()) ** 2)
    unexplained = np.sum((y - predicted) ** 2)
    report = regression_report(y, predicted, n_features=p)
    assert report.f_statistic == pytest.approx((explained / p) / (unexplained / (n - p - 1)))
    total = np.sum((y - y.mean()) ** 2)
    adjusted = 1 - (unexplained / (n - p - 1)) / (total / (n - 1))
    assert report.adjusted_r2 == pytest.approx(adjusted)


@pytest.mark.parametrize("size", [0.1, 0.2, 1 / 3, 0.5, 0.77])
@pytest.mark.parametrize("name", ["iris", "wine", "diabetes"])
def test_splits_lose_no_rows(name, size):
    table = load(name)
    training, held_back = split_table(table, size, random_state=0)
    lines = np.concatenate([training.line_numbers, held_back.line_numbers])
    assert sorted(lines) == sorted(table.line_numbers)


@pytest.mark.parametrize("n_splits", [2, 3, 7, 10])
@pytest.mark.parametrize("stratify", [True, False])
def test_folds_lose_no_rows_where_they_do_not_divide_evenly(n_splits, stratify):
    X, y = np.arange(53.0).reshape(-1, 1), np.array([*"ab" * 26, "a"])
    found = cross_validate(Memory(), X, y, n_splits=n_splits, n_repeats=2, stratify=stratify)
    for repeat in (0, 1):
        rows = [fold.rows for fold in found.folds if fold.repeat == repeat]
        assert sorted(np.concatenate(rows)) == list(range(53))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_log_of_zero_never_reaches_a_loss(dtype, loss):
    network = Network([layers.Dense(2 if loss == "cross_entropy" else 1)])
    X = np.array([[1e4], [-1e4]], dtype)  # logits so far apart that probabilities are 0 and 1
    network.build(1, dtype=dtype, random_state=0)
    weights = network.weights()
    name = next(key for key in weights if key.endswith("weight"))
    weights[name][...] = [[-1.0, 1.0]] if loss == "cross_entropy" else [[1.0]]
    network.set_weights(weights)
    assert {0.0, 1.0} <= set(network.predict(X, loss=loss).ravel().tolist())
    wrong = np.array([0, 1])
    trainer = Trainer(network, loss=loss, optimizer=SGD(1e-6), epochs=1, shuffle=False)
    (value,) = trainer.fit(X, wrong).loss
    assert value == pytest.approx(2e4 if loss == "cross_entropy" else 1e4, rel=1e-3)


def test_log_of_zero_never_reaches_the_log_loss_of_an_evaluation():
    certain = [[1.0, 0.0], [0.0, 1.0]]
    report = classification_report([1, 0], [0, 1], [0, 1], probabilities=certain)
    assert report.log_loss == pytest.approx(-math.log(np.finfo(float).eps))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh_of_45_is_1(dtype):
    x = np.array([[45.0, -45.0, 1000.0, -1000.0, 0.0]], dtype)
    network = Network([layers.Tanh()]).build(5, dtype=dtype)
    np.testing.assert_array_equal(network.predict(x), [[1.0, -1.0, 1.0, -1.0, 0.0]])


@pytest.mark.parametrize("monitor", ["validation_loss", "validation_score"])
def test_early_stopping_without_validation_data_is_refused_with_advice(monitor):
    trainer = Trainer(Network([layers.Dense(2)]), early_stopping=EarlyStopping(monitor))
    advice = "pass validation_fraction or validation_data, or EarlyStopping('loss')"
    with pytest.raises(ParameterError, match=re.escape(advice)):
        trainer.fit(np.zeros((10, 2)), np.arange(10) % 2)


def test_l2_reaches_the_gradients():
    def weights_after(l2):
        network = Network([layers.Dense(1)]).build(3, dtype=np.float64, random_state=0)
        before = {name: one.copy() for name, one in network.weights().items()}
        optimizer = SGD(0.1, momentum=0.0, nesterov=False)
        trainer = Trainer(
            network, loss="squared_error", optimizer=optimizer, epochs=1, batch_size=None, l2=l2,
            shuffle=False,
        )  # fmt: skip
        trainer.fit(np.eye(3), np.ones(3))
        return before, network.weights()

    before, plain = weights_after(0.0)
    _, decayed = weights_after(0.6)
    (weight,) = (name for name in before if name.endswith("weight"))
    (bias,) = (name for name in before if name.endswith("bias"))
    # The gradient of l2 / 2 * sum of squares / n_samples is l2 * weight / n_samples.
    np.testing.assert_allclose(plain[weight] - decayed[weight], 0.1 * 0.6 * before[weight] / 3)
    np.testing.assert_array_equal(plain[bias], decayed[bias])
    assert np.abs(before[weight]).min() > 0


def test_training_that_meets_nan_says_so_and_what_to_do():
    X = np.random.default_rng(0).normal(size=(40, 3)) * 1e3
    network = Network([layers.Dense(8, "relu"), layers.Dense(1)])
    optimizer = SGD(1e3)
    trainer = Trainer(network, loss="squared_error", optimizer=optimizer, random_state=0)
    with (
        np.errstate(all="ignore"),
        pytest.raises(DivergenceError, match=r"in epoch \d+ .*: try a smaller one, such as 100, "),
    ):
        trainer.fit(X, X[:, 0])
    assert all(np.isfinite(one).all() for one in network.weights().values())


def test_nan_in_the_data_is_refused_before_training():
    X = np.zeros((10, 2))
    X[3, 1] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        MLPClassifier().fit(X, np.arange(10) % 2)
    with pytest.raises(ValueError, match=r"not finite .* in row 3, column 1: nan; fill or drop"):
        Trainer(Network([layers.Dense(2)])).fit(X, np.arange(10) % 2)
