"""ONNX files of estimators and table models give what these predict, in onnxruntime."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from estimator_cases import CLASSIFICATIONS, TASKS, data, estimator, fit, network_estimator
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from netts import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor, layers
from netts.data import TableEncoder
from netts.data.encoded_columns import EncodedColumn
from netts.data.exporting import NOT_A_TIME, WRITERS
from netts.errors import OneClassWarning, ParameterError, UnexportableError
from netts.estimators import TableModel
from netts.losses import CrossEntropy, Huber
from netts.optimizers import Adam

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = {"hidden_layer_sizes": (8,), "max_iter": 30, "random_state": 0, "learning_rate_init": 0.02}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def run(path, inputs):
    """Return all outputs by name."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("task", CLASSIFICATIONS)
def test_classifiers_give_labels_and_probabilities(task, activation, path):
    X, y = data(task)
    model = fit(estimator(task, activation=activation, dropout=0.2), X, y)
    model.to_onnx(path)
    found = run(path, {"X": X.astype(np.float32)})
    assert list(found) == ["label", "probabilities"]
    assert_array_equal(found["label"], model.predict(X))
    assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("task", [task for task in TASKS if task not in CLASSIFICATIONS])
def test_regressors_give_quantities(task, path):
    X, y = data(task)
    model = fit(estimator(task), X, y)
    model.to_onnx(path)
    found = run(path, {"X": X.astype(np.float32)})
    assert list(found) == ["variable"]
    expected = model.predict(X).reshape(len(X), -1)
    assert_allclose(found["variable"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_in_float64_they_agree_to_the_last_digits(task, path):
    X, y = data(task)
    model = fit(estimator(task), X, y)
    model.to_onnx(path, dtype=np.float64)
    found = run(path, {"X": X})
    if task in CLASSIFICATIONS:
        assert_allclose(found["probabilities"], model.predict_proba(X), rtol=1e-12, atol=1e-15)
    else:
        assert_allclose(found["variable"].squeeze(), model.predict(X), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "classes",
    [
        np.array([3, 10, 12]), np.array([3, 10]), np.array([3, 10], np.uint8),
        np.array([False, True]), np.array([0.0, 1.0, 7.0]), np.array(["a", "b"], object),
        np.array(["", "ü", "ü "]),
    ],
)  # fmt: skip
def test_labels_are_those_of_the_training(classes, path):
    X, numbers = data("multiclass")
    y = classes[np.searchsorted(["low", "mid", "top"], numbers) % len(classes)]
    model = fit(MLPClassifier((5,), max_iter=20, random_state=0), X, y)
    model.to_onnx(path)
    found = run(path, {"X": X.astype(np.float32)})["label"]
    assert found.tolist() == model.predict(X).tolist()


def test_the_only_class_is_every_label(path):
    X, _ = data("binary")
    with pytest.warns(OneClassWarning):
        model = fit(MLPClassifier((3,), max_iter=2), X, np.full(len(X), "one"))
    model.to_onnx(path)
    found = run(path, {"X": X.astype(np.float32)})
    assert set(found["label"].tolist()) == {"one"}
    assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-5)


def network(task, **settings):
    """A network estimator with what behaves otherwise in training."""
    hidden = [layers.Dense(6, "tanh"), layers.BatchNorm(), layers.Dropout(0.2)]
    return network_estimator(task, **({"layers": hidden} | settings))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("task", TASKS)
def test_network_estimators_give_what_mlps_of_their_task_give(task, dtype, path):
    X, y = data(task)
    loss = {"counts": "poisson", "regression": Huber()}.get(task, "auto")
    model = network(task, loss=loss).fit(X, y)
    model.to_onnx(path, dtype=dtype)
    found = run(path, {"X": X.astype(dtype)})
    # In a file the epsilon of normalisation is a float32.
    precision = {"atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-11}
    if task in CLASSIFICATIONS:
        assert list(found) == ["label", "probabilities"]
        assert_array_equal(found["label"], model.predict(X))
        assert_allclose(found["probabilities"], model.predict_proba(X), **precision)
    else:
        assert list(found) == ["variable"]
        expected = model.predict(X).reshape(len(X), -1)
        assert_allclose(found["variable"], expected, **({"rtol": 1e-5} | precision))


@pytest.mark.parametrize(
    ("task", "loss", "name", "n_columns"),
    [
        ("binary", CrossEntropy(), "probabilities", 2),
        ("binary", "hinge", "scores", 1),
        ("binary", "squared_error", "scores", 1),
        ("multiclass", "hinge", "scores", 3),
        ("multilabel", "squared_error", "scores", 3),
    ],
)
def test_losses_without_probabilities_give_scores(task, loss, name, n_columns, path):
    X, y = data(task, 60)
    model = network(task, loss=loss).fit(X, y)
    model.to_onnx(path)
    found = run(path, {"X": X.astype(np.float32)})
    assert list(found) == ["label", name]
    assert_array_equal(found["label"], model.predict(X))
    assert len(np.unique(found["label"])) > 1
    assert found[name].shape == (60, n_columns)
    assert_allclose(found[name], model._outputs(X), atol=1e-5)


def test_a_network_of_one_class_gives_that_label(path):
    X, _ = data("binary")
    for loss in ("auto", "hinge"):
        with pytest.warns(OneClassWarning):
            model = network("binary", loss=loss).fit(X, np.full(len(X), 7))
        model.to_onnx(path)
        assert set(run(path, {"X": X.astype(np.float32)})["label"].tolist()) == {7}


def test_networks_of_images_take_images(path):
    X, y = load_digits(return_X_y=True)
    images, names = (X[:200].reshape(-1, 1, 8, 8) / 16).astype(np.float32), y[:200].astype(str)
    architecture = [layers.Conv2D(6, 3, activation="relu"), layers.MaxPool2D(2)]
    classifier = NetworkClassifier(architecture, epochs=8, random_state=0, optimizer=Adam(0.01))
    classifier.fit(images, names).to_onnx(path)
    declared = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_value for one in declared][1:] == [1, 8, 8]
    found = run(path, {"X": images})
    assert_array_equal(found["label"], classifier.predict(images))
    assert_allclose(found["probabilities"], classifier.predict_proba(images), atol=1e-5)
    regressor = NetworkRegressor(architecture, epochs=3, random_state=0)
    regressor.fit(images, y[:200]).to_onnx(path)
    expected = regressor.predict(images)[:, None]
    assert_allclose(run(path, {"X": images})["variable"], expected, rtol=1e-5, atol=1e-5)


def test_networks_that_have_learned_nothing_or_layers_of_ones_own_are_refused(path):
    X, y = data("regression")
    with pytest.raises(NotFittedError):
        NetworkRegressor().to_onnx(path)

    class Own(layers.Dense):
        def forward(self, at):
            super().forward(at)

    model = network("regression", layers=[Own(4)]).fit(X, y)
    with pytest.raises(UnexportableError, match="Own"):
        model.to_onnx(path)
    assert not path.exists()


def mixed(n_samples=60):
    """A column of every kind, with missing values in two of them; labels and prices."""
    random = np.random.default_rng(0)
    size = random.normal(90, 30, n_samples)
    place = random.choice(["Bern", "Genf", "Chur"], n_samples).astype(object)
    garden = random.random(n_samples) < 0.5
    sold = np.datetime64("2020-01-01") + random.integers(0, 1000, n_samples)
    price = 1e6 + 1e4 * size + 3e5 * (place == "Genf") + 2e5 * garden
    size[::10], place[5::10] = np.nan, None
    rooms = random.integers(10**12, 10**12 + 5, n_samples)  # more digits than float32 has
    X = {"size": size, "place": place, "garden": garden, "sold": sold, "rooms": rooms}
    X["always"] = np.ones(n_samples)
    return X, np.where(price > np.median(price), "dear", "cheap"), price


def as_inputs(X):
    """Return a table's columns as docs/exchange.md says that a file takes them."""
    texts = [["" if one is None else one] for one in X["place"]]
    return {
        "size": np.asarray(X["size"], np.float64)[:, None],
        "place": np.array(texts, dtype=object),
        "garden": np.asarray(X["garden"], np.float64)[:, None],
        "sold": X["sold"].astype("datetime64[us]").astype(np.int64)[:, None],
        "rooms": np.asarray(X["rooms"], np.float64)[:, None],
    }


def new_rows(X):
    """Return a few rows with what training has not seen: a place, an absent garden and date."""
    rows = {name: values[:8].copy() for name, values in X.items()}
    rows["place"][2] = "Brig"
    rows["garden"] = rows["garden"].astype(object)
    rows["garden"][3] = None
    rows["sold"][4] = np.datetime64("NaT")
    rows["size"][1] = np.nan
    return rows


@pytest.mark.parametrize("rows", [lambda X: X, new_rows], ids=["those trained on", "new ones"])
def test_a_classifier_of_a_mixed_table_gives_the_same(rows, path):
    X, labels, _ = mixed()
    encoder = TableEncoder(handle_unknown="ignore")
    model = TableModel(MLPClassifier(**QUICK), encoder=encoder).fit(X, labels)
    model.to_onnx(path)
    asked = rows(X)
    found = run(path, as_inputs(asked))
    assert_array_equal(found["label"], model.predict(asked))
    assert_allclose(found["probabilities"], model.predict_proba(asked), atol=1e-5)


@pytest.mark.parametrize("rows", [lambda X: X, new_rows], ids=["those trained on", "new ones"])
def test_quantities_come_in_their_own_unit(rows, path):
    X, _, prices = mixed()
    encoder = TableEncoder(handle_unknown="ignore")
    model = TableModel(MLPRegressor(**QUICK), encoder=encoder).fit(X, prices)
    model.to_onnx(path)
    asked = rows(X)
    found = run(path, as_inputs(asked))["variable"]
    assert found.dtype == np.float64
    assert_allclose(found[:, 0], model.predict(asked), rtol=1e-5)


def test_each_input_says_what_it_takes(path):
    X, labels, _ = mixed()
    TableModel(MLPClassifier(**QUICK)).fit(X, labels).to_onnx(path)
    said = {one.name: one.doc_string for one in onnx.load(path).graph.input}
    assert said == {
        "size": "a number, NaN where it is missing",
        "place": "a category; empty where it is missing",
        "garden": "1 for yes, 0 for no, NaN where it is missing",
        "sold": (
            "a date in whole microseconds since 1970-01-01 UTC, as NumPy's datetime64[us] holds "
            f"it; {NOT_A_TIME} where it is missing"
        ),
        "rooms": "a number, NaN where it is missing",
    }


def test_every_kind_of_column_is_written():
    assert set(WRITERS) == set(typing.get_args(EncodedColumn))


def test_empty_texts_beside_missing_ones_are_refused(path):
    X = {"place": np.array(["", "a", None, "a", "b", ""] * 4, dtype=object)}
    model = TableModel(MLPClassifier(**QUICK)).fit(X, ["x", "y"] * 12)
    with pytest.raises(UnexportableError, match="column 'place' has empty texts and missing"):
        model.to_onnx(path)
    assert not path.exists()


def test_a_column_may_be_called_like_an_output(path):
    X = {"label": np.arange(12.0), "probabilities": np.arange(12.0) % 5}
    model = TableModel(MLPClassifier(**QUICK)).fit(X, ["x", "y"] * 6)
    model.to_onnx(path)
    found = run(path, {name: values[:, None] for name, values in X.items()})
    assert_allclose(found["probabilities_2"], model.predict_proba(X), atol=1e-5)


def test_classes_that_no_file_holds_are_refused(path):
    X, y = data("binary")
    model = fit(MLPClassifier((3,), max_iter=2), X, y == "yes")
    model.classes_ = np.array([1, None], dtype=object)
    with pytest.raises(UnexportableError, match=r"classes \[1, None\] are of dtype object"):
        model.to_onnx(path)
    with pytest.raises(ParameterError, match="float32 or float64"):
        model.to_onnx(path, dtype="float16")


ENCODINGS = {
    "place": "one-hot",
    "size": ["small", "medium", "large"],
    "shop": "embedding",
    "rank": ["a", "b", "c"],
}


def of_every_encoding(n_samples=40):
    random = np.random.default_rng(1)
    X = {
        "price": random.uniform(10, 1000, n_samples),
        "place": random.choice(["Bern", "Genf"], n_samples).astype(object),
        "size": random.choice(["small", "medium", "large"], n_samples).astype(object),
        "shop": random.choice(["x", "y", "z"], n_samples).astype(object),
        "rank": random.choice(["a", "b", "c"], n_samples).astype(object),
        "sold": np.datetime64("2020-01-01T10:30") + random.integers(0, 10**7, n_samples),
        "open": random.random(n_samples) < 0.5,
    }
    X["size"][3], X["shop"][4], X["price"][5] = None, None, np.nan
    return X


@pytest.mark.parametrize(
    "scaler", ["standard", "min-max", "max-abs", "robust", "decimal", "none", (-1.0, 2.0)]
)
def test_an_encoder_of_any_scaler_and_encodings_gives_the_same(scaler, path):
    X = of_every_encoding()
    encoder = TableEncoder(scaler=scaler, encodings=ENCODINGS, handle_unknown="ignore").fit(X)
    encoder.to_onnx(path)
    X["place"][0], X["size"][1], X["shop"][2] = "Brig", "tiny", "w"  # which training has not seen
    X["rank"][6], X["place"][7] = None, None
    texts = {name: X[name] for name in ENCODINGS}
    inputs = {
        name: np.array([["" if one is None else one] for one in values], dtype=object)
        for name, values in texts.items()
    }
    inputs["price"], inputs["open"] = X["price"][:, None], X["open"].astype(np.float64)[:, None]
    inputs["sold"] = X["sold"].astype("datetime64[us]").astype(np.int64)[:, None]
    assert_array_equal(run(path, inputs)["inputs"], encoder.transform(X))


def test_targets_of_any_scaler_come_in_their_own_unit(path):
    X, _, prices = mixed()
    model = TableModel(MLPRegressor(**QUICK), target_scaler="robust").fit(X, prices)
    model.to_onnx(path)
    assert_allclose(run(path, as_inputs(X))["variable"][:, 0], model.predict(X), rtol=1e-5)
