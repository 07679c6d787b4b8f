"""Fits that go on from others, and orders that the caller gives: what estimators build on."""

import numpy as np
import pytest

from netts import Network, Trainer, layers
from netts.training import EarlyStopping, Epoch


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(23, 4))
    return X, (X[:, 0] > 0).astype(int)


def trainer(**settings):
    network = Network([layers.Dense(5, "tanh"), layers.Dense(2)], np.float64)
    network.build(4, random_state=0)
    return Trainer(network, **{"epochs": 3, "batch_size": 5, "random_state": 0} | settings)


def assert_equal(one, other):
    for name, array in one.network.weights().items():
        np.testing.assert_array_equal(array, other.network.weights()[name], err_msg=name)


def test_the_caller_may_give_the_order_of_each_epoch(data):
    asked = []

    def order(n_samples):
        asked.append(n_samples)
        return np.arange(n_samples)[::-1]

    reversed_by_us, reversed_by_trainer = trainer(shuffle=False), trainer(shuffle=order)
    first = reversed_by_us.fit(*(array[::-1] for array in data))
    second = reversed_by_trainer.fit(*data)
    assert asked == [23, 23, 23]
    assert first.loss == second.loss
    assert_equal(reversed_by_us, reversed_by_trainer)


def test_another_trainer_goes_on_from_a_resumable(data):
    first, same = trainer(), trainer()
    first.fit(*data)
    same.fit(*data)
    other = trainer()
    other.network.set_weights(same.network.weights())
    expected = first.fit(*data, resume=True)
    assert other.fit(*data, resume=same.resumable_).loss == expected.loss
    assert_equal(first, other)


def test_a_watch_counts_on_in_the_next_fit(data):
    watch = EarlyStopping("loss", patience=4, min_delta=1e9, restore_best=False).start()
    model = trainer(early_stopping=watch)
    assert model.fit(*data).stopped_by == "epochs"
    assert watch.waited == 2  # the first epoch of all is progress
    history = model.fit(*data, resume=True)
    assert (history.stopped_by, len(history)) == ("early_stopping", 3)
    assert watch.is_reached


def test_a_watch_that_knows_a_better_epoch_brings_its_weights_back(data):
    watch = EarlyStopping("loss").start()
    watch.see(Epoch(1, loss=0.0, validation_loss=None, validation_score=None, learning_rate=0.1,
                    seconds=0.1))  # fmt: skip
    model, untouched = trainer(early_stopping=watch), trainer()
    history = model.fit(*data)
    assert history.best_epoch is None
    assert_equal(model, untouched)
