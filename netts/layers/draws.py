"""What layers that change their input at random draw first: some numbers for each sample.

They are kept for the backward pass. A number depends on the sample, the number of updates before,
the layer and the seed, by `philox_word`, and on nothing else: not on the batch, the order, the
device or how many threads there are.
"""

from __future__ import annotations

from netts.compiler import accelerate, element, parallel
from netts.layers.base import LayerBuffers
from netts.layers.philox import philox_word

BITS = 24  # the whole numbers that float32 holds, so that both dtypes draw the same
N_VALUES = 2**BITS
RESOLUTION = 1 / N_VALUES


@element
def uniform(word):
    """Return a number in [0, 1), exact in float32, of a word of 32 bits."""
    return (word >> 8) * RESOLUTION


@element
def chosen(number, n):
    """Return a whole number from 0 to n - 1, all as likely, of a number of `uniform`."""
    return (int(number * N_VALUES) * n) >> BITS


@accelerate
def draw_uniforms(draws, order, cursor, step, key, stream):
    """draws[i, j] = the j-th number in [0, 1) of the sample in row i."""
    start = cursor[0]
    now = step[0]
    key_0 = key[0]
    key_1 = key[1]
    for i, j in parallel(draws.shape[0], draws.shape[1]):
        draws[i, j] = uniform(philox_word(order[start + i], j, now, stream, key_0, key_1))


def draw(at: LayerBuffers) -> None:
    """Write `at.draws`, a transient of shape (rows, numbers)."""
    random = at.random
    assert random is not None
    draw_uniforms(at.draws, random.order, random.cursor, random.step, random.key, random.stream)
