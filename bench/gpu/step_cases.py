"""The networks whose training steps are timed, and what the issue asks of each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import cnn_peers, peers

Weights = list[np.ndarray]
"""Of each layer weight and bias, in netts's layout."""

CHECKED_STEPS = 3
"""Full batches that results are compared after, before a shorter one."""


@dataclass(frozen=True)
class Case:
    """A network with its batches.

    Attributes
    ----------
    net
        The sizes of dense layers, or a convolutional network.
    steps
        Of an epoch: full batches, then one of a third of their size, less where a processor trains.
    floor
        How many times a step of PyTorch's CUDA graph netts's may be at least.
    tf32_floor
        Likewise where both multiply in TF32; None where that is not timed.
    """

    name: str
    net: Any
    batch_size: int
    steps: int
    processor_steps: int
    floor: float
    tf32_floor: float | None = None

    def samples(self, steps: int) -> int:
        """Return how many samples fill so many batches, the last of them short."""
        return (steps - 1) * self.batch_size + max(self.batch_size // 3, 1)

    def data(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return samples for so many steps."""
        if isinstance(self.net, cnn_peers.CNN):
            return cnn_peers.images(self.samples(steps))
        generator, n_samples = np.random.default_rng(0), self.samples(steps)
        X = generator.standard_normal((n_samples, self.net[0]), np.float32)
        return X, np.arange(n_samples) % self.net[-1]

    def weights(self) -> Weights:
        """Return initial weights, the same for all."""
        generator = np.random.default_rng(1)
        found: Weights = []
        for shape in self._shapes():
            # A filter's inputs are its axes but the first, a dense layer's are its first.
            fan_in = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
            found.append(generator.standard_normal(shape, np.float32) * np.float32(fan_in**-0.5))
            found.append(np.zeros(shape[0] if len(shape) == 4 else shape[1], np.float32))
        return found

    def _shapes(self) -> list[tuple[int, ...]]:
        net = self.net
        if not isinstance(net, cnn_peers.CNN):
            return list(itertools.pairwise(net))
        channels = (1, *(filters for filters, _, _ in net.convolutions))
        kernels = [
            (filters, c, kernel, kernel)
            for c, (filters, kernel, _) in zip(channels, net.convolutions, strict=False)
        ]
        return [*kernels, *itertools.pairwise((net.n_flat, *net.units, cnn_peers.N_CLASSES))]

    def netts_network(self) -> Any:
        """Return the network with the initial weights."""
        is_cnn = isinstance(self.net, cnn_peers.CNN)
        network = (cnn_peers if is_cnn else peers).netts_network(self.net)
        network.build(self.data(1)[0].shape[1:])
        network.set_weights(dict(zip(network.weights(), self.weights(), strict=True)))
        return network

    def torch_model(self) -> Any:
        """Return the model with the initial weights."""
        import torch

        is_cnn = isinstance(self.net, cnn_peers.CNN)
        model = (cnn_peers if is_cnn else peers).torch_model(self.net)
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), self.weights(), strict=True):
                parameter.copy_(torch.from_numpy(value.T if value.ndim == 2 else value))
        return model

    def jax_parameters(self) -> Any:
        """Return the initial weights as `jax_loss` takes them."""
        import jax.numpy as jnp

        arrays = [jnp.asarray(one) for one in self.weights()]
        pairs = list(zip(arrays[::2], arrays[1::2], strict=True))
        if isinstance(self.net, cnn_peers.CNN):
            n_kernels = len(self.net.convolutions)
            return pairs[:n_kernels], pairs[n_kernels:]
        return pairs

    def jax_loss(self) -> Any:
        """Return the loss of a batch by parameters, samples and classes."""
        if isinstance(self.net, cnn_peers.CNN):
            return cnn_peers.jax_loss(self.net)
        return lambda parameters, x, y: peers.jax_mean_loss(x, parameters, y)


def _dense(name: str, *numbers: Any) -> Case:
    return Case(f"{name}, {numbers[0]}", tuple(map(int, name.split("-"))), *numbers)


def _images(name: str, *numbers: Any) -> Case:
    return Case(f"{name}, {numbers[0]}", cnn_peers.NETS[name], *numbers)


LEVEL = 1 / 1.05
"""Within 5 %."""

CASES = (
    _dense("4-16-16-3", 16, 1000, 1000, 1.3),
    _dense("64-100-50-10", 32, 1000, 500, 1.5),
    _dense("784-256-128-10", 128, 500, 100, 2.0),
    _images("LeNet-5", 128, 300, 20, 1.0),
    _images("conv32-conv64-128-10", 128, 200, 8, 1.0),
    _dense("1024-2048-2048-10", 512, 150, 8, LEVEL),
    _images("LeNet-5", 1024, 60, 6, 1.0),
    _images("conv32-conv64-128-10", 1024, 40, 2, 1.0),
    _dense("1024-4096-4096-10", 4096, 16, 2, LEVEL, 1 / 1.10),
)
TINY = (
    _dense("4-16-16-3", 16, 20, 20, 1.3),
    _dense("64-100-50-10", 32, 10, 10, 1.5, 1.0),
    _images("LeNet-5", 8, 3, 3, 1.0),
)
"""For trying the scripts on a machine without a GPU."""
