"""A session that is used again gives what a new one gives."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from netts import Network, Trainer, layers
from netts.optimizers import SGD, Adam
from netts.schedules import OneCycle
from netts.training.reuse import KeptSession


def data(seed, n_samples=23):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_samples, 4))
    return X, (X[:, 0] > 0).astype(int), generator.uniform(0.5, 1, n_samples)


def network():
    made = [layers.Dense(6), layers.BatchNorm(), layers.ReLU(), layers.Dropout(0.2)]
    return Network([*made, layers.Dense(2)]).build(4, dtype=np.float64, random_state=0)


def trained(calls, kept, **settings):
    """The weights after several fits that follow one another, each of a trainer of its own."""
    net, resumable = network(), False
    for X, y, weights in calls:
        trainer = Trainer(net, epochs=2, batch_size=10, random_state=5, **settings)
        trainer.kept_ = kept
        trainer.fit(X, y, weights, resume=resumable)
        resumable = trainer.resumable_
    return net.weights(), trainer.history_.loss


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), Adam(0.01)])
def test_fits_on_other_samples_have_the_bits_of_new_sessions(optimizer, is_weighted, n_sessions):
    calls = [(X, y, w if is_weighted else None) for X, y, w in map(data, range(4))]
    found, losses = trained(calls, KeptSession(), optimizer=optimizer)
    assert len(n_sessions) == 1
    expected, new_losses = trained(calls, None, optimizer=optimizer)
    assert len(n_sessions) == 5
    assert losses == new_losses
    for name, array in expected.items():
        assert_array_equal(found[name], array)


def test_without_resuming_the_optimiser_begins_anew(n_sessions):
    weights = []
    for kept in (KeptSession(), None):
        net = network()
        for seed in (0, 1):
            trainer = Trainer(net, epochs=1, batch_size=10, random_state=5, optimizer="adam")
            trainer.kept_ = kept
            trainer.fit(*data(seed))
        weights.append(net.weights()["0.weight"])
    assert len(n_sessions) == 3
    assert_array_equal(*weights)


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "sgd"}, {"batch_size": 9}, {"l2": 0.1}, {"device": "reference"},
        {"schedule": OneCycle(max_rate=0.1)}, {"validation_fraction": 0.3},
    ],
)  # fmt: skip
def test_another_purpose_makes_another_session(change, n_sessions):
    net, kept = network(), KeptSession()
    for settings in ({}, change):
        trainer = Trainer(net, **{"epochs": 1, "batch_size": 10, "random_state": 5, **settings})
        trainer.kept_ = kept
        trainer.fit(*data(0))
    assert len(n_sessions) == 2


def test_other_shapes_and_dtypes_make_another_session(n_sessions):
    net, kept = network(), KeptSession()
    X, y, weights = data(0)
    for call in ((X, y), (X[:20], y[:20]), (X[:20], y[:20], weights[:20])):
        trainer = Trainer(net, epochs=1, batch_size=10, random_state=5)
        trainer.kept_ = kept
        trainer.fit(*call)
    assert len(n_sessions) == 3


def test_the_samples_of_the_user_are_left_alone():
    (X, y, _), (other, _, _) = data(0), data(1)
    before = X.copy()
    trained([(X, y, None), (other, y, None)], KeptSession())
    assert_array_equal(X, before)


def test_a_fit_that_fails_leaves_no_session(n_sessions):
    X, y, _ = data(0)
    net, kept = network(), KeptSession()

    for bad in (False, True, False):
        trainer = Trainer(net, epochs=1, batch_size=10, random_state=5)
        trainer.kept_ = kept
        if bad:
            trainer.callbacks = [None]
            with pytest.raises(AttributeError):
                trainer.fit(X, y)
        else:
            trainer.fit(X, y)
    assert len(n_sessions) == 2
