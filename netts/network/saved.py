"""What a model file holds of a network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from netts import initializers, layers
from netts.initializers import INITIALIZERS, Normal, Uniform
from netts.layers.base import Layer
from netts.persistence.forms import Registry

if TYPE_CHECKING:
    from netts.network.network import Network


@dataclass(frozen=True)
class SavedNetwork:
    """A network as plain values and arrays; its last three fields are None where it is not built.

    Attributes
    ----------
    layers : tuple of Layer
    requested_dtype : dtype or None
        What the network was made with.
    input_shape : tuple of int, dict of such tuples by the names of inputs, or None
    dtype : dtype or None
        Of its parameters.
    weights : dict of str to ndarray, or None
        As `Network.weights()` gives them.
    """

    layers: tuple[Any, ...]
    requested_dtype: np.dtype | None = None
    input_shape: tuple[int, ...] | dict[str, tuple[int, ...]] | None = None
    dtype: np.dtype | None = None
    weights: dict[str, np.ndarray] | None = None


def describe_network(network: Network) -> SavedNetwork:
    """Return what a model file holds of a network; its arrays are copies."""
    if not network.is_built:
        return SavedNetwork(network.layers, network.requested_dtype)
    return SavedNetwork(
        network.layers,
        network.requested_dtype,
        network.input_shape,
        network.dtype,
        network.weights(),
    )


@cache
def registry() -> Registry:
    """Return what a network's file may name: layers and initialisers."""
    public = {name: getattr(layers, name) for name in layers.__all__}
    return {
        "SavedNetwork": SavedNetwork,
        "Uniform": Uniform,
        "Normal": Normal,
        **{name: f for name, f in INITIALIZERS.items() if f is getattr(initializers, name, None)},
        **{
            name: one
            for name, one in public.items()
            if isinstance(one, type) and issubclass(one, Layer)
        },
    }
