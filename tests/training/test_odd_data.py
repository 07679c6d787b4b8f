"""Data of odd shapes, layouts and dtypes train and predict like plain ones."""

import numpy as np
import pytest

from netts import Network, Trainer, layers


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    return generator.normal(size=(20, 3)), generator.integers(0, 2, 20)


def fitted(X, y, **settings):
    network = Network([layers.Dense(4, "relu"), layers.Dense(2)])
    settings = {"epochs": 2, "batch_size": 6, "random_state": 0, "device": "cpu"} | settings
    trainer = Trainer(network, **settings)
    history = trainer.fit(X, y)
    return history.loss, trainer.predict(X)


def assert_same(found, expected):
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])


def backwards(array):
    return np.ascontiguousarray(array[::-1])[::-1]


def spaced(array):
    return np.repeat(array, 2, axis=0)[::2]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("layout", [list, np.asfortranarray, backwards, spaced, read_only])
def test_the_layout_of_the_data_does_not_matter(data, layout):
    X, y = data
    assert_same(fitted(layout(X), layout(y)), fitted(X, y))


@pytest.mark.parametrize(
    ("dtype", "like"),
    [(np.float16, np.float32), (np.int8, np.float64), (bool, np.float64), (object, np.float64)],
)
def test_dtypes_that_no_network_computes_in_are_converted(data, dtype, like):
    X, y = (3 * data[0]).astype(dtype), data[1]
    found = fitted(X, y)
    assert_same(found, fitted(X.astype(like), y))
    assert found[1].dtype == like


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.uint64])
def test_classes_may_be_of_any_whole_dtype(data, dtype):
    X, y = data
    assert_same(fitted(X, y.astype(dtype)), fitted(X, y))


@pytest.mark.parametrize("batch_size", [1, 20, 1000, None])
@pytest.mark.parametrize(("n_samples", "n_features"), [(1, 1), (1, 3), (20, 1)])
def test_one_sample_one_feature_and_any_batch_size(data, n_samples, n_features, batch_size):
    X, y = data[0][:n_samples, :n_features], data[1][:n_samples]
    losses, probabilities = fitted(X, y, batch_size=batch_size, epochs=1)
    assert len(losses) == 1
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_constant_columns_train(data):
    losses, _ = fitted(np.ones_like(data[0]), data[1], epochs=20)
    assert losses[-1] < losses[0]


def test_no_rows_give_no_predictions():
    network = Network([layers.Dense(4, "relu"), layers.Dense(2)]).build(3, random_state=0)
    assert network.predict(np.empty((0, 3)), loss="cross_entropy").shape == (0, 2)


def test_a_second_fit_goes_on_from_the_weights_of_the_first(data):
    network = Network([layers.Dense(2)])
    trainer = Trainer(network, epochs=5, random_state=0)
    first, second = trainer.fit(*data), trainer.fit(*data)
    assert second.loss[0] < first.loss[0]
    assert len(second) == 5
