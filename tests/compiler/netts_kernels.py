"""Every kernel of netts with arguments to run it on, as layers, losses and training call it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import netts
from netts import Network, layers
from netts.compiler import Kernel
from netts.compiler.launch import launching
from netts.devices.memory import BufferView
from netts.errors import MissingPackageError
from netts.estimators.losses import MeanSquaredError
from netts.graph import TaskGraph
from netts.layers import RandomCounters
from netts.layers.augmentation import cut_out
from netts.layers.norms import batch_norm_predict
from netts.losses import LOSSES, Hinge
from netts.network import kernels as samples
from netts.network.propagation import Propagation
from netts.optimizers import SGD, AdaDelta, AdaGrad, Adam, OptimizerBuffers, RMSProp
from netts.training import kernels as training
from netts.training import rates, regularization

IMAGES = (2, 5, 5)
LAYERS: tuple[tuple[layers.Layer, tuple[int, ...]], ...] = (
    (layers.Dense(3), (5,)),
    (layers.Dense(3, use_bias=False), (5,)),
    (layers.ReLU(), (5,)),
    (layers.LeakyReLU(), (5,)),
    (layers.ELU(), (5,)),
    (layers.Sigmoid(), (5,)),
    (layers.Tanh(), (5,)),
    (layers.GELU(), (5,)),
    (layers.Swish(), (5,)),
    (layers.Softmax(), (7,)),
    (layers.Dropout(0.5), (5,)),
    (layers.Conv2D(3, 3, padding=1, stride=2), IMAGES),
    (layers.Conv2D(2, (2, 3), use_bias=False, dilation=(1, 2), groups=2), IMAGES),
    (layers.MaxPool2D(3, stride=2, padding=1), IMAGES),
    (layers.AveragePool2D(2), IMAGES),
    (layers.BatchNorm(), IMAGES),
    (layers.LayerNorm(), (7,)),
    (layers.Embedding(4, 3), (5,)),
    (layers.Conv1D(3, 3, padding="same"), (2, 9)),
    (layers.GlobalAveragePool2D(), IMAGES),
    (layers.GlobalMaxPool1D(), (2, 9)),
    (layers.Add([[], [], [layers.ReLU()]]), (5,)),
    (layers.Multiply([[], [], [layers.ReLU()]]), (5,)),
    (layers.Concatenate([[], [layers.Conv2D(3, 1)]]), IMAGES),
    (layers.Residual([layers.Dense(5)], activation="relu"), (5,)),
    (layers.RandomFlip(vertical=True), IMAGES),
    (layers.RandomShift(2), IMAGES),
    (layers.RandomCrop((3, 4), padding=1), IMAGES),
    (layers.RandomRotation(30), IMAGES),
    (layers.RandomBrightness(0.5), IMAGES),
    (layers.GaussianNoise(0.5), IMAGES),
)
ROWS = 4


@dataclass(frozen=True)
class Call:
    """A kernel and what it is called with: NumPy arrays that nobody else has, and numbers."""

    kernel: Kernel
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        shapes = [one.shape for one in self.arguments if isinstance(one, np.ndarray)]
        return f"{self.kernel.routine.name} {shapes}"


def all_kernels() -> set[str]:
    """Return the names of the kernels in all modules of netts."""
    names = set()
    for info in pkgutil.walk_packages(netts.__path__, "netts."):
        if info.name != "netts.__main__":
            try:
                module = importlib.import_module(info.name)
            except MissingPackageError:  # it reads a format, and that package is not there
                continue
            found = [one for one in vars(module).values() if isinstance(one, Kernel)]
            names |= {f"{one.function.__module__}.{one.routine.name}" for one in found}
    return names


def calls(dtype: type) -> list[Call]:
    """Return calls of every kernel in a dtype."""
    rng = np.random.default_rng(0)
    found = [one for layer, shape in LAYERS for one in _of_layer(layer, shape, dtype, rng)]
    with launching(lambda kernel, arguments: found.append(_copied(kernel, arguments))):
        _call_losses(dtype, rng)
        _call_optimizers(dtype, rng)
        _call_training(dtype, rng)
        values, channels = rng.normal(size=(ROWS, 2, 5)).astype(dtype), np.ones(2, dtype)
        batch_norm_predict(values, *[channels.copy() for _ in range(4)], values.copy(), 1e-5)
        images = rng.normal(size=(ROWS, *IMAGES)).astype(dtype)
        cut_out(images, images[:, :, :3, :4].copy(), 1, -1)
    return found


def _copied(kernel: Kernel, arguments: tuple[Any, ...]) -> Call:
    arrays = [one.read() if isinstance(one, BufferView) else one for one in arguments]
    return Call(kernel, tuple(one.copy() if isinstance(one, np.ndarray) else one for one in arrays))


def _of_layer(
    layer: layers.Layer, shape: tuple[int, ...], dtype: type, rng: np.random.Generator
) -> Iterator[Call]:
    """Yield the calls of a training pass, each with what those before it computed."""
    network = Network([layer], dtype).build(shape, random_state=0)
    x = rng.normal(size=(ROWS, *shape)).astype(dtype)
    if isinstance(layer, layers.Embedding):
        x[...] = rng.integers(0, layer.n_embeddings, x.shape)
    output = network.shapes[-1]
    order, one, key = rng.permutation(ROWS), np.zeros(1, np.int64), np.array([7, 11])
    graph = TaskGraph()
    propagation = Propagation(
        network,
        graph,
        ROWS,
        gradients=network.parameters.like("gradients"),
        random=RandomCounters(order, one, one.copy(), key, stream=0),
        needs_input_gradient=True,
    )
    with graph.recording("both"):
        values = propagation.forward(x)
        propagation.backward(values, rng.normal(size=(ROWS, *output)).astype(dtype))
    graph.compile(device="reference")
    for task in graph.recordings["both"]:
        yield _copied(task.kernel, task.arguments)
        task.kernel.on("reference")(*task.arguments)


def _call_losses(dtype: type, rng: np.random.Generator) -> None:
    for name, loss in (LOSSES | {"mean": MeanSquaredError()}).items():
        output = rng.normal(size=(ROWS, 6)).astype(dtype)
        targets = rng.integers(0, 2, output.shape).astype(dtype)
        if name in ("cross_entropy", "hinge"):
            targets = rng.integers(0, 6, (ROWS, 1))
        losses, weights = np.ones((2, ROWS), dtype)
        loss.forward(output, targets, losses)
        loss.backward(output, targets, losses, weights, np.full(1, ROWS, dtype), output.copy())
        loss.predict(output, output.copy())
    decision, sides = rng.normal(size=(ROWS, 1)).astype(dtype), np.ones((ROWS, 1), dtype)
    Hinge().forward(decision, sides, losses)
    Hinge().backward(decision, sides, losses, weights, np.full(1, ROWS, dtype), decision.copy())


def _call_optimizers(dtype: type, rng: np.random.Generator) -> None:
    for optimizer in (
        Adam(), SGD(momentum=0.0), SGD(nesterov=False), SGD(), AdaGrad(), AdaDelta(), RMSProp(),
        RMSProp(momentum=0.5), RMSProp(centered=True),
    ):  # fmt: skip
        at = OptimizerBuffers(
            *rng.normal(size=(2, 11)).astype(dtype),
            {name: np.zeros(11, dtype) for name in optimizer.state_names},
            np.full(1, 0.125, dtype),
            np.zeros(1, np.int64),
        )
        optimizer.update(at)


def _call_training(dtype: type, rng: np.random.Generator) -> None:
    X, y = rng.normal(size=(9, 3)).astype(dtype), rng.integers(0, 3, (9, 1))
    order, cursor, step = rng.permutation(9), np.array([2]), np.zeros(1, np.int64)
    vector, one = rng.uniform(size=5).astype(dtype), np.zeros(1, dtype)
    training.gather_batch(X, y, order, cursor, X[:5].copy(), y[:5].copy())
    training.gather_weights(rng.uniform(size=9).astype(dtype), order, cursor, vector, one)
    weights, rate = rng.normal(size=23).astype(dtype), np.full(1, 0.125, dtype)
    regularization.add_penalty(weights, one, 0.5, 0.25)
    regularization.add_penalty_gradient(weights, weights.copy(), rate, 0.5, 0.25)
    regularization.clip_values(weights, 0.5)
    regularization.norm_scale(weights, one, 0.5)
    regularization.scale_gradients(weights, rate)
    regularization.decay_weights(weights, rate, 0.5)
    regularization.limit_column_norms(X, 1.5)
    regularization.limit_row_norms(X, 1.5)
    rates.take_rate(vector, cursor, one)
    rates.to_first_rate(cursor.copy())
    training.add_gradient(vector, one, vector.copy())
    training.finish_gradient(vector, one, vector.copy(), vector.copy())
    training.add_vector(vector, vector.copy())
    training.finish_batch(vector, vector.copy(), one, cursor, step, 1)
    sums, counts = np.zeros(3, vector.dtype), np.array([0, 2, 0])
    training.finish_epoch(one, cursor, step, cursor.copy(), sums)
    training.count_not_finite(vector, step, counts)
    training.count_troubles(sums, counts, step)
    training.keep_sound(vector, step, vector.copy())
    training.copy_vector(vector, vector.copy())
    training.keep_outputs(X[:5].copy(), cursor, X.copy())
    samples.add_not_finite(vector, step)
    samples.take_rows(X, order, X.copy())
