"""Callbacks, early stopping, the progress bar."""

import io
import math
import threading
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from rich.console import Console

from netts import Network, Trainer, layers
from netts.errors import ParameterError
from netts.training import Callback, EarlyStopping, Epoch, ProgressBar, StepDrawing
from netts.training.history import BestEpoch
from netts.training.progress import describe_epoch


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(12, 4))
    return X, (X[:, 0] > 0).astype(int)


def trainer(**settings):
    return Trainer(Network([layers.Dense(2)]), random_state=0, **{"epochs": 4, **settings})


class Diary(Callback):
    def __init__(self):
        self.events = []

    def on_fit_begin(self, trainer):
        self.events.append("begin")

    def on_epoch_end(self, trainer, history):
        self.events.append(history.epochs[-1].number)

    def on_fit_end(self, trainer, history):
        self.events.append("end")


def test_callbacks_see_every_epoch(data):
    diary = Diary()
    trainer(callbacks=[diary]).fit(*data)
    assert diary.events == ["begin", 1, 2, 3, 4, "end"]


def test_a_callback_may_stop_training(data):
    class Stop(Callback):
        def on_epoch_end(self, trainer, history):
            if len(history) == 2:
                trainer.stop()

    diary = Diary()
    one = trainer(callbacks=[Stop(), diary])
    history = one.fit(*data)
    assert diary.events == ["begin", 1, 2, "end"]
    assert history.stopped_by == "callback"
    assert len(one.fit(*data)) == 2  # it stops again: the request does not outlive the fit


def test_another_thread_may_stop_training(data):
    one = trainer(epochs=1_000_000_000)
    timer = threading.Timer(0.3, one.stop)
    timer.start()
    assert one.fit(*data).stopped_by == "callback"


def test_a_request_before_the_fit_stops_nothing(data):
    one = trainer()
    one.stop()
    assert len(one.fit(*data)) == one.epochs


def test_the_end_is_told_after_an_error_too(data):
    class Fail(Callback):
        def on_epoch_end(self, trainer, history):
            raise RuntimeError("mine")

    diary = Diary()
    with pytest.raises(RuntimeError, match="mine"):
        trainer(callbacks=[diary, Fail()]).fit(*data)
    assert diary.events == ["begin", 1, "end"]


def epochs(values, monitor):
    return [
        Epoch(k + 1, **{"loss": 0.0, "validation_loss": 0.0, "validation_score": 0.0,
              monitor: value}, learning_rate=0.1, seconds=0.0)
        for k, value in enumerate(values)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("monitor", "values", "patience", "stops_after"),
    [
        ("loss", [3, 2, 1, 0.5], 0, None),
        ("loss", [3, 2, 2.1, 1], 0, 3),
        ("loss", [3, 2, 2.1, 1], 1, None),
        ("loss", [3, 2.95, 2.93, 2.92], 1, 3),  # less than min_delta is no progress
        ("loss", [3, 2.95, 2.9, 2.85, 2.8], 2, 4),  # than the best so far, though that was none
        ("validation_score", [0.5, 0.7, 0.6, 0.65, 0.9], 2, None),
        ("validation_score", [0.5, 0.7, 0.6, 0.65, 0.66, 0.9], 2, 5),
        ("validation_loss", [1.0, 1.0, 1.0], math.inf, None),
        ("validation_loss", [1.0, math.nan, math.nan], 1, 3),
    ],
)
def test_early_stopping_counts_epochs_without_progress(monitor, values, patience, stops_after):
    watch = EarlyStopping(monitor, patience=patience, min_delta=0.1).start()
    stopped = None
    for epoch in epochs(values, monitor):
        watch.see(epoch)
        if watch.is_reached:
            stopped = epoch.number
            break
    assert stopped == stops_after


@pytest.mark.parametrize(
    ("monitor", "values", "best"),
    [
        ("loss", [3, 2, 2, 2.5, 1], [1, 2, 5]),
        ("validation_score", [0.5, 0.4, 0.7, math.nan, 0.8], [1, 3, 5]),
        ("validation_loss", [math.nan, 1.0, math.nan, 0.5], [2, 4]),
    ],
)
def test_the_best_epoch_so_far_is_better_than_all_before_it(monitor, values, best):
    every = epochs(values, monitor)
    watch = BestEpoch(monitor)
    assert [one.number for one in every if watch.see(one)] == best
    goes_on = BestEpoch(monitor, epochs=every[:2])
    assert [one.number for one in every[2:] if goes_on.see(one)] == [n for n in best if n > 2]


def test_settings_of_early_stopping_are_checked():
    with pytest.raises(ParameterError, match="unknown monitor 'accuracy'; choose from: valida"):
        EarlyStopping("accuracy")
    with pytest.raises(ParameterError, match="patience is a whole number of at least 0, got -1"):
        EarlyStopping(patience=-1)
    with pytest.raises(ParameterError, match=r"min_delta is a number in \[0, inf\), got -1"):
        EarlyStopping(min_delta=-1)


def test_progress_bar_shows_epoch_loss_and_score(data):
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    history = trainer(callbacks=[ProgressBar(console)], validation_fraction=0.3).fit(*data)
    assert "4/4" in text.getvalue()
    assert f"loss {history.loss[-1]:.4f}" in text.getvalue()
    assert "score" in text.getvalue()


def test_epochs_that_wait_for_data_say_so():
    epoch = Epoch(1, 0.5, None, None, 0.1, seconds=2.0, stalled_seconds=0.5)
    assert describe_epoch(epoch) == "loss 0.5000  25% waiting for data"
    assert describe_epoch(replace(epoch, stalled_seconds=0.01)) == "loss 0.5000"


def test_progress_bar_is_quiet_without_a_terminal(data):
    text = io.StringIO()
    trainer(callbacks=[ProgressBar(Console(file=text))]).fit(*data)
    assert text.getvalue() == ""


@pytest.mark.parametrize("batch_size", [3, 1000])
@pytest.mark.parametrize("event", ["on_fit_begin", "on_epoch_end", "on_fit_end"])
@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("adam", "constant"), ("adam", "one_cycle"), ("lbfgs", "constant")]
)
def test_a_profile_leaves_a_training_as_it_is(data, batch_size, event, optimizer, schedule):
    def fitted(callbacks):
        network = Network(
            [layers.Dense(8), layers.BatchNorm(), layers.Dropout(0.5), layers.Dense(2)]
            if optimizer == "adam"
            else [layers.Dense(8, "tanh"), layers.Dense(2)]
        )
        one = Trainer(
            network, optimizer=optimizer, schedule=schedule, epochs=4, batch_size=batch_size,
            callbacks=callbacks, random_state=0,
        )  # fmt: skip
        history = one.fit(*data)
        return one, [*network.weights().values(), np.array(history.loss)]

    class Watch(Callback):
        profiles: ClassVar[list] = []

    setattr(Watch, event, lambda self, trainer, *_: self.profiles.append(trainer.profile(3)))
    profiled, values = fitted([Watch()])
    _, plain = fitted([])
    for value, expected in zip(values, plain, strict=True):
        np.testing.assert_array_equal(value, expected)
    assert any("dense_forward" in row.label for row in Watch.profiles[0].rows)
    assert profiled.running_ is None


@pytest.mark.parametrize("batch_size", [3, 1000])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_training_is_drawn_before_it_begins_or_at_any_event(data, batch_size, optimizer):
    drawn = []

    class Watch(Callback):
        def on_batch_end(self, trainer, progress):
            drawn.append(trainer.draw().svg)

    watch = StepDrawing()
    one = Trainer(
        Network([layers.Dense(4, "tanh"), layers.Dense(2)]), epochs=2, batch_size=batch_size,
        optimizer=optimizer, device="cpu", random_state=0,
        callbacks=[watch, Watch()] if optimizer == "adam" else [watch],
    )  # fmt: skip
    one.fit(*data)
    step = "step" if batch_size == 3 else "step_last"
    svg = watch.drawing_.svg
    for line in (f"recording '{step}':", "dense_forward + tanh_forward", "parameters"):
        assert line in svg
    assert set(drawn) <= {svg}


@pytest.mark.parametrize(("name", "done"), [("profile", "profiled"), ("draw", "drawn")])
def test_a_trainer_that_does_not_train_cannot_be_watched(data, name, done):
    one = trainer()
    one.fit(*data)
    with pytest.raises(ParameterError, match=f"a trainer is {done} while it trains"):
        getattr(one, name)()
