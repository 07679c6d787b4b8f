"""Seconds of one epoch within a training that goes on, and what it moves to and from a GPU.

A step's time in `test_training_step.py` has the set-up of a fit in it; here it is left out: an
epoch is what netts's history, `partial_fit` of scikit-learn, an epoch of batches of PyTorch and a
jitted scan of JAX take, the order of the samples drawn anew in each.
"""

from __future__ import annotations

import functools
import statistics
import time
import warnings
from typing import Any

import numpy as np

from bench import cnn_peers, peers
from netts.training.callbacks import Callback

EPOCHS = 3
"""The median of so many is a round, after one that warms up."""

LIBRARIES = ("netts", "scikit-learn", "PyTorch eager", "JAX scan")
ON_GPU = "netts, cuda"


@functools.cache
def data(net: str, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    if net in cnn_peers.NETS:
        return cnn_peers.images(n_samples)
    return peers.data(sizes(net), n_samples)


def sizes(net: str) -> tuple[int, ...]:
    return tuple(map(int, net.split("-")))


class Moved(Callback):
    """Keeps what the last epoch moved to and from the GPU."""

    def __init__(self) -> None:
        from netts.devices.transfers import Traffic

        self.before = self.last = Traffic()

    def on_epoch_end(self, trainer, history):
        from netts.devices.cuda import device

        now = device().transfers.traffic
        self.last, self.before = now.since(self.before), now


def of_netts(net: str, batch_size: int, X, y, device: str = "cpu") -> tuple[float, dict[str, Any]]:
    """Return the median seconds of an epoch by the history, and on a GPU what the last moved."""
    from netts import Trainer
    from netts.optimizers import Adam

    is_image = net in cnn_peers.NETS
    network = (
        cnn_peers.netts_network(cnn_peers.NETS[net])
        if is_image
        else peers.netts_network(sizes(net))
    )
    moved = [Moved()] if device == "cuda" else []
    history = Trainer(
        network,
        optimizer=Adam(peers.LEARNING_RATE),
        epochs=EPOCHS + 1,
        batch_size=batch_size,
        device=device,
        callbacks=moved,
        random_state=0,
    ).fit(X, y)
    details = {"moved": str(moved[0].last)} if moved else {}
    return statistics.median(one.seconds for one in history.epochs[1:]), details


def repeated(epoch) -> float:
    """Return the median seconds of an epoch that a function trains."""
    epoch()
    found = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        epoch()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def of_sklearn(net: str, batch_size: int, X, y) -> float:
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")
    classes = np.unique(y)
    model = MLPClassifier(
        sizes(net)[1:-1],
        batch_size=batch_size,
        learning_rate_init=peers.LEARNING_RATE,
        alpha=0.0,
        random_state=0,
    )
    return repeated(lambda: model.partial_fit(X, y, classes=classes))


def of_torch(net: str, batch_size: int, X, y) -> float:
    is_image = net in cnn_peers.NETS
    model = (
        cnn_peers.torch_model(cnn_peers.NETS[net]) if is_image else peers.torch_model(sizes(net))
    )
    step = peers.torch_step(model, is_compiled=False)
    return repeated(lambda: peers.torch_epochs(step, batch_size, 1, X, y))


def of_jax(net: str, batch_size: int, X, y) -> float:
    import jax
    import jax.numpy as jnp

    if net in cnn_peers.NETS:
        shape = cnn_peers.NETS[net]
        epoch, state = cnn_peers.jax_epoch(shape, batch_size), cnn_peers.jax_parameters(shape)
    else:
        epoch = peers.jax_epoch(sizes(net), batch_size)
        state = peers.jax_parameters(sizes(net))
    inputs, targets = jnp.asarray(X), jnp.asarray(y)
    kept = {"state": peers.jax_start(state), "key": jax.random.key(0)}

    def one() -> None:
        kept["key"], key = jax.random.split(kept["key"])
        kept["state"], loss = epoch(kept["state"], key, inputs, targets)
        float(loss)  # as the others, it knows the loss of each epoch

    return repeated(one)


TIMED = dict(zip(LIBRARIES, (of_netts, of_sklearn, of_torch, of_jax), strict=True))


def epoch_seconds(library: str, net: str, batch_size: int, n_samples: int) -> Any:
    """Return the seconds of an epoch, for netts with details."""
    arguments = net, batch_size, *data(net, n_samples)
    if library == ON_GPU:
        return of_netts(*arguments, device="cuda")
    return TIMED[library](*arguments)
