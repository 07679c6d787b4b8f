"""Residual blocks: layers that learn what to add to their input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netts.errors import ParameterError
from netts.layers.activations import activation_from
from netts.layers.base import Layer
from netts.layers.merging import Add, as_branch


@dataclass(frozen=True)
class Residual(Layer):
    """Layers beside a shortcut around them, and the sum of both.

    Parameters
    ----------
    layers : list of layers
    shortcut : list of layers, optional
        What to do to the input before it is added, where `layers` change its shape; nothing by
        default.
    activation : str or Layer, optional
        Follows the sum, as a layer of its own.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016.

    Examples
    --------
    >>> from netts import Network
    >>> from netts.layers import Dense
    >>> Network([Residual([Dense(16, "relu"), Dense(4)])]).build(4).shapes[-1]
    (4,)
    """

    layers: Sequence[Any]
    shortcut: Sequence[Any] | None = None
    activation: str | Layer | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_branch("a residual block", self.layers))
        if not self.layers:
            raise ParameterError("a residual block has at least one layer, got []")
        if self.shortcut is not None:
            object.__setattr__(self, "shortcut", as_branch("a shortcut", self.shortcut))
        self.expand()

    def expand(self) -> tuple[Layer, ...]:
        """Return the sum and the activation, each as a layer."""
        total = Add((self.layers, self.shortcut or ()))
        return (total,) if self.activation is None else (total, activation_from(self.activation))
