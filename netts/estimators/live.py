"""The network behind `coefs_` and `intercepts_`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netts.devices.memory import BufferView
from netts.layers import Dense, Dropout, Layer
from netts.layers.activations import activation_from
from netts.network import Network

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
"""scikit-learn's names of hidden activations, and netts's."""


def layers_of(units: Sequence[int], activation: str, dropout: float) -> list[Layer]:
    """Return dense layers, with activation and dropout behind each but the last.

    Parameters
    ----------
    units
        Of the layers, the input left out.
    activation
        scikit-learn's name.
    dropout
        0 for none.
    """
    # Weights come from outside; zeros cost nothing to draw.
    *hidden, output = [Dense(n, weight_initializer="zeros") for n in map(int, units)]
    behind = [activation_from(ACTIVATIONS[activation])] + [Dropout(dropout)] * (dropout > 0)
    return [layer for dense in hidden for layer in (dense, *behind)] + [output]


class LiveNetwork:
    """A network that is made when it is first needed, and kept as long as it fits.

    The arrays of the estimator are the truth. After a fit they are views of the network's own
    memory, and nothing has to be copied; arrays put in their place are copied in before each use.
    As they may have been changed in place, a device gets the network's memory anew at each use.
    """

    def __init__(self) -> None:
        self._network: Network | None = None
        self._kind: tuple[Any, ...] = ()
        self._pieces: list[BufferView] = []
        self._views: list[np.ndarray] = []
        self._lock = threading.Lock()

    def load(
        self,
        coefs: Sequence[np.ndarray],
        intercepts: Sequence[np.ndarray],
        activation: str,
        dropout: float,
    ) -> Network:
        """Return the network with these weights."""
        kind = ([coef.shape for coef in coefs], coefs[0].dtype, activation, dropout)
        with self._lock:  # several threads may predict with one estimator
            if self._network is None or self._kind != kind:
                self._network, self._kind = _built(*kind), kind
                self._pieces = list(_pieces(self._network))
                self._views = [piece.array for piece in self._pieces]
            for piece in self._pieces:
                piece.buffer.touch()
            for view, array in zip(self._views, [*coefs, *intercepts], strict=True):
                if array is not view:
                    view[...] = array
            return self._network

    def arrays(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the weights and the biases, views of the network's memory."""
        for piece in self._pieces:
            piece.buffer.fetch()
        n_layers = len(self._views) // 2
        return self._views[:n_layers], self._views[n_layers:]


def _built(
    shapes: list[tuple[int, int]], dtype: np.dtype, activation: str, dropout: float
) -> Network:
    layers = layers_of([fan_out for _, fan_out in shapes], activation, dropout)
    return Network(layers, dtype).build(shapes[0][0], random_state=0)


def _pieces(network: Network) -> Iterator[BufferView]:
    for name in ("weight", "bias"):
        for piece in network.parameters.pieces:
            if piece:
                yield piece[name]
