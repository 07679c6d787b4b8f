"""Small trainings of every kind: functions of device and dtype that return what was learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from netts import Network, Trainer, layers
from netts.losses import Quantile
from netts.schedules import OneCycle, ReduceOnPlateau
from netts.training import EarlyStopping

Learned = dict[str, np.ndarray]
Data = np.ndarray | dict[str, np.ndarray]

rng = np.random.default_rng(0)
X = rng.normal(size=(70, 6)).astype(np.float32)
CLASSES = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.int64) + (X[:, 3] > 0.5)
QUANTITY = (X @ rng.normal(size=6) + 0.1 * rng.normal(size=70)).astype(np.float32)
IMAGES = rng.normal(size=(40, 1, 8, 8)).astype(np.float32)
KINDS = (IMAGES[:, 0, :4].mean(axis=(1, 2)) > IMAGES[:, 0, 4:].mean(axis=(1, 2))).astype(np.int64)
WEIGHTS = rng.uniform(0.5, 2.0, 70).astype(np.float32)
TABLE = {"numbers": X[:, :4], "kinds": rng.integers(0, 5, (70, 2))}


def mlp(**options: Any) -> Network:
    return Network([layers.Dense(12, "relu"), layers.Dense(8, "tanh"), layers.Dense(3)], **options)


def learned(trainer: Trainer, data: Data) -> Learned:
    """Return weights, history and predictions."""
    history = trainer.history_
    found = trainer.network.weights()
    found["loss"] = np.array(history.loss)
    found["validation"] = np.array([one.validation_score or 0.0 for one in history.epochs])
    found["predictions"] = trainer.predict(data)
    return found


def as_dtype(data: Data, dtype: type) -> Data:
    """Return data with all that is floating of a dtype."""
    if isinstance(data, dict):
        return {name: as_dtype(one, dtype) for name, one in data.items()}
    return data.astype(dtype) if data.dtype.kind == "f" else data


def trained(
    network: Network, data: Data, targets: np.ndarray, device: str, dtype: type,
    *arguments: Any, validation_data: Any = None, **options: Any,
) -> Learned:  # fmt: skip
    options = {"epochs": 4, "batch_size": 16, "random_state": 3} | options
    trainer = Trainer(network, device=device, **options)
    trainer.fit(as_dtype(data, dtype), targets, *arguments, validation_data=validation_data)
    assert network.dtype == dtype
    assert trainer.device_ == device
    return learned(trainer, data)


def dense(device: str, dtype: type) -> Learned:
    return trained(mlp(), X, CLASSES, device, dtype)


def whole_batches(device: str, dtype: type) -> Learned:
    return trained(mlp(), X, CLASSES, device, dtype, batch_size=35, shuffle=False)


def momentum_and_penalty(device: str, dtype: type) -> Learned:
    network = Network([layers.Dense(8, "relu"), layers.Dense(1)])
    return trained(
        network, X, QUANTITY, device, dtype, loss="squared_error", optimizer="sgd", l2=0.01,
        schedule="constant",
    )  # fmt: skip


def dropout(device: str, dtype: type) -> Learned:
    network = Network([layers.Dense(16, "relu"), layers.Dropout(0.3), layers.Dense(3)])
    return trained(network, X, CLASSES, device, dtype)


def batch_norm(device: str, dtype: type) -> Learned:
    network = Network([layers.Dense(8), layers.BatchNorm(), layers.Dense(3)])
    return trained(network, X, CLASSES, device, dtype, validation_fraction=0.2)


def convolution(device: str, dtype: type) -> Learned:
    network = Network([
        layers.Conv2D(4, kernel_size=3, padding="same", activation="relu"), layers.MaxPool2D(2),
        layers.Conv2D(3, kernel_size=3, activation="relu"), layers.Flatten(), layers.Dense(2),
    ])  # fmt: skip
    return trained(network, IMAGES, KINDS, device, dtype, epochs=2)


def residual(device: str, dtype: type) -> Learned:
    block = layers.Residual(
        [layers.Conv2D(4, 3, stride=2, padding=1), layers.BatchNorm(), layers.ReLU()],
        shortcut=[layers.Conv2D(4, 1, stride=2)], activation="relu",
    )  # fmt: skip
    inner = layers.Residual([layers.Conv2D(4, 3, padding="same"), layers.Dropout(0.2)])
    wide = layers.Concatenate([[], [layers.MaxPool2D(3, stride=1, padding=1)], [inner]])
    network = Network([block, wide, layers.GlobalAveragePool2D(), layers.Dense(2)])
    return trained(network, IMAGES, KINDS, device, dtype, validation_fraction=0.2)


def two_inputs(device: str, dtype: type) -> Learned:
    network = Network([
        layers.Concatenate([
            [layers.Input("numbers"), layers.BatchNorm()],
            [layers.Input("kinds"), layers.Embedding(5, 3), layers.Flatten()],
            [layers.Input("numbers"), layers.Multiply([[], [layers.Dense(4, "sigmoid")]])],
        ]),
        layers.Dense(12, "relu"), layers.Dense(3),
    ])  # fmt: skip
    return trained(network, TABLE, CLASSES, device, dtype, WEIGHTS, l2=0.01)


def signals(device: str, dtype: type) -> Learned:
    network = Network([
        layers.Conv1D(4, 3, padding="same", activation="relu"), layers.MaxPool1D(2),
        layers.Residual([layers.Conv1D(4, 3, padding="same", dilation=2)]),
        layers.AveragePool1D(2), layers.GlobalMaxPool1D(), layers.Dense(2),
    ])  # fmt: skip
    return trained(network, IMAGES.reshape(40, 4, 16), KINDS, device, dtype)


def weighted(device: str, dtype: type) -> Learned:
    return trained(mlp(), X, CLASSES, device, dtype, WEIGHTS)


def validated(device: str, dtype: type) -> Learned:
    data = (X[:25], CLASSES[:25], WEIGHTS[:25])
    return trained(mlp(), X[25:], CLASSES[25:], device, dtype, validation_data=data)


def best_restored(device: str, dtype: type) -> Learned:
    rule = EarlyStopping("validation_score", patience=2, restore_best=True)
    return trained(
        mlp(), X, CLASSES, device, dtype, epochs=30, validation_fraction=0.3, early_stopping=rule,
        optimizer="adam",
    )  # fmt: skip


def regularised(device: str, dtype: type) -> Learned:
    return trained(
        mlp(), X, CLASSES, device, dtype, optimizer="adamw", schedule=OneCycle(max_rate=0.01),
        l1=0.01, l2=0.01, clip_value=0.5, clip_norm=0.5, max_norm=1.0,
    )  # fmt: skip


def quantiles(device: str, dtype: type) -> Learned:
    network = Network([layers.Dense(8, "tanh"), layers.Dense(3)])
    return trained(
        network, X, QUANTITY, device, dtype, loss=Quantile((0.1, 0.5, 0.9)), optimizer="rmsprop",
        schedule=ReduceOnPlateau("loss", patience=0),
    )  # fmt: skip


def margins(device: str, dtype: type) -> Learned:
    return trained(mlp(), X, CLASSES, device, dtype, loss="hinge", optimizer="adadelta")


def minimised(device: str, dtype: type) -> Learned:
    return trained(
        mlp(), X, CLASSES, device, dtype, WEIGHTS, optimizer="lbfgs", l2=0.1, epochs=5,
        validation_fraction=0.3,
    )  # fmt: skip


def resumed(device: str, dtype: type) -> Learned:
    trainer = Trainer(mlp(), device=device, epochs=2, batch_size=16, random_state=3)
    trainer.fit(X.astype(dtype), CLASSES)
    kept = trainer.resumable_.optimizer
    assert type(kept) is np.ndarray
    trainer.fit(X.astype(dtype), CLASSES, resume=True)
    return learned(trainer, X) | {"kept": kept.view(np.uint8)[:8]}


CASES = {
    one.__name__: one
    for one in (
        dense, whole_batches, momentum_and_penalty, dropout, batch_norm, convolution,
        residual, two_inputs, signals, weighted, validated, best_restored,
        regularised, quantiles, margins, minimised, resumed,
    )
}  # fmt: skip
