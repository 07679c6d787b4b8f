"""The trainer: batches, validation, seeds, weights, resuming."""

import contextlib

import numpy as np
import pytest

import netts.training.opening as opening_module
from netts import Network, Trainer, devices, layers
from netts.optimizers import SGD, Adam
from netts.schedules import Cosine, StepDecay
from netts.training import Callback, EarlyStopping, History
from netts.training.preparation import hold_out
from netts.training.supply import Samples


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(23, 4))
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def network(*parts, dtype=np.float64, seed=0):
    parts = parts or (layers.Dense(5, "tanh"), layers.Dense(3))
    return Network(parts, dtype).build(4, random_state=seed)


def fitted(data, *parts, fit=None, **settings):
    settings = {"epochs": 3, "batch_size": 5, "random_state": 0, **settings}
    trainer = Trainer(network(*parts), **settings)
    history = trainer.fit(*data, **(fit or {}))
    return trainer.network.weights(), history


@contextlib.contextmanager
def spied_session():
    """Yield what returns the session that a fit inside opened."""
    sessions = []

    class Spy(opening_module.Session):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            sessions.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening_module, "Session", Spy)
        yield lambda: sessions[-1]


def assert_equal(weights, others):
    for name, one in weights.items():
        np.testing.assert_array_equal(one, others[name], err_msg=name)


def test_training_lowers_the_loss(data, device):
    _, history = fitted(data, epochs=30, optimizer=Adam(0.05), device=device)
    assert history.loss[-1] < 0.5 * history.loss[0]
    assert len(history) == len(history.seconds) == 30
    assert history.stopped_by == "epochs"


def test_a_history_is_shown_in_a_line(data):
    _, history = fitted(data, fit={"validation_data": data})
    first, last = history.epochs[0], history.epochs[-1]
    assert repr(history).startswith("<History: 3 epochs in 0.")
    assert f"loss {first.loss:.4g} to {last.loss:.4g}, " in repr(history)
    assert repr(history).endswith(f"to {last.validation_loss:.4g}, stopped by epochs>")
    assert repr(History()) == "<History: 0 epochs in 0 s, stopped by epochs>"


def test_the_device_that_was_chosen_is_told(data):
    trainer = Trainer(network(), epochs=1)
    with devices.device("reference"):
        trainer.fit(*data)
    assert trainer.device_ == "reference"
    trainer.device = "cpu"
    assert trainer.fit(*data) is trainer.history_
    assert trainer.device_ == "cpu"


def test_a_seed_gives_the_same_bits_again(data, device):
    parts = layers.Dropout(0.2), layers.Dense(5, "relu"), layers.Dropout(0.5), layers.Dense(3)
    first, _ = fitted(data, *parts, device=device)
    again, _ = fitted(data, *parts, device=device)
    other, _ = fitted(data, *parts, device=device, random_state=1)
    assert_equal(first, again)
    assert (first["1.weight"] != other["1.weight"]).any()


def test_dropout_trains_alike_on_every_device(data):
    parts = layers.Dropout(0.2), layers.Dense(5, "relu"), layers.Dropout(0.5), layers.Dense(3)
    one, _ = fitted(data, *parts, device="cpu")
    other, _ = fitted(data, *parts, device="reference")
    for name, weight in one.items():
        np.testing.assert_allclose(weight, other[name], rtol=0, atol=1e-12)


def test_shuffling_draws_another_order_for_each_epoch(data):
    orders = []

    class Spy(Callback):
        def on_epoch_end(self, trainer, history):
            orders.append(session().feed.order.array.tolist())

    with spied_session() as session:
        fitted(data, callbacks=[Spy()])
    assert orders[0] != orders[1] != orders[2]
    assert all(sorted(order) == list(range(23)) for order in orders)


@pytest.mark.parametrize("batch_size", [1, 7, 22, 23, 100, None])
def test_every_sample_counts_once_per_epoch(data, batch_size, device):
    # With no learning, the epoch's loss is the mean over the data set, whatever the batches.
    X, y = data
    _, history = fitted(data, optimizer=SGD(1e-300), batch_size=batch_size, epochs=2, device=device)
    scores = network().predict(X, loss="cross_entropy")
    expected = -np.log(scores[np.arange(len(y)), y]).mean()
    np.testing.assert_allclose(history.loss, expected, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [5, 23])
def test_a_weight_of_two_is_a_sample_twice(data, batch_size, device):
    X, y = data
    weight = np.where(np.arange(23) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(23), weight.astype(int))
    settings = {"batch_size": None, "optimizer": SGD(0.1), "l2": 0.1, "device": device}
    weighted, one = fitted((X, y, weight), **settings)
    repeated, other = fitted((X[twice], y[twice]), **settings)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-12)
    for name, array in weighted.items():
        np.testing.assert_allclose(array, repeated[name], rtol=0, atol=1e-13)


def test_a_batch_of_zero_weights_changes_nothing(data, device):
    X, y = data
    weight = np.r_[np.zeros(5), np.ones(18)]
    plain = {"shuffle": False, "optimizer": SGD(0.1, momentum=0.0), "device": device}
    some, _ = fitted((X, y, weight), **plain)
    rest, _ = fitted((X[5:], y[5:]), **plain)
    assert_equal(some, rest)


def test_validation_is_measured_after_each_epoch(data, device):
    X, y = data
    weights, history = fitted(
        data, fit={"validation_data": (X[:9], y[:9])}, l2=1.0, device=device, epochs=2
    )
    after = network()
    after.set_weights(weights)
    scores = after.predict(X[:9], loss="cross_entropy")
    expected = -np.log(scores[np.arange(9), y[:9]]).mean()
    assert history.validation_loss[-1] == pytest.approx(expected, rel=1e-12)
    assert history.validation_score[-1] == (scores.argmax(axis=1) == y[:9]).mean()


def test_validation_in_several_batches_equals_one(device):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(600, 4))
    y = X[:, :1] + X[:, 1:2]
    trainer = Trainer(
        network(layers.Dense(1)), loss="squared_error", epochs=1, batch_size=300, device=device
    )
    weight = generator.uniform(1, 2, 600)
    history = trainer.fit(X[:300], y[:300], validation_data=(X, y, weight))
    costs = 0.5 * np.square(trainer.predict(X) - y)[:, 0]
    expected = np.average(costs, weights=weight)
    assert history.validation_loss[0] == pytest.approx(expected, rel=1e-12)


def test_validation_data_does_not_train(data):
    X, y = data
    alone, _ = fitted(data)
    watched, _ = fitted(data, fit={"validation_data": (-X, y)})
    assert_equal(alone, watched)


def test_held_out_classes_keep_their_shares():
    y = np.repeat([0, 1, 2], [60, 30, 10]).reshape(-1, 1)
    X = np.random.default_rng(0).normal(size=(100, 4))
    kept, apart = hold_out(Samples(X, y), 0.2, np.random.default_rng(0))
    assert np.bincount(apart.y[:, 0]).tolist() == [12, 6, 2]
    assert np.bincount(kept.y[:, 0]).tolist() == [48, 24, 8]
    assert sorted([*kept.X[:, 0], *apart.X[:, 0]]) == sorted(X[:, 0])


@pytest.mark.parametrize("schedule", ["inverse_scaling", Cosine(6), StepDecay(4)])
def test_resuming_equals_training_longer(data, device, schedule):
    parts = layers.Dropout(0.3), layers.Dense(5), layers.Dense(3)
    settings = {
        "batch_size": 5,
        "random_state": 0,
        "schedule": schedule,
        "validation_fraction": 0.3,
        "device": device,
    }
    whole = Trainer(network(*parts), epochs=6, **settings)
    halves = Trainer(network(*parts), epochs=3, **settings)
    first, second = halves.fit(*data), halves.fit(*data, resume=True)
    assert whole.fit(*data).loss == [*first.loss, *second.loss]
    assert_equal(whole.network.weights(), halves.network.weights())


def test_the_network_follows_the_dtype_of_the_data(data):
    X, y = data
    for dtype, expected in [(np.float32, np.float32), (np.float64, np.float64), (int, np.float64)]:
        trainer = Trainer(Network([layers.Dense(3)]), epochs=1)
        trainer.fit(X.astype(dtype), y)
        assert trainer.network.dtype == expected


def test_float32_trains_like_float64(data):
    _, double = fitted(data, epochs=10)
    trainer = Trainer(network(dtype=np.float32), epochs=10, batch_size=5, random_state=0)
    np.testing.assert_allclose(trainer.fit(*data).loss, double.loss, rtol=1e-4)


def test_samples_of_any_shape_train(device):
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(12, 2, 3)), generator.normal(size=(12, 6))

    class Flatten(layers.Layer):
        def output_shape(self, input_shape):
            return (6,)

        def passes_through(self, is_training):
            return True

    shaped = Network([layers.Tanh(), Flatten(), layers.Dense(6)], np.float64)
    shaped.build((2, 3), random_state=0)
    flat = Network([layers.Tanh(), layers.Identity(), layers.Dense(6)], np.float64)
    flat.build(6, random_state=0)
    settings = {"loss": "squared_error", "epochs": 2, "batch_size": 5, "shuffle": False}
    one = Trainer(shaped, **settings, device=device).fit(X, y)
    two = Trainer(flat, **settings, device=device).fit(X.reshape(12, 6), y)
    assert one.loss == two.loss


def test_no_task_is_recorded_for_nothing(data):
    def tasks(**settings):
        with spied_session() as session:
            fitted(data, layers.Identity(), layers.Dense(3), device="reference", **settings)
        return [task.kernel.routine.name for task in session().graph.recordings["step"]]

    plain = tasks()
    assert plain == [
        "gather_batch", "dense_forward", "cross_entropy_forward", "cross_entropy_backward",
        "dense_grad_weight", "dense_grad_bias", "adam", "finish_batch",
    ]  # fmt: skip
    # Neighbours of one range run as one: the penalty's gradient, the decay and the update.
    end = ["adam", "adam", "finish_batch"]
    assert tasks(l2=0.1) == [*plain[:-2], "add_penalty", "add_penalty_gradient", *end]
    assert tasks(optimizer="adamw") == [*plain[:-2], "decay_weights", *end]
    assert tasks(clip_value=1.0) == [*plain[:-2], "clip_values", "adam", "finish_batch"]
    clipped = [*plain[:-2], "norm_scale", "scale_gradients", "adam", "finish_batch"]
    assert tasks(clip_norm=1.0) == clipped
    limited = ["adam", "limit_column_norms", "finish_batch"]
    assert tasks(max_norm=1.0) == [*plain[:-2], *limited]


def test_the_best_weights_are_restored(data, device):
    X, y = data
    kept = []

    class Keep(Callback):
        def on_epoch_end(self, trainer, history):
            kept.append(trainer.network.weights())

    weights, history = fitted(
        data,
        fit={"validation_data": (X, (y + 1) % 3)},  # gets worse as training goes on
        early_stopping=EarlyStopping(patience=2),
        epochs=50,
        optimizer=Adam(0.1),
        callbacks=[Keep()],
        device=device,
    )
    assert history.stopped_by == "early_stopping"
    assert len(history) < 50
    assert history.best_epoch == int(np.argmin(history.validation_loss)) + 1 < len(history)
    assert_equal(weights, kept[history.best_epoch - 1])
