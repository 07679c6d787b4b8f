"""Where training starts: how weights are drawn.

An initialiser is called as `initializer(generator, shape, fan_in, fan_out)` and returns a new
float64 array of that shape. `fan_in` is the number of inputs that one output of the layer sums
over, `fan_out` the number of outputs that one input reaches. The names of `INITIALIZERS` stand for
the functions below wherever a layer takes an initialiser.

References
----------
.. [1] X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
   networks", AISTATS 2010.
.. [2] K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from netts.choices import choose_or_take

Shape = tuple[int, ...]
Initializer = Callable[[np.random.Generator, Shape, int, int], np.ndarray]


def glorot_uniform(
    generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int
) -> np.ndarray:
    """Draw from U(-a, a), a = sqrt(6 / (fan_in + fan_out)): Glorot 2010, equation 16."""
    limit = math.sqrt(6 / max(fan_in + fan_out, 1))
    return generator.uniform(-limit, limit, shape)


def glorot_normal(
    generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int
) -> np.ndarray:
    """Draw from N(0, 2 / (fan_in + fan_out)): Glorot 2010, equation 12."""
    return generator.normal(0.0, math.sqrt(2 / max(fan_in + fan_out, 1)), shape)


def he_uniform(
    generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int
) -> np.ndarray:
    """Draw from U(-a, a), a = sqrt(6 / fan_in), the variance of He 2015, equation 10."""
    limit = math.sqrt(6 / max(fan_in, 1))
    return generator.uniform(-limit, limit, shape)


def he_normal(
    generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int
) -> np.ndarray:
    """Draw from N(0, 2 / fan_in): He 2015, equation 10."""
    return generator.normal(0.0, math.sqrt(2 / max(fan_in, 1)), shape)


def zeros(generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> np.ndarray:
    """Return zeros, the usual start of a bias."""
    return np.zeros(shape)


def ones(generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> np.ndarray:
    """Return ones, the usual start of a scale."""
    return np.ones(shape)


@dataclass(frozen=True)
class Uniform:
    """Draw from U(low, high), whatever the fans."""

    low: float = -0.05
    high: float = 0.05

    def __call__(
        self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        """Return a new array."""
        return generator.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class Normal:
    """Draw from N(mean, standard_deviation^2), whatever the fans."""

    mean: float = 0.0
    standard_deviation: float = 0.05

    def __call__(
        self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        """Return a new array."""
        return generator.normal(self.mean, self.standard_deviation, shape)


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "uniform": Uniform(),
    "normal": Normal(),
    "zeros": zeros,
    "ones": ones,
}
"""`uniform` and `normal` have the spread of Keras's RandomUniform and RandomNormal, 0.05."""


def initializer_from(initializer: str | Initializer) -> Initializer:
    """Return an initialiser by name, or the one that is passed.

    Raises
    ------
    ParameterError
        Where no initialiser has that name, or it cannot be called.
    """
    return choose_or_take("initializer", initializer, INITIALIZERS, ("__call__",))
