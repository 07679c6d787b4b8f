"""Dropout: training drops units at random, so that none relies on another."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import accelerate, parallel
from netts.hyperparameters import check_real
from netts.layers.base import Layer, LayerBuffers, as_rows
from netts.layers.philox import philox_word


@accelerate
def dropout(x, output, order, cursor, step, key, stream, threshold, scale):
    """Write x * scale where the word of sample, feature, step and layer is below threshold, else 0.

    Linear in x, so the backward pass is the same kernel over the gradients.
    """
    start = cursor[0]
    now = step[0]
    key_0 = key[0]
    key_1 = key[1]
    for i, j in parallel(x.shape[0], x.shape[1]):
        word = philox_word(order[start + i], j, now, stream, key_0, key_1)
        output[i, j] = x[i, j] * scale if word < threshold else 0.0


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, set each input to 0 with probability `rate` and divide the others by 1 - rate.

    Outside of training it passes its input through ("inverted" dropout). The mask is not kept: the
    backward pass draws the same numbers from the same counters.

    Parameters
    ----------
    rate : float in [0, 1)

    References
    ----------
    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, "Dropout: a simple way
    to prevent neural networks from overfitting", JMLR 15, 2014.
    """

    rate: float

    def __post_init__(self) -> None:
        check_real("rate", self.rate, "[0, 1)")

    def passes_through(self, is_training: bool) -> bool:
        """Return True outside of training."""
        return not is_training or self.rate == 0

    def forward(self, at: LayerBuffers) -> None:
        """Write the inputs that are kept, scaled."""
        self._drop(at, at.input, at.output)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradients of the inputs that were kept, scaled."""
        self._drop(at, at.grad_output, at.grad_input)

    def _drop(self, at, source, target) -> None:
        random = at.random
        dropout(
            as_rows(source),
            as_rows(target),
            random.order,
            random.cursor,
            random.step,
            random.key,
            random.stream,
            threshold=round((1 - self.rate) * 2**32),
            scale=1 / (1 - self.rate),
        )
