"""Flatten: samples of any shape as rows of features."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netts.layers.base import Layer, Shape


@dataclass(frozen=True)
class Flatten(Layer):
    """The same numbers in one axis, the last axis of a sample fastest; nothing runs.

    Examples
    --------
    >>> Flatten().output_shape((8, 14, 14))
    (1568,)
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (features,)."""
        return (math.prod(input_shape),)

    def passes_through(self, is_training: bool) -> bool:
        """Return True."""
        return True
