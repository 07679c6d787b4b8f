"""Make a network of what a model file holds of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netts.errors import BrokenModelError, NettsError
from netts.network.network import Network
from netts.network.saved import SavedNetwork, registry
from netts.persistence import ModelFile, decode_model


def from_model_file(model_file: ModelFile, custom: Iterable[Any] = ()) -> Network:
    """Return the network of a model file.

    Parameters
    ----------
    model_file
    custom : iterable of class and function
        Of the user's own, that the file may name.

    Raises
    ------
    BrokenModelError
        Where the file contradicts itself.
    UnknownClassError
        Where it names a class or function that is neither netts's nor in `custom`.
    """
    return network_from(decode_model(model_file, SavedNetwork, registry(), custom))


def network_from(saved: SavedNetwork) -> Network:
    """Return the network that `describe_network` gave this for.

    Raises
    ------
    BrokenModelError
        Where its layers do not fit each other or the weights.
    """
    if len({one is None for one in (saved.input_shape, saved.dtype, saved.weights)}) > 1:
        raise BrokenModelError("the network has only some of input_shape, dtype and weights")
    try:
        network = Network(saved.layers, saved.requested_dtype)
        if saved.input_shape is not None and saved.weights is not None:
            _check_dtypes(saved)
            network.restore(saved.input_shape, saved.weights, dtype=saved.dtype)
    except NettsError as error:
        raise BrokenModelError(f"the network cannot be: {error}") from error
    return network


def _check_dtypes(saved: SavedNetwork) -> None:
    if saved.requested_dtype is not None and saved.requested_dtype != saved.dtype:
        raise BrokenModelError(f"dtype {saved.dtype}, but {saved.requested_dtype} was asked for")
    for name, array in (saved.weights or {}).items():
        if array.dtype != saved.dtype:
            raise BrokenModelError(f"{name} has dtype {array.dtype}, not {saved.dtype}")
