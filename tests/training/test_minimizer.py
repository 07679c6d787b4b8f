"""L-BFGS: it ends where scipy does, and a fit by it is a fit like any other."""

import numpy as np
import pytest
import scipy.optimize

from netts import Network, Trainer, layers
from netts.errors import DivergenceError, InterruptedFitWarning, ParameterError
from netts.optimizers import LBFGS, Outcome
from netts.training import Callback, EarlyStopping

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
Y = np.sin(X[:, 0]) + 0.5 * X[:, 1]
WEIGHTS = rng.uniform(0.5, 2.0, 40)


def trainer(hidden=4, **settings):
    network = Network([layers.Dense(hidden, "tanh"), layers.Dense(1)], np.float64)
    settings = {"loss": "squared_error", "optimizer": "lbfgs", "batch_size": None} | settings
    return Trainer(network.build(3, random_state=0), **settings)


def test_a_linear_model_ends_at_its_closed_form(device):
    network = Network([layers.Dense(1)], np.float64).build(3, random_state=0)
    one = Trainer(
        network, loss="squared_error", optimizer=LBFGS(tol=1e-9), l2=2.0, device=device,
        batch_size=None,
    )  # fmt: skip
    history = one.fit(X, Y, WEIGHTS)
    design = np.column_stack([X, np.ones(40)])
    normal = design.T * WEIGHTS @ design + np.diag([2.0, 2.0, 2.0, 0.0])
    expected = np.linalg.solve(normal, design.T * WEIGHTS @ Y)
    found = np.concatenate([array.ravel() for array in network.weights().values()])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert history.stopped_by == history.outcome.reason == "converged"
    assert history.outcome.loss == history.loss[-1]
    assert history.learning_rate == []


@pytest.mark.parametrize("batch_size", [40, 16, 7])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_number_of_samples_at_a_time_makes_no_difference(batch_size, weights, device):
    settings = {"l2": 0.5, "epochs": 6, "device": device}
    whole = trainer(**settings).fit(X, Y, weights)
    found = trainer(batch_size=batch_size, **settings).fit(X, Y, weights)
    np.testing.assert_allclose(found.loss, whole.loss, rtol=1e-8)


def test_each_iteration_is_an_epoch_that_callbacks_see():
    class Look(Callback):
        def __init__(self):
            self.losses = []

        def on_epoch_end(self, trainer, history):
            difference = trainer.predict(X)[:, 0] - Y
            self.losses.append(0.5 * np.mean(difference**2))

    look = Look()
    history = trainer(callbacks=[look], epochs=9).fit(X, Y)
    np.testing.assert_allclose(history.loss, look.losses, rtol=1e-10)
    assert len(history) == 9
    assert history.stopped_by == "epochs"
    assert (np.diff(history.loss) < 0).all()


def test_a_callback_stops_it_and_the_network_is_where_it_stopped():
    class Stop(Callback):
        def on_epoch_end(self, trainer, history):
            if len(history) == 3:
                trainer.stop()
                self.weights = trainer.network.weights()

    stop = Stop()
    one = trainer(callbacks=[stop])
    assert one.fit(X, Y).stopped_by == "callback"
    assert len(one.history_) == 3
    for name, array in one.network.weights().items():
        np.testing.assert_array_equal(array, stop.weights[name])


def test_early_stopping_restores_the_best_iteration():
    rule = EarlyStopping("validation_loss", patience=3)
    one = trainer(20, early_stopping=rule, epochs=300)
    history = one.fit(X[:15], Y[:15], validation_data=(X[15:], Y[15:]))
    assert history.stopped_by == "early_stopping"
    best = np.mean((one.predict(X[15:])[:, 0] - Y[15:]) ** 2) / 2
    assert best == pytest.approx(min(history.validation_loss), rel=1e-12)


def test_the_number_of_evaluations_is_limited():
    history = trainer(optimizer=LBFGS(tol=0.0, max_fun=5), epochs=100).fit(X, Y)
    assert history.stopped_by == "evaluations"
    assert history.outcome.status == 1
    assert len(history) <= 5


def test_ctrl_c_keeps_the_last_iteration():
    class Interrupt(Callback):
        def on_epoch_end(self, trainer, history):
            if len(history) == 2:
                self.weights = trainer.network.weights()
                raise KeyboardInterrupt

    interrupt = Interrupt()
    one = trainer(callbacks=[interrupt])
    with pytest.warns(InterruptedFitWarning, match="has the weights of epoch 2"):
        assert one.fit(X, Y).stopped_by == "interrupt"
    for name, array in one.network.weights().items():
        np.testing.assert_array_equal(array, interrupt.weights[name])


def test_it_goes_on_where_it_ended():
    one = trainer(epochs=3)
    first = one.fit(X, Y)
    assert one.fit(X, Y, resume=True).loss[0] < first.loss[-1]
    assert one.resumable_.epochs == 6


def test_a_loss_that_is_not_finite_ends_it_with_what_was_good():
    one = trainer(loss="poisson")
    before = one.network.weights()
    one.network.set_weights({name: array * 1e4 for name, array in before.items()})
    with pytest.raises(DivergenceError, match="in epoch 1: try to scale the columns of X"):
        one.fit(X * 1e3, np.abs(Y))


def test_float32_follows_float64():
    network = Network([layers.Dense(4, "tanh"), layers.Dense(1)], np.float32)
    settings = {"loss": "squared_error", "optimizer": "lbfgs", "epochs": 5, "batch_size": None}
    found = Trainer(network.build(3, random_state=0), **settings).fit(X.astype(np.float32), Y)
    np.testing.assert_allclose(found.loss, trainer(epochs=5).fit(X, Y).loss, rtol=1e-2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"l1": 0.1}, "l1 belongs to steps along a gradient"),
        ({"clip_norm": 1.0}, "clip_norm belongs to steps .* leave out clip_norm, or take another"),
        ({"clip_value": 1.0}, "clip_value belongs to steps"),
        ({"max_norm": 1.0}, "max_norm belongs to steps"),
        ({"schedule": "cosine"}, "sets a learning rate, which optimizer 'lbfgs' has not"),
        ({"optimizer": LBFGS}, r"optimizer is the class LBFGS: pass an object of it"),
    ],
)
def test_what_needs_steps_is_refused(settings, message):
    with pytest.raises(ParameterError, match=message):
        trainer(**settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LBFGS(tol=-1), r"tol is a number in \[0, inf\), got -1"),
        (lambda: LBFGS(max_fun=0), "max_fun is a whole number of at least 1, got 0"),
        (lambda: LBFGS(memory=0.5), "memory is a whole number of at least 1, got 0.5"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_a_minimizer_of_ones_own_is_taken():
    class Simplex:
        def minimize(self, objective, start, end_iteration, max_iterations):
            options = {"maxiter": max_iterations}
            found = scipy.optimize.minimize(
                lambda point: objective(point)[0], start, method="Nelder-Mead", options=options
            )
            end_iteration(found.x)
            return found.x, Outcome("epochs", 1, "as told", found.fun)

    history = trainer(optimizer=Simplex(), epochs=50).fit(X, Y)
    assert history.outcome.message == "as told"
    assert history.loss == [pytest.approx(history.outcome.loss)]
