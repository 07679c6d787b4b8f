"""The same convolutional network trained by netts, PyTorch and JAX: float32, Adam, cross-entropy.

As in `peers.py`: each trains for a number of epochs on images in memory, in a new order every
epoch, and does what that library's users do.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.peers import LEARNING_RATE, jax_mean_loss, jax_scan, jax_start, torch_epochs, torch_step

N_CLASSES = 10
SIDE = 28


@dataclass(frozen=True)
class CNN:
    """Convolutions, each with ReLU and a 2 x 2 maximum behind it, then dense layers with ReLU.

    Attributes
    ----------
    convolutions
        (filters, kernel size, padding) of each.
    units
        Of the hidden dense layers.
    """

    convolutions: tuple[tuple[int, int, int], ...]
    units: tuple[int, ...]

    @property
    def n_flat(self) -> int:
        """Return the number of features that the dense layers get."""
        side = SIDE
        for _, kernel, padding in self.convolutions:
            side = (side + 2 * padding - kernel + 1) // 2
        return self.convolutions[-1][0] * side * side


NETS = {
    "LeNet-5": CNN(((6, 5, 2), (16, 5, 0)), (120, 84)),
    "conv32-conv64-128-10": CNN(((32, 3, 1), (64, 3, 1)), (128,)),
}


def images(n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 images (n_samples, 1, 28, 28) and class numbers."""
    generator = np.random.default_rng(0)
    X = generator.random((n_samples, 1, SIDE, SIDE), np.float32)
    return X, np.arange(n_samples) % N_CLASSES


def netts_network(net: CNN) -> Any:
    from netts import Network, layers

    return Network([*netts_layers(net), layers.Dense(N_CLASSES)], dtype=np.float32)


def netts_layers(net: CNN) -> list[Any]:
    """Return the layers but for the last."""
    from netts import layers

    stack: list[Any] = []
    for filters, kernel, padding in net.convolutions:
        stack += [
            layers.Conv2D(filters, kernel, padding=padding, activation="relu"),
            layers.MaxPool2D(2),
        ]
    stack.append(layers.Flatten())
    return stack + [layers.Dense(units, "relu") for units in net.units]


def train_netts(net: CNN, batch_size: int, epochs: int, X, y) -> Any:
    from netts import Trainer
    from netts.optimizers import Adam

    network = netts_network(net)
    Trainer(
        network,
        optimizer=Adam(LEARNING_RATE),
        epochs=epochs,
        batch_size=batch_size,
        random_state=0,
    ).fit(X, y)
    return network


def torch_model(net: CNN) -> Any:
    from torch import nn

    modules: list[Any] = []
    channels = 1
    for filters, kernel, padding in net.convolutions:
        modules += [
            nn.Conv2d(channels, filters, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
        ]  # fmt: skip
        channels = filters
    modules.append(nn.Flatten())
    for fan_in, fan_out in itertools.pairwise((net.n_flat, *net.units)):
        modules += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*modules, nn.Linear(net.units[-1], N_CLASSES))


def train_torch(net: CNN, batch_size: int, epochs: int, X, y) -> Any:
    model = torch_model(net)
    torch_epochs(torch_step(model, is_compiled=False), batch_size, epochs, X, y)
    return model


@functools.cache
def compiled_torch_step(net: CNN) -> Callable[[Any, Any], None]:
    """Return a compiled step, with a model of its own: a new model would be compiled anew."""
    return torch_step(torch_model(net), is_compiled=True)


def train_compiled_torch(net: CNN, batch_size: int, epochs: int, X, y) -> None:
    torch_epochs(compiled_torch_step(net), batch_size, epochs, X, y)


def jax_loss(net: CNN) -> Callable[..., Any]:
    """Return the mean cross-entropy of a batch by parameters, images and classes."""
    import jax
    import jax.numpy as jnp

    def loss_of(parameters, x, y):
        kernels, dense = parameters
        for (weight, bias), (_, _, padding) in zip(kernels, net.convolutions, strict=True):
            sides = [(padding, padding)] * 2
            x = jax.lax.conv_general_dilated(x, weight, (1, 1), sides) + bias[:, None, None]
            x = jax.lax.reduce_window(
                jax.nn.relu(x), -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"
            )
        return jax_mean_loss(x.reshape(len(x), -1), dense, y)

    return loss_of


@functools.cache
def jax_epoch(net: CNN, batch_size: int) -> Callable[..., Any]:
    """Return an epoch of a convolutional network; compiled once."""
    return jax_scan(jax_loss(net), batch_size)


def jax_parameters(net: CNN) -> Any:
    """Return weights and zero biases, of the convolutions and of the dense layers."""
    import jax.numpy as jnp

    generator = np.random.default_rng(0)

    def drawn(shape, fan_in, n_outputs):
        weight = jnp.asarray(generator.normal(size=shape, scale=fan_in**-0.5), jnp.float32)
        return weight, jnp.zeros(n_outputs, jnp.float32)

    channels = (1, *(filters for filters, _, _ in net.convolutions))
    kernels = [
        drawn((filters, c, kernel, kernel), c * kernel * kernel, filters)
        for c, (filters, kernel, _) in zip(channels, net.convolutions, strict=False)
    ]
    sizes = (net.n_flat, *net.units, N_CLASSES)
    return kernels, [drawn(fans, fans[0], fans[1]) for fans in itertools.pairwise(sizes)]


def train_jax(net: CNN, batch_size: int, epochs: int, X, y) -> None:
    import jax
    import jax.numpy as jnp

    state = jax_start(jax_parameters(net))
    inputs, targets = jnp.asarray(X), jnp.asarray(y)
    for key in jax.random.split(jax.random.key(0), epochs):
        state, loss = jax_epoch(net, batch_size)(state, key, inputs, targets)
        float(loss)


LIBRARIES: dict[str, Callable[..., Any]] = {
    "netts": train_netts,
    "PyTorch eager": train_torch,
    "PyTorch compiled": train_compiled_torch,
    "JAX scan": train_jax,
}


_images = functools.cache(images)


def train(library: str, net: str, batch_size: int, n_steps: int, epochs: int) -> None:
    """Train one of `NETS` with a library; the images are made once."""
    LIBRARIES[library](NETS[net], batch_size, epochs, *_images(batch_size * n_steps))
