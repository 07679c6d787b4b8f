"""What a training step has to compute and to move at least, whatever computes it.

Products: two operations for each multiply-add of the forward pass, the weights' gradients, and the
inputs' gradients of all layers but the first. Adam reads parameters, gradients and both moments and
writes all but the gradients: seven times the parameters. Activations, which stay in a cache if they
are small, are not counted, nor is whatever is no product.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from bench.cnn_peers import CNN, N_CLASSES, NETS, SIDE

FLOAT_BYTES = 4
ADAM_PASSES = 7


@dataclass(frozen=True)
class Work:
    """The work of a step.

    Attributes
    ----------
    flop : float
        Of products.
    adam_bytes : float
    """

    flop: float
    adam_bytes: float

    def seconds(self, flop_per_second: float, bytes_per_second: float) -> tuple[float, float]:
        """Return the least seconds of the products, and of Adam's bytes."""
        return self.flop / flop_per_second, self.adam_bytes / bytes_per_second


def work(net: str, batch_size: int) -> Work:
    """Return the work of a step of a network that is named as the benchmarks do."""
    if net in NETS:
        layers = _convolutional(NETS[net])
    else:
        layers = [(a * b, (a + 1) * b) for a, b in itertools.pairwise(map(int, net.split("-")))]
    forward = [multiply_adds for multiply_adds, _ in layers]
    return Work(
        2.0 * batch_size * (3 * sum(forward) - forward[0]),
        float(ADAM_PASSES * FLOAT_BYTES * sum(parameters for _, parameters in layers)),
    )


def _convolutional(net: CNN) -> list[tuple[int, int]]:
    """Return multiply-adds of an image and parameters, layer by layer."""
    layers, channels, side = [], 1, SIDE
    for filters, kernel, padding in net.convolutions:
        side = side + 2 * padding - kernel + 1
        taps = channels * kernel * kernel
        layers.append((taps * filters * side * side, (taps + 1) * filters))
        channels, side = filters, side // 2
    sizes = (net.n_flat, *net.units, N_CLASSES)
    return layers + [(a * b, (a + 1) * b) for a, b in itertools.pairwise(sizes)]
