"""What scikit-learn's MLP does not have, and how arrays of weights behave."""

import numpy as np
import pytest
from estimator_cases import TASKS, data, estimator, fit
from numpy.testing import assert_allclose, assert_array_equal

import netts
from netts.errors import DivergenceError
from netts.training import Callback, History


@pytest.mark.parametrize("task", TASKS)
def test_every_device_trains_alike(task):
    X, y = data(task)
    cpu, reference = (
        fit(estimator(task, device=device, batch_size=5, max_iter=3, dropout=0.3), X, y)
        for device in ("cpu", "reference")
    )
    assert (cpu.device_, reference.device_) == ("cpu", "reference")
    assert_allclose(cpu.loss_curve_, reference.loss_curve_, rtol=1e-12)
    assert_allclose(cpu.predict(X) == cpu.predict(X), reference.predict(X) == reference.predict(X))
    for one, other in zip(cpu.coefs_, reference.coefs_, strict=True):
        assert_allclose(one, other, rtol=0, atol=1e-12)


def test_auto_takes_the_device_of_the_context(monkeypatch):
    monkeypatch.delenv("NETTS_DEVICE", raising=False)
    X, y = data("regression")
    with netts.device("reference"):
        assert fit(estimator("regression", max_iter=1), X, y).device_ == "reference"
    assert fit(estimator("regression", max_iter=1), X, y).device_ == "cpu"


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype(np.float32)])
@pytest.mark.parametrize("task", ["multiclass", "counts"])
def test_dtype_decides_whatever_x_is(task, dtype):
    X, y = data(task)
    model = fit(estimator(task, dtype=dtype), X, y)
    same = fit(estimator(task), X.astype(np.float32), y)
    assert {array.dtype for array in model.coefs_ + model.intercepts_} == {np.dtype("float32")}
    assert model.loss_curve_ == same.loss_curve_
    double = fit(estimator(task, dtype="float64"), X.astype(np.float32), y)
    assert double.coefs_[0].dtype == np.float64


def test_going_on_keeps_the_dtype():
    X, y = data("regression")
    model = fit(estimator("regression", warm_start=True), X.astype(np.float32), y)
    fit(model, X, y).partial_fit(X, y)
    assert model.coefs_[0].dtype == np.float32
    assert model.predict(X).dtype == np.float32


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_dropout_is_seeded_and_only_in_training(task):
    X, y = data(task)
    first, second, other, without = (
        fit(estimator(task, dropout=rate, random_state=seed, shuffle=False), X, y)
        for rate, seed in ((0.4, 0), (0.4, 0), (0.4, 1), (0.0, 0))
    )
    assert first.loss_curve_ == second.loss_curve_
    assert first.loss_curve_ != other.loss_curve_
    assert first.loss_curve_ != without.loss_curve_
    assert_array_equal(first.predict(X), first.predict(X))
    assert [coef.shape for coef in first.coefs_] == [coef.shape for coef in without.coefs_]


def test_dropout_stands_behind_each_hidden_activation():
    X, y = data("regression")
    model = fit(estimator("regression", dropout=0.25), X, y)
    kinds = [type(node.layer).__name__ for node in model._network().nodes]
    assert kinds == ["Dense", "ReLU", "Dropout", "Dense", "ReLU", "Dropout", "Dense"]


class Recorder(Callback):
    """Remembers what it is told, and stops after two epochs."""

    def __init__(self):
        self.events = []

    def on_fit_begin(self, trainer):
        self.events.append("begin")

    def on_epoch_end(self, trainer, history):
        self.events.append(history.epochs[-1].loss)
        if len(history) == 2:
            trainer.stop()

    def on_fit_end(self, trainer, history):
        self.events.append("end")


def test_callbacks_hear_of_every_epoch_and_may_stop():
    X, y = data("regression")
    recorder = Recorder()
    model = estimator("regression", callbacks=[recorder]).fit(X, y)
    assert recorder.events == ["begin", *model.loss_curve_, "end"]
    assert (model.n_iter_, model.history_.stopped_by) == (2, "callback")


class Spoiling(Callback):
    """Makes the optimiser's state infinite by way of the weights, behind the third epoch."""

    def on_epoch_end(self, trainer, history):
        if len(history) == 3:
            self.kept = trainer.network.weights()["0.weight"]
            trainer.network.parameters.pieces[0]["weight"].array[...] = np.inf


def test_a_fit_that_diverges_late_has_the_weights_of_the_last_good_epoch():
    X, y = data("regression")
    spoiling = Spoiling()
    model = estimator("regression", callbacks=[spoiling])
    with pytest.raises(DivergenceError, match="of epoch 3 of"):
        model.fit(X, y)
    assert_array_equal(model.coefs_[0], spoiling.kept)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert np.isfinite(model.set_params(callbacks=()).partial_fit(X, y).predict(X)).all()


def test_the_history_is_that_of_the_last_call():
    X, y = data("regression")
    model = fit(estimator("regression"), X, y)
    assert isinstance(model.history_, History)
    assert model.history_.loss == model.loss_curve_
    assert all(seconds > 0 for seconds in model.history_.seconds)
    model.partial_fit(X, y)
    assert model.history_.loss == model.loss_curve_[-1:]


def test_weights_changed_in_place_or_replaced_are_used():
    X, y = data("regression")
    model = fit(estimator("regression", hidden_layer_sizes=()), X, y)
    expected = X @ model.coefs_[0] + model.intercepts_[0]
    assert_allclose(model.predict(X), expected.ravel())
    model.intercepts_[0] += 1
    assert_allclose(model.predict(X), expected.ravel() + 1)
    model.coefs_[0] = 2 * model.coefs_[0]
    assert_allclose(model.predict(X), (X @ model.coefs_[0] + model.intercepts_[0]).ravel())
    model.coefs_, model.intercepts_ = [np.ones((3, 1))], [np.zeros(1)]
    assert_allclose(model.predict(X), X.sum(axis=1))


def test_a_new_fit_leaves_the_old_arrays_alone():
    X, y = data("regression")
    model = fit(estimator("regression"), X, y)
    old = model.coefs_[0]
    kept = old.copy()
    fit(model.set_params(random_state=9), X, y)
    assert_array_equal(old, kept)
    assert (model.coefs_[0] != kept).any()
