"""Images made brighter or darker, and samples noisier, at random in training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.compiler.functions import log, sqrt
from netts.hyperparameters import check_real
from netts.layers.augmentation import Augmentation
from netts.layers.base import Layer, LayerBuffers, Shape, as_rows
from netts.layers.draws import RESOLUTION, draw, uniform
from netts.layers.philox import philox_word

TWO_PI = 2 * math.pi


@accelerate
def scale_samples(x, draws, output, amount):
    """output[i, j] = x[i, j] * (a number from 1 - amount to 1 + amount for each sample)."""
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = x[i, j] * (1.0 + amount * (2.0 * draws[i, 0] - 1.0))


@accelerate
def add_noise(x, output, order, cursor, step, key, stream, deviation):
    """output[i, j] = x[i, j] + a normally distributed number of its own.

    G. Box, M. Muller, "A note on the generation of random normal deviates", Annals of Mathematical
    Statistics 29, 1958: sqrt(-2 log u) cos(2 pi v). With half a step added, u is never 0.
    """
    start = cursor[0]
    now = step[0]
    key_0 = key[0]
    key_1 = key[1]
    for i, j in parallel(x.shape[0], x.shape[1]):
        sample = order[start + i]
        u = uniform(philox_word(sample, 2 * j, now, stream, key_0, key_1)) + 0.5 * RESOLUTION
        v = uniform(philox_word(sample, 2 * j + 1, now, stream, key_0, key_1))
        output[i, j] = x[i, j] + deviation * sqrt(-2.0 * log(u)) * math.cos(TWO_PI * v)


@accelerate
def pass_on(grad_output, grad_input):
    """grad_input[i, j] = grad_output[i, j]."""
    for i, j in parallel(grad_input.shape[0], grad_input.shape[1]):
        grad_input[i, j] = grad_output[i, j]


@dataclass(frozen=True)
class RandomBrightness(Augmentation):
    """In training, multiply all values of each sample by a number of its own.

    Values are not clipped, as images may be standardised.

    Parameters
    ----------
    amount : float in [0, 1]
        The number is between 1 - amount and 1 + amount, as in torchvision's `ColorJitter`.
    """

    amount: float

    def __post_init__(self) -> None:
        check_real("amount", self.amount, "[0, 1]")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the samples, of which any will do."""
        return input_shape

    def transients(self, input_shape: Shape, rows: int) -> dict[str, Shape]:
        """Return `draws`."""
        return {"draws": (rows, 1)}

    def passes_through(self, is_training: bool) -> bool:
        """Return True outside of training."""
        return not is_training or self.amount == 0

    def forward(self, at: LayerBuffers) -> None:
        """Draw, and write the samples."""
        draw(at)
        scale_samples(as_rows(at.input), at.draws, as_rows(at.output), self.amount)

    def backward(self, at: LayerBuffers) -> None:
        """Multiply the gradients likewise."""
        scale_samples(as_rows(at.grad_output), at.draws, as_rows(at.grad_input), self.amount)


@dataclass(frozen=True)
class GaussianNoise(Layer):
    """In training, add a normally distributed number to each value.

    Parameters
    ----------
    deviation : float in [0, inf)
        The standard deviation of the noise, in the unit of the values.
    """

    deviation: float

    def __post_init__(self) -> None:
        check_real("deviation", self.deviation, "[0, inf)")

    def passes_through(self, is_training: bool) -> bool:
        """Return True outside of training."""
        return not is_training or self.deviation == 0

    def forward(self, at: LayerBuffers) -> None:
        """Write the samples with their noise."""
        random = at.random
        assert random is not None
        add_noise(
            as_rows(at.input),
            as_rows(at.output),
            random.order,
            random.cursor,
            random.step,
            random.key,
            random.stream,
            self.deviation,
        )

    def backward(self, at: LayerBuffers) -> None:
        """Pass the gradients on."""
        pass_on(as_rows(at.grad_output), as_rows(at.grad_input))
