"""The network behind `coefs_` and `intercepts_`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from netts.devices.memory import BufferView
from netts.forks import ForkableLock
from netts.layers import BatchNorm, Dense, Dropout, Layer
from netts.layers.activations import activation_from
from netts.network import Network
from netts.training.reuse import KeptSession

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
"""scikit-learn's names of hidden activations, and netts's."""


NORM_ARRAYS = ("gamma", "beta", "running_mean", "running_variance")
"""What batch normalisation learns for each unit, in the order of `LiveNetwork`."""

Norms = list[dict[str, np.ndarray]]


def initial_norms(units: Sequence[int], dtype: np.dtype) -> Norms:
    """Return what batch normalisation begins with behind hidden layers of so many units."""
    return [
        {name: np.full(n, name in ("gamma", "running_variance"), dtype) for name in NORM_ARRAYS}
        for n in units
    ]


def layers_of(
    units: Sequence[int], activations: Sequence[str], dropout: float, *, batch_norm: bool = False
) -> list[Layer]:
    """Return dense layers, with normalisation, activation and dropout behind each but the last.

    Parameters
    ----------
    units
        Of the layers, the input left out.
    activations
        scikit-learn's names, one for each hidden layer.
    dropout
        0 for none.
    batch_norm
    """
    # Weights come from outside; zeros cost nothing to draw.
    *hidden, output = [Dense(n, weight_initializer="zeros") for n in map(int, units)]
    layers: list[Layer] = []
    norms: list[Layer] = [BatchNorm()] if batch_norm else []
    drops: list[Layer] = [Dropout(dropout)] if dropout > 0 else []
    for dense, name in zip(hidden, activations, strict=True):
        layers += [dense, *norms, activation_from(ACTIVATIONS[name]), *drops]
    return [*layers, output]


class _Kind(NamedTuple):
    """What a network is made for: with another it is made anew."""

    shapes: list[tuple[int, ...]]
    dtype: np.dtype
    activations: tuple[str, ...]
    dropout: float
    has_norms: bool


class _Made(NamedTuple):
    """A network, what it was made for, and its arrays: weights, biases, what norms learn."""

    kind: _Kind
    network: Network
    pieces: list[BufferView]
    views: list[np.ndarray]


class LiveNetwork:
    """A network that is made when it is first needed, and kept as long as it fits.

    The arrays of the estimator are the truth. After a fit they are views of the network's own
    memory, and nothing has to be copied; arrays put in their place are copied in before each use.
    As they may have been changed in place, a device gets the network's memory anew at each use.

    Attributes
    ----------
    kept : KeptSession
        Of one `partial_fit`, or `fit` with `warm_start`, for the next.
    """

    def __init__(self) -> None:
        self._made: _Made | None = None
        self._lock = ForkableLock()
        self.kept = KeptSession()

    def load(
        self,
        coefs: Sequence[np.ndarray],
        intercepts: Sequence[np.ndarray],
        norms: Norms | None,
        activations: tuple[str, ...],
        dropout: float,
    ) -> Network:
        """Return the network with these weights."""
        shapes = [coef.shape for coef in coefs]
        kind = _Kind(shapes, coefs[0].dtype, activations, dropout, norms is not None)
        learned = [one[name] for one in norms or () for name in NORM_ARRAYS]
        with self._lock.current:  # several threads may predict with one estimator
            made = self._made
            if made is None or made.kind != kind:
                # All of it at once: whatever ends this, a fork or Ctrl-C, leaves no half of it.
                made = self._made = _make(kind)
            for piece in made.pieces:
                piece.buffer.touch()
            for view, array in zip(made.views, [*coefs, *intercepts, *learned], strict=True):
                if array is not view:
                    view[...] = array
            return made.network

    def arrays(self) -> tuple[list[np.ndarray], list[np.ndarray], Norms | None]:
        """Return weights, biases and what normalisation learned: views of the network's memory."""
        assert self._made is not None  # a fit has loaded it
        kind, _, pieces, views = self._made
        for piece in pieces:
            piece.buffer.fetch()
        n_layers = len(kind.shapes)
        weights, rest = views[:n_layers], views[n_layers:]
        learned = rest[n_layers:]
        norms = [
            dict(zip(NORM_ARRAYS, learned[k : k + len(NORM_ARRAYS)], strict=True))
            for k in range(0, len(learned), len(NORM_ARRAYS))
        ]
        return weights, rest[:n_layers], norms if kind.has_norms else None


def _make(kind: _Kind) -> _Made:
    units = [fan_out for _, fan_out in kind.shapes]
    layers = layers_of(units, kind.activations, kind.dropout, batch_norm=kind.has_norms)
    network = Network(layers, kind.dtype).build(kind.shapes[0][0], random_state=0)
    pieces = list(_pieces(network))
    return _Made(kind, network, pieces, [piece.array for piece in pieces])


def _pieces(network: Network) -> Iterator[BufferView]:
    for name in ("weight", "bias"):
        for piece in network.parameters.pieces:
            if name in piece:
                yield piece[name]
    for parameters, state in zip(network.parameters.pieces, network.state.pieces, strict=True):
        if "gamma" in parameters:
            arrays = {**parameters, **state}
            yield from (arrays[name] for name in NORM_ARRAYS)
