"""What goes wrong in a fit: each has its message, and leaves a network that can be used."""

import _thread
import threading
import warnings

import numpy as np
import pytest

from netts import Network, Trainer, layers
from netts.errors import (
    BoundsError,
    DataError,
    DivergenceError,
    InterruptedFitWarning,
    ParameterError,
    ShapeError,
)
from netts.optimizers import SGD
from netts.training import Callback, EarlyStopping
from netts.training.preparation import hold_out
from netts.training.supply import Samples


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    return generator.normal(size=(20, 3)), generator.integers(0, 2, 20)


def trainer(units=2, **settings):
    parts = [layers.Dense(4, "relu"), layers.Dense(units)]
    settings = {"epochs": 10, "random_state": 0, "device": "cpu", **settings}
    return Trainer(Network(parts, np.float64).build(3, random_state=0), **settings)


def changed(array, place, value):
    array = array.astype(float)
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda X, y: (changed(X, (3, 1), np.nan), y), DataError, "1 values.*row 3, column 1: nan"),
        (lambda X, y: (changed(X, (0, 2), np.inf), y), DataError, "row 0, column 2: inf; fill or"),
        (lambda X, y: (X[:, :2], y), ShapeError, r"\(n_samples, 3\), got \(20, 2\)"),
        (lambda X, y: (X[:0], y[:0]), DataError, "X has no samples"),
        (lambda X, y: (X, y[:5]), ShapeError, r"X has 20 samples, .* shape \(5,\)"),
        (lambda X, y: (X, 3), ShapeError, r"targets have shape \(\)"),
        (lambda X, y: (X, y + 1), DataError, "got class 2 in row"),
        (lambda X, y: (X, y, np.ones(3)), ShapeError, r"sample_weight has shape \(20,\), got \(3,"),
        (lambda X, y: (X, y, -np.ones(20)), DataError, "sample_weight is not negative, got -1"),
        (lambda X, y: (X, y, np.zeros(20)), DataError, "zero for every sample"),
        (lambda X, y: (X, y, np.full(20, np.nan)), DataError, "sample_weight has 20 values"),
        (lambda X, y: ([["a"] * 3] * 20, y), DataError, "X holds numbers"),
        (lambda X, y: ([[1, 2], [3]], y), DataError, "X is no array"),
        (lambda X, y: (X[:, 0], y), ShapeError, r"got shape \(20,\): X.reshape\(-1, 1\) makes"),
        (lambda X, y: (X, y[:, None]), ShapeError, r"got \(20, 1\): y.ravel\(\) makes it of a"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(data, spoil, error, message):
    one = trainer()
    before = one.network.weights()
    with pytest.raises(error, match=message):
        one.fit(*spoil(*data))
    np.testing.assert_array_equal(one.network.weights()["0.weight"], before["0.weight"])


def test_values_beyond_float32_are_refused(data):
    X, y = data
    network = Network([layers.Dense(2)], np.float32)
    with pytest.raises(DataError, match=r"too large for float32.*row 2, column 1"):
        Trainer(network, epochs=1).fit(changed(X, (2, 1), 1e300), y)


def test_sparse_data_is_refused_with_the_way_out(data):
    import scipy.sparse

    with pytest.raises(DataError, match=r"X is sparse.*pass X.toarray\(\)"):
        trainer().fit(scipy.sparse.csr_array(data[0]), data[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs is a whole number of at least 1, got 0"),
        ({"batch_size": -3}, "batch_size is a whole number of at least 1, got -3"),
        ({"l2": -1.0}, r"l2 is a number in \[0, inf\), got -1.0"),
        ({"validation_fraction": 1.0}, r"validation_fraction is a number in \[0, 1\), got 1.0"),
        ({"loss": "mae"}, "unknown loss 'mae'; choose from"),
        ({"optimizer": "rprop"}, "unknown optimizer 'rprop'.*; choose from: sgd, adam"),
        ({"schedule": "linear"}, "unknown schedule 'linear'; choose from"),
        ({"optimizer": SGD}, r"optimizer is the class SGD: pass an object of it, SGD\(\.\.\.\)"),
        ({"early_stopping": True}, r"early_stopping is None or EarlyStopping\(\.\.\.\), got True"),
        ({"shuffle": "yes"}, "shuffle is True, False or a function, got 'yes'"),
        ({"callbacks": Callback()}, r"callbacks is a list, got .*: write \[<"),
        ({"callbacks": [print]}, r"derived from netts\.training\.Callback, got <built-in"),
        ({"callbacks": [Callback]}, r"derived from netts\.training\.Callback, got <class"),
        ({"l1": -0.1}, r"l1 is a number in \[0, inf\), got -0.1"),
        ({"clip_norm": 0}, r"clip_norm is a number in \(0, inf\), got 0"),
        ({"clip_value": -1.0}, r"clip_value is a number in \(0, inf\), got -1.0"),
        ({"max_norm": "large"}, r"max_norm is a number in \(0, inf\), got 'large'"),
        ({"schedule": "adaptive"}, r"pass early_stopping=EarlyStopping\('loss'\)"),
    ],
)
def test_hyperparameters_are_checked_at_once(settings, message):
    with pytest.raises(ParameterError, match=message):
        trainer(**settings)


def test_early_stopping_needs_something_to_watch(data):
    with pytest.raises(ParameterError, match="watches 'validation_loss', but there is no valid"):
        trainer(early_stopping=EarlyStopping()).fit(*data)


def test_a_schedule_needs_something_to_watch(data):
    with pytest.raises(ParameterError, match="the schedule watches 'validation_loss', but there"):
        trainer(schedule="reduce_on_plateau").fit(*data)


def test_too_little_data_to_hold_out_is_refused(data):
    with pytest.raises(DataError, match=r"validation_fraction=0\.01 of 20 samples leaves 0 to"):
        trainer(validation_fraction=0.01).fit(*data)


@pytest.mark.parametrize("place", [0, 1])
def test_weights_that_leave_a_part_without_any_are_refused(data, place):
    def divided(weights):
        samples = Samples(data[0], data[1][:, None], weights)
        return hold_out(samples, 0.1, np.random.default_rng(0))

    weights = np.ones(20)
    weights[divided(np.arange(1.0, 21.0))[place].weights.astype(int) - 1] = 0
    with pytest.raises(DataError, match=r"validation_fraction=0\.1 leaves one part .* weight zero"):
        divided(weights)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda X, y: X, "got ndarray"),
        (lambda X, y: (X,), "got 1 of them"),
    ],
)
def test_validation_data_is_a_pair(data, given, message):
    with pytest.raises(ParameterError, match=rf"validation_data is \(X, y\) or .*{message}"):
        trainer().fit(*data, validation_data=given(*data))


@pytest.mark.parametrize("order", [np.arange(19), 0, None])
def test_an_order_of_another_length_is_refused(data, order):
    with pytest.raises(ShapeError, match=r"shuffle gives an order of shape \(20,\), got \("):
        trainer(shuffle=lambda n_samples: order).fit(*data)


def test_an_order_of_samples_that_do_not_exist_is_refused(data):
    with pytest.raises(BoundsError, match="which is outside of the axis"):
        trainer(shuffle=lambda n_samples: np.arange(n_samples) + 5).fit(*data)


def test_resuming_with_another_optimiser_is_refused(data):
    one = trainer(epochs=1)
    one.fit(*data)
    one.optimizer = "sgd"
    with pytest.raises(ParameterError, match="resume with the same optimiser and network"):
        one.fit(*data, resume=True)


def test_a_list_of_layers_is_no_network():
    with pytest.raises(ParameterError, match=r"network is a Network\(\[\.\.\.\]\), got \["):
        Trainer([layers.Dense(2)])


def test_a_network_without_parameters_is_refused(data):
    with pytest.raises(ParameterError, match="no parameters to train"):
        Trainer(Network([layers.ReLU()])).fit(*data)


def test_a_diverging_loss_restores_the_last_good_epoch(device):
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(20, 3)), generator.normal(size=20)
    one = trainer(
        1, loss="squared_error", optimizer=SGD(1e3), epochs=1000, device=device, batch_size=20
    )
    kept = [one.network.weights()]

    class Keep(Callback):
        def on_epoch_end(self, trainer, history):
            kept.append(trainer.network.weights())

    one.callbacks = [Keep()]
    message = r"in epoch \d+ with learning rate 1000: try a smaller one, such as 100, and scale"
    with pytest.raises(DivergenceError, match=message):
        one.fit(X, y)
    assert len(one.history_) == len(kept) - 1
    for name, array in one.network.weights().items():
        np.testing.assert_array_equal(array, kept[-1][name])
        assert np.isfinite(array).all()


class Interrupt(Callback):
    """Ctrl-C while the third epoch runs: the weights have moved on from the second."""

    def __init__(self):
        self.weights = None

    def on_epoch_end(self, trainer, history):
        if len(history) == 2:
            self.weights = trainer.network.weights()
            trainer.network.set_weights({k: v + 1 for k, v in self.weights.items()})
            raise KeyboardInterrupt


def test_ctrl_c_keeps_the_last_finished_epoch(data, device):
    interrupt = Interrupt()
    one = trainer(callbacks=[interrupt], device=device)
    with pytest.warns(InterruptedFitWarning, match="has the weights of epoch 2 of 10"):
        history = one.fit(*data)
    assert history.stopped_by == "interrupt"
    assert len(history) == 2
    for name, array in one.network.weights().items():
        np.testing.assert_array_equal(array, interrupt.weights[name])
    assert np.isfinite(one.predict(data[0])).all()


class InterruptSoon(Callback):
    """Ctrl-C from another thread, half a second after everything is compiled."""

    def on_fit_begin(self, trainer):
        threading.Timer(0.5, _thread.interrupt_main).start()


def test_ctrl_c_reaches_a_replay_that_runs(data):
    X, y = np.tile(data[0], (20_000, 1)), np.tile(data[1], 20_000)
    one = trainer(epochs=1_000_000, batch_size=1, callbacks=[InterruptSoon()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = one.fit(X, y)
    assert history.stopped_by == "interrupt"
    assert [one.category for one in caught] == [InterruptedFitWarning]
    assert caught[0].filename == __file__
