"""What ends a training, when, and with which weights; and what callbacks are told meanwhile."""

import json
import threading
import time

import numpy as np
import pytest
from trainings import CLASSES, X, mlp

from netts import Network, Trainer, layers
from netts.errors import LogFileError, ParameterError
from netts.network.sources import ArraySource
from netts.optimizers import SGD
from netts.training import Callback, Checkpoint, EarlyStopping, JsonLog, Snapshot

STEPS_PER_EPOCH = 5


def trainer(*callbacks, **options):
    settings = {"epochs": 4, "batch_size": 16, "random_state": 0, "device": "cpu"} | options
    return Trainer(mlp(), callbacks=callbacks, **settings)


def weights(one):
    return np.concatenate([array.ravel() for array in one.network.weights().values()])


@pytest.mark.parametrize("max_steps", [1, 4, 5, 7, 10, 19])
def test_steps_are_counted_within_epochs(max_steps):
    one = trainer(max_steps=max_steps)
    history = one.fit(X, CLASSES)
    assert (history.stopped_by, history.steps) == ("steps", max_steps)
    assert len(history) == max_steps // STEPS_PER_EPOCH


def test_a_training_that_ends_within_an_epoch_keeps_what_it_learned():
    seen = []

    class Watch(Callback):
        every_steps = 1

        def on_batch_end(self, trainer, progress):
            seen.append(weights(trainer))

    trainer(Watch()).fit(X, CLASSES)
    one = trainer(max_steps=7)
    one.fit(X, CLASSES)
    np.testing.assert_array_equal(weights(one), seen[6])


@pytest.mark.parametrize("data", [X, ArraySource(X)], ids=["resident", "streamed"])
def test_a_stop_does_not_wait_for_the_epoch(data):
    """An epoch of batches of one sample, of which each is trained on again and again."""
    many = np.tile(X, (20_000, 1)) if data is X else ArraySource(np.tile(X, (20_000, 1)))
    one = trainer(batch_size=1, epochs=10**9)
    started = threading.Event()
    one.callbacks = [type("Start", (Callback,), {"on_epoch_begin": lambda *_: started.set()})()]
    stopped_at = []

    def stop():
        started.wait()
        while not one.running_.session.feed.cursor.read()[0]:  # which the steps move
            time.sleep(0.01)
        stopped_at.append(time.perf_counter())
        one.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    history = one.fit(many, np.tile(CLASSES, 20_000))
    waited = time.perf_counter() - stopped_at[0]
    thread.join()
    assert history.stopped_by == "callback"
    assert len(history) == 0
    assert history.steps > 0
    assert waited < 2


def test_time_is_up_within_an_epoch():
    one = trainer(max_seconds=0.3, epochs=10**9, batch_size=1)
    start = time.perf_counter()
    assert one.fit(X, CLASSES).stopped_by == "seconds"
    assert 0.3 <= time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ({"loss": 0.9}, {}),
        ({"validation_score": 0.7, "loss": 0.0}, {"validation_fraction": 0.3}),
    ],
)
def test_a_target_ends_training_with_the_first_epoch_that_reaches_it(target, options):
    history = trainer(target=target, epochs=500, **options).fit(X, CLASSES)
    name, value = next(iter(target.items()))
    reached = [v <= value if name == "loss" else v >= value for v in getattr(history, name)]
    assert history.stopped_by == "target"
    assert reached == [False] * (len(history) - 1) + [True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_steps": 0}, "max_steps is a whole number of at least 1, got 0"),
        ({"max_seconds": 0}, "max_seconds is a number in"),
        ({"target": 0.5}, "target is a dictionary"),
        ({"target": {"accuracy": 0.5}}, "unknown target 'accuracy'"),
        ({"target": {"loss": "low"}}, "target 'loss' is a number"),
        ({"target": {"validation_loss": 0.5}}, "there is no validation data"),
        ({"accumulate": 0}, "accumulate is a whole number of at least 1, got 0"),
        ({"optimizer": "lbfgs", "max_steps": 3}, "max_steps belongs to steps along a gradient"),
        ({"optimizer": "lbfgs", "accumulate": 3}, "accumulate belongs to steps along a gradient"),
    ],
)
def test_limits_are_checked(options, message):
    with pytest.raises(ParameterError, match=message):
        trainer(**options).fit(X, CLASSES)


class Diary(Callback):
    every_steps = 3

    def __init__(self):
        self.events = []

    def __getattribute__(self, name):
        if name.startswith("on_") and name not in ("on_batch_end",):
            return lambda *_: self.events.append(name[3:])
        return super().__getattribute__(name)

    def on_batch_end(self, trainer, progress):
        self.events.append((progress.epoch, progress.step, progress.steps))


def test_events_come_in_their_order(tmp_path):
    diary, checkpoint = Diary(), Checkpoint(tmp_path / "run.ckpt", every_epochs=2)
    one = trainer(diary, checkpoint, epochs=2, validation_fraction=0.2)
    one.fit(X, CLASSES)
    events = [name for name in diary.events if name != "best"]
    assert events == [
        "fit_begin",
        "epoch_begin", (1, 3, 3), "validation_end", "epoch_end",
        "epoch_begin", (2, 2, 6), "validation_end", "epoch_end", "checkpoint",
        "stop", "fit_end",
    ]  # fmt: skip
    assert "best" in diary.events


def test_a_batch_event_tells_what_an_epoch_tells():
    found = []

    class Watch(Callback):
        every_steps = STEPS_PER_EPOCH

        def on_batch_end(self, trainer, progress):
            found.append(progress)

    sample_weight = np.linspace(0.5, 2, len(X))
    history = trainer(Watch(), schedule="one_cycle").fit(X, CLASSES, sample_weight)
    assert [one.loss for one in found] == pytest.approx(history.loss, rel=1e-6)
    rates = [one.learning_rate for one in found]
    assert rates == pytest.approx(history.learning_rate, rel=1e-6)
    assert found[0].samples == len(X)
    assert found[0].samples_per_second > 0


def test_watching_batches_changes_nothing():
    class Watch(Callback):
        every_steps = 2

    watched, alone = trainer(Watch()), trainer()
    assert watched.fit(X, CLASSES).loss == alone.fit(X, CLASSES).loss
    np.testing.assert_array_equal(weights(watched), weights(alone))


def test_the_log_has_a_line_for_each_event(tmp_path):
    path = tmp_path / "log.jsonl"
    log = JsonLog(path, every_steps=4)
    history = trainer(log, Checkpoint(tmp_path / "a", every_epochs=3)).fit(X, CLASSES)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["event"] == "start"
    assert lines[-1]["event"] == "end"
    assert lines[-1]["stopped_by"] == "epochs"
    assert [one["loss"] for one in lines if one["event"] == "epoch"] == history.loss
    assert [one["steps"] for one in lines if one["event"] == "batch"] == [4, 8, 12, 16, 20]
    assert [one["path"] for one in lines if one["event"] == "checkpoint"] == [str(tmp_path / "a")]
    assert all(one["samples_per_second"] > 0 for one in lines if one["event"] == "epoch")
    trainer(log).fit(X, CLASSES)
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()].count("end") == 2


def test_a_log_that_cannot_be_written_is_an_error_before_training(tmp_path):
    with pytest.raises(LogFileError, match="cannot be written"):
        trainer(JsonLog(tmp_path / "none" / "log")).fit(X, CLASSES)


def test_snapshots_of_the_best_epoch(tmp_path):
    path = tmp_path / "best.netts"
    rule = EarlyStopping("validation_score", patience=20)
    one = trainer(
        Snapshot(path, on_best=True), epochs=15, validation_fraction=0.3, early_stopping=rule
    )
    one.fit(X, CLASSES)
    import netts

    for name, array in netts.load(path).weights().items():
        np.testing.assert_array_equal(array, one.network.weights()[name])


# ------------------------------------------------------------ several batches to a step


def accumulated(batch_size, accumulate, optimizer="adam", network=mlp, **options):
    return Trainer(
        network(), batch_size=batch_size, accumulate=accumulate, epochs=3, random_state=0,
        device="cpu", optimizer=optimizer, **options,
    )  # fmt: skip


@pytest.mark.parametrize("sample_weight", [None, np.linspace(0.1, 2, len(X))])
@pytest.mark.parametrize("accumulate", [2, 3, 14, 100])
def test_batches_of_a_step_are_as_one_large_batch(accumulate, sample_weight):
    def network():
        return Network([layers.Dense(8, "tanh"), layers.Dropout(0.4), layers.Dense(3)])

    settings = {"network": network, "l2": 0.1, "clip_norm": 1.0}
    small, large = (
        accumulated(5, accumulate, **settings),
        accumulated(5 * accumulate, 1, **settings),
    )
    X64 = X.astype(np.float64)
    found = small.fit(X64, CLASSES, sample_weight).loss
    assert found == pytest.approx(large.fit(X64, CLASSES, sample_weight).loss, rel=1e-12)
    np.testing.assert_allclose(weights(small), weights(large), rtol=1e-9, atol=1e-12)


def test_batches_of_a_step_are_one_large_batch_where_arithmetic_is_exact():
    """Whole numbers, and powers of two for what they are divided by."""
    rng = np.random.default_rng(0)
    exact, y = rng.integers(-2, 3, (64, 4)).astype(np.float32), rng.integers(-2, 3, 64)

    def learned(batch_size, accumulate):
        one = Trainer(
            Network([layers.Dense(1, weight_initializer="zeros")]), loss="squared_error",
            optimizer=SGD(learning_rate=1.0, momentum=0.0), batch_size=batch_size,
            accumulate=accumulate, epochs=1, max_steps=2, shuffle=False, device="cpu",
        )  # fmt: skip
        one.fit(exact, y.astype(np.float32))
        return weights(one)

    np.testing.assert_array_equal(learned(8, 4), learned(32, 1))
    assert learned(8, 4).any()
