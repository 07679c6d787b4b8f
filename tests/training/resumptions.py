"""Trainings of every kind that are left and gone on with, and what is compared of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from trainings import CLASSES, WEIGHTS, X, mlp

from netts import Network, Trainer, layers
from netts.network.sources import ArraySource
from netts.schedules import CosineRestarts, OneCycle, ReduceOnPlateau
from netts.training import Callback, EarlyStopping


def random_network() -> Network:
    return Network([
        layers.Dense(8), layers.BatchNorm(), layers.Dropout(0.3), layers.Dense(3),
    ])  # fmt: skip


CASES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd"},
    "adam": {"optimizer": "adam", "l2": 0.01},
    "rmsprop, weights": {"optimizer": "rmsprop", "weights": WEIGHTS},
    "adadelta": {"optimizer": "adadelta"},
    "one cycle": {"schedule": OneCycle(max_rate=0.01), "clip_norm": 0.5},
    "cosine": {"schedule": CosineRestarts(epochs=2, each_step=True)},
    "on plateau": {"schedule": ReduceOnPlateau("loss", patience=0), "max_norm": 1.0},
    "random layers": {"network": random_network, "validation_fraction": 0.2},
    "no order": {"shuffle": False, "optimizer": "adagrad"},
    "streamed": {"source": True},
    "streamed array": {"data_memory_bytes": 2 * 3 * 16 * 40},
    "best": {
        "validation_fraction": 0.3,
        "early_stopping": EarlyStopping("validation_score", patience=2, min_delta=0.0),
        "epochs": 12,
    },
    "accumulated": {"batch_size": 5, "accumulate": 3, "network": random_network},
}


def trainer(case: dict[str, Any], *callbacks: Callback, **options: Any) -> Trainer:
    """Return a trainer of one of the cases, with a new network."""
    settings = {"network": mlp, "epochs": 3, "batch_size": 16, "random_state": 3, "device": "cpu"}
    settings |= {name: one for name, one in case.items() if name not in ("weights", "source")}
    settings |= options
    return Trainer(settings.pop("network")(), callbacks=callbacks, **settings)


def fit(one: Trainer, case: dict[str, Any], **options: Any) -> Trainer:
    data = ArraySource(X) if case.get("source") else X
    one.fit(data, CLASSES, case.get("weights"), **options)
    return one


def state(one: Trainer) -> dict[str, Any]:
    """Return all that a training has learned and would go on with, but for the time it took."""
    history, resumable = one.history_, one.resumable_
    return one.network.weights() | {
        "epochs": [replace(epoch, seconds=0.0, stalled_seconds=0.0) for epoch in history.epochs],
        "ending": (history.stopped_by, history.best_epoch, history.steps),
        "optimizer": resumable.optimizer,
        "rate": resumable.rate,
        "counts": (resumable.epochs, resumable.samples, resumable.schedule),
        "words": resumable.words,
        "random": repr(resumable.generator.bit_generator.state),
    }


def assert_same(found: Trainer, expected: Trainer) -> None:
    left, right = state(found), state(expected)
    assert left.keys() == right.keys()
    for name, value in right.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(left[name], value, err_msg=name)
        else:
            assert left[name] == value, name


class CutError(Exception):
    """Stands for the end of a process."""


class CutOff(Callback):
    """Ends a fit behind a step, as if its process had ended."""

    def __init__(self, steps: int) -> None:
        self.every_steps, self._steps = 1, steps

    def on_batch_end(self, trainer, progress) -> None:
        if progress.steps == self._steps:
            raise CutError
