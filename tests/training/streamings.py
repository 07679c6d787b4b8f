"""Small trainings with options of streaming, and a source of the samples that they train on."""

from __future__ import annotations

import threading

import numpy as np
from trainings import CLASSES, IMAGES, KINDS, QUANTITY, WEIGHTS, X, mlp

from netts import Network, Trainer, layers
from netts.training import EarlyStopping

SAMPLE_BYTES = 6 * 4 + 8
"""Of a row of `X` and its class."""

DROPPING = (layers.Dense(16, "relu"), layers.Dropout(0.3), layers.Dense(3))


class Counting:
    """The samples of `X`, with a note of what is read."""

    n_threads = 1

    def __init__(self, rows=X, dtype=np.float32):
        self.rows, self.shape, self.dtype = rows, rows.shape, np.dtype(dtype)
        self.calls = []
        self.threads = set()

    def read(self, indices, out, *, epoch):
        self.calls.append((epoch, indices.copy(), out))
        self.threads.add(threading.current_thread())
        out[...] = self.rows[indices]

    @property
    def orders(self):
        """The numbers read in each epoch, one after the other."""
        epochs = sorted({epoch for epoch, _, _ in self.calls})
        return [
            np.concatenate([indices for at, indices, _ in self.calls if at == epoch])
            for epoch in epochs
        ]


def fitted(network, X, y, device, *arguments, validation_data=None, **options):
    options = {"epochs": 3, "batch_size": 16, "random_state": 3} | options
    trainer = Trainer(network, device=device, **options)
    trainer.fit(X, y, *arguments, validation_data=validation_data)
    return trainer


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def plain(device, **options):
    return fitted(mlp(), X, CLASSES, device, **options)


def dropped(device, **options):
    return fitted(Network(DROPPING), X, CLASSES, device, **options)


def weighted(device, **options):
    return fitted(mlp(), X, CLASSES, device, WEIGHTS, **options)


def not_shuffled(device, **options):
    return fitted(mlp(), X, CLASSES, device, shuffle=False, **options)


def quantities(device, **options):
    network = Network([layers.Dense(8, "relu"), layers.Dense(1)], np.float64)
    return fitted(network, X, QUANTITY, device, loss="squared_error", l2=0.01, **options)


def images(device, **options):
    network = Network([layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(2)])
    return fitted(network, IMAGES, KINDS, device, epochs=2, batch_size=7, **options)


def validated(device, **options):
    held = (X[:25], CLASSES[:25], WEIGHTS[:25])
    return fitted(mlp(), X[25:], CLASSES[25:], device, validation_data=held, **options)


def best_restored(device, **options):
    rule = EarlyStopping("validation_score", patience=2, restore_best=True)
    return fitted(
        mlp(), X, CLASSES, device, epochs=12, validation_fraction=0.3, early_stopping=rule,
        **options,
    )  # fmt: skip


def resumed(device, **options):
    trainer = fitted(Network(DROPPING), X, CLASSES, device, **options)
    trainer.fit(X, CLASSES, resume=True)
    return trainer


def minimised(device, **options):
    return fitted(mlp(), X, CLASSES, device, optimizer="lbfgs", validation_fraction=0.3, **options)


CASES = {
    one.__name__: one
    for one in (
        plain, dropped, weighted, not_shuffled, quantities, images, validated, best_restored,
        minimised, resumed,
    )
}  # fmt: skip
