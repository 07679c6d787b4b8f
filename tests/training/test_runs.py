"""Epochs that nobody looks at run in one go, and end as those that somebody looks at."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from trainings import CLASSES, WEIGHTS, X, mlp

from netts import MLPClassifier, MLPRegressor, Network, Trainer, layers
from netts.errors import DivergenceError, InterruptedFitWarning
from netts.estimators.protocol import MOST_DRAWN_AGAIN, EpochOrder
from netts.graph import plan
from netts.optimizers import SGD, Adam
from netts.training import Callback, EarlyStopping
from netts.training.session import Session


class Onlooker(Callback):
    """Looks at every epoch and does nothing."""

    def on_epoch_end(self, trainer, history):
        pass


@pytest.fixture
def runs(monkeypatch):
    """How many epochs each run was given, in order."""
    monkeypatch.setenv("NETTS_DEVICE", "cpu")  # where runs are made
    given_epochs = []
    run_epochs = Session.run_epochs

    def counted(self, rate, orders, pace):
        given_epochs.append(len(orders))
        return run_epochs(self, rate, orders, pace)

    monkeypatch.setattr(Session, "run_epochs", counted)
    return given_epochs


def network(dropout=0.0):
    return Network([layers.Dense(7, "tanh"), layers.Dropout(dropout), layers.Dense(3)])


def fitted(is_watched, *, data=(X, CLASSES), net=None, resume=False, **options):
    """A trainer behind its fit; with an onlooker it goes from epoch to epoch."""
    callbacks = [Onlooker()] if is_watched else []
    options = {"epochs": 9, "batch_size": 16, "random_state": 3} | options
    trainer = Trainer(net or network(), callbacks=callbacks, **options)
    trainer.fit(*data, resume=resume)
    return trainer


def assert_same(one, other):
    assert one.history_.loss == other.history_.loss
    assert one.history_.steps == other.history_.steps
    assert one.history_.stopped_by == other.history_.stopped_by
    assert one.history_.learning_rate == other.history_.learning_rate
    weights, others = one.network.weights(), other.network.weights()
    for name, array in weights.items():
        assert_array_equal(array, others[name], err_msg=name)
    for name in ("epochs", "samples", "rate", "position"):
        assert getattr(one.resumable_, name) == getattr(other.resumable_, name), name
    assert_array_equal(one.resumable_.optimizer, other.resumable_.optimizer)
    drawn = [copy.deepcopy(x.resumable_.generator).random(5) for x in (one, other)]
    assert_array_equal(*drawn)


@settings(max_examples=25)
@given(
    epochs=st.integers(1, 40),
    batch_size=st.sampled_from([1, 8, 16, 70, None]),
    patience=st.sampled_from([None, 0, 1, 3, 10, np.inf]),
    optimizer=st.sampled_from([SGD(0.3, momentum=0.9), Adam(0.03)]),
    shuffle=st.booleans(),
    is_weighted=st.booleans(),
    dropout=st.sampled_from([0.0, 0.4]),
    accumulate=st.sampled_from([1, 2]),
)
def test_weights_losses_and_what_comes_next_are_the_same(
    epochs, batch_size, patience, optimizer, shuffle, is_weighted, dropout, accumulate
):
    rule = patience is not None and EarlyStopping("loss", patience, 0.01, restore_best=False)
    options = {
        "epochs": epochs, "batch_size": batch_size, "early_stopping": rule or None,
        "optimizer": optimizer, "shuffle": shuffle, "accumulate": accumulate,
    }  # fmt: skip
    data = (X, CLASSES, WEIGHTS) if is_weighted else (X, CLASSES)
    alone, watched = (
        fitted(is_watched, data=data, net=network(dropout), **options)
        for is_watched in (False, True)
    )
    assert_same(alone, watched)
    again, other = (
        fitted(False, data=data, net=one.network, resume=one.resumable_, **options)
        for one in (alone, watched)
    )
    assert_same(again, other)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_the_last_run_is_as_long_as_what_is_left(device, runs):
    alone = fitted(False, device=device, epochs=20)
    assert runs == [16, 4]
    assert_same(alone, fitted(True, device=device, epochs=20))


def test_a_run_ends_before_patience_can(runs):
    rule = EarlyStopping("loss", patience=4, min_delta=100.0, restore_best=False)
    alone = fitted(False, epochs=50, early_stopping=rule)
    assert runs == [5]  # the first of them is the best so far: four without progress
    assert len(alone.history_) == 6
    assert alone.history_.stopped_by == "early_stopping"
    assert_same(alone, fitted(True, epochs=50, early_stopping=rule))


@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": EarlyStopping("loss", restore_best=True)},
        {"early_stopping": EarlyStopping("validation_loss"), "validation_fraction": 0.3},
        {"validation_fraction": 0.3},
        {"schedule": "exponential"},
        {"target": {"loss": 0.01}},
        {"max_steps": 11},
        {"shuffle": lambda n: np.arange(n)[::-1]},
        {"optimizer": "lbfgs", "batch_size": None},
        {"data_memory_bytes": 1200},
    ],
    ids=lambda options: next(iter(options)),
)
def test_where_something_is_decided_behind_each_epoch_they_run_one_by_one(options, runs):
    fitted(False, **options)
    assert runs == []


@pytest.mark.parametrize("watched", [False, True])
def test_a_training_that_diverges_goes_back_to_the_last_good_epoch(watched, runs):
    net = mlp().build(6, random_state=0)
    rising = np.where(np.arange(70)[:, None] % 2, X, 1e3 * X).astype(np.float32)
    with pytest.raises(DivergenceError) as raised:
        fitted(watched, net=net, data=(rising, CLASSES), optimizer=SGD(3e37), shuffle=False)
    assert bool(runs) is not watched
    other = mlp().build(6, random_state=0)
    with pytest.raises(DivergenceError) as expected:
        fitted(True, net=other, data=(rising, CLASSES), optimizer=SGD(3e37), shuffle=False)
    assert str(raised.value) == str(expected.value)
    for name, array in net.weights().items():
        assert np.isfinite(array).all()
        assert_array_equal(array, other.weights()[name])


def test_a_later_epoch_that_diverges_leaves_the_one_before(runs):
    # Each step doubles the weights, so that they overflow somewhere within a run.
    nets, messages = [], []
    for is_watched in (False, True):
        net = Network([layers.Dense(1)]).build(1, dtype=np.float32, random_state=0)
        data = (np.full((8, 1), 3.0, np.float32), np.full(8, -1.0, np.float32))
        with pytest.raises(DivergenceError) as raised:
            fitted(
                is_watched, net=net, data=data, loss="squared_error",
                optimizer=SGD(2e3), epochs=60, batch_size=8,
            )  # fmt: skip
        nets.append(net)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert "epoch 1 of" not in messages[0]
    for name, array in nets[0].weights().items():
        assert np.isfinite(array).all()
        assert_array_equal(array, nets[1].weights()[name])


def endless(**options):
    """A trainer of very many epochs."""
    return Trainer(network(), epochs=10**6, batch_size=16, random_state=3, **options)


def fitted_until(act, trainer):
    """Fit, and let something happen soon."""
    timer = threading.Timer(0.2, act)
    timer.start()
    trainer.fit(X, CLASSES)
    timer.join()


def test_a_stop_between_two_epochs_can_be_gone_on_from(runs):
    trainer = endless()
    fitted_until(trainer.stop, trainer)
    n_epochs = len(trainer.history_)
    assert n_epochs > 1
    assert trainer.history_.stopped_by == "callback"
    whole = fitted(False, epochs=n_epochs)
    assert trainer.history_.loss == whole.history_.loss
    more = fitted(False, net=trainer.network, resume=trainer.resumable_, epochs=5)
    other = fitted(False, net=whole.network, resume=whole.resumable_, epochs=5)
    assert_same(more, other)


def test_limited_time_ends_a_run(runs):
    trainer = endless(max_seconds=0.2)
    trainer.fit(X, CLASSES)
    assert trainer.history_.stopped_by == "seconds"
    assert trainer.history_.loss == fitted(False, epochs=len(trainer.history_)).history_.loss


@pytest.mark.parametrize("n_before", [0, 1, 5])
def test_ctrl_c_keeps_the_epochs_that_were_done(n_before, monkeypatch):
    make_cycle = plan.make_cycle

    class Interrupted:
        """A cycle in whose second run Ctrl-C is pressed."""

        def __init__(self, turns):
            self.cycle, self.n_runs = make_cycle(turns), 0

        def run(self, steps, stop):
            self.n_runs += 1
            if self.n_runs == 1:
                return self.cycle.run(steps, stop)
            self.cycle.run(n_before, stop)
            raise KeyboardInterrupt

    monkeypatch.setattr(plan, "make_cycle", Interrupted)
    trainer = endless()
    with pytest.warns(InterruptedFitWarning):
        trainer.fit(X, CLASSES)
    monkeypatch.undo()
    n_epochs = len(trainer.history_)
    assert n_epochs == 16 + n_before
    assert trainer.history_.stopped_by == "interrupt"
    whole = fitted(False, epochs=n_epochs)
    assert trainer.history_.loss == whole.history_.loss
    for name, array in trainer.network.weights().items():
        assert_array_equal(array, whole.network.weights()[name])


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("n_iter_no_change", [2, 10])
def test_an_estimator_draws_no_more_random_numbers_than_it_uses(estimator, n_iter_no_change, runs):
    found = []
    for callbacks in ([], [Onlooker()]):
        random_state = np.random.RandomState(5)
        model = estimator(
            hidden_layer_sizes=(6,), random_state=random_state, max_iter=60,
            learning_rate_init=0.02, tol=0.01, n_iter_no_change=n_iter_no_change,
            callbacks=callbacks,
        )  # fmt: skip
        model.fit(X.astype(np.float64), CLASSES)
        found.append((model, random_state.uniform(size=3)))
    assert runs
    (alone, next_alone), (watched, next_watched) = found
    assert_array_equal(next_alone, next_watched)
    assert alone.loss_curve_ == watched.loss_curve_
    assert alone.n_iter_ == watched.n_iter_ < 60
    for one, other in zip(alone.coefs_, watched.coefs_, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("n_between", [0, 5, MOST_DRAWN_AGAIN, MOST_DRAWN_AGAIN + 1])
@pytest.mark.parametrize("n_before", [0, 1])
def test_the_order_of_epochs_goes_back_to_a_mark(n_before, n_between):
    order = EpochOrder(np.random.RandomState(0))
    plain = EpochOrder(np.random.RandomState(0))
    expected = [plain(9) for _ in range(n_before + n_between + 6)]
    for _ in range(n_before):
        order(9)
    order.mark()
    for _ in range(n_between):
        order(9)
    mark = order.mark()
    for _ in range(2):
        drawn = [order(9) for _ in range(3)]
        assert_array_equal(drawn, expected[n_before + n_between :][:3])
        order.go_back(mark)
    rest = [order(9), *(order(9) for _ in range(2) if order.mark())]
    assert_array_equal(rest, expected[n_before + n_between :][:3])
