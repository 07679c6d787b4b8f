"""Weights of other programs for a network: which array of a file is whose, and with which axes.

A state dict of PyTorch names arrays `module.array`. What a layer's arrays are called there, and in
which order their axes are, says the layer (`Layer.in_torch`); which module is whose,
`netts.network.modules` or a mapping of the user's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from netts.choices import choose
from netts.errors import WeightsError
from netts.layers.base import InTorch
from netts.network.inputs import as_array
from netts.network.modules import Arrays, Wanted, by_names, by_shapes, refuse
from netts.network.nodes import Node
from netts.persistence.weight_files import read_weights

COUNTERS = ("num_batches_tracked",)
"""What PyTorch keeps that predictions do not depend on."""

LAYOUTS = {"torch": True, "netts": False}
"""Whether arrays have PyTorch's names and axes."""


def wanted_by(nodes: Sequence[Node], weights: Arrays, layout: str) -> list[Wanted]:
    """Return all arrays of a network, those of a layer together.

    Raises
    ------
    ParameterError
        Where there is no such layout.
    """
    is_torch = choose("layout", layout, LAYOUTS)
    found = []
    for node in nodes:
        in_torch = getattr(node.layer, "in_torch", {}) if is_torch else {}
        for full, array in weights.items():
            label, _, name = full.rpartition(".")
            if label == node.label:
                in_file = in_torch.get(name, InTorch(name))
                found.append(Wanted(str(node), label, full, in_file, in_file.given(array).shape))
    return found


def exported(wanted: Iterable[Wanted], weights: Arrays) -> dict[str, np.ndarray]:
    """Return weights of a network under the names of a file, with the axes of a file."""
    return {
        one.within(one.label): np.ascontiguousarray(one.in_file.given(weights[one.name]))
        for one in wanted
    }


def weights_from(source: Any) -> tuple[Arrays, bool]:
    """Return the arrays of a file or mapping, and whether they are in the order of the model.

    Raises
    ------
    DataError
        Where a file cannot be read, or something is no array of numbers.
    """
    if not isinstance(source, Mapping):
        return read_weights(source)
    found = {}
    for name, array in source.items():
        try:
            found[str(name)] = as_array(array, str(name))
        except (TypeError, RuntimeError) as error:  # what torch raises where NumPy lacks the dtype
            raise WeightsError(
                f"{name} is no array: {error}; of a tensor, pass tensor.detach().float().cpu()"
            ) from error
    return found, True


def matched(
    wanted: Sequence[Wanted],
    arrays: Arrays,
    mapping: Mapping[str, str] | None,
    dtype: np.dtype,
    *,
    is_ordered: bool,
) -> dict[str, np.ndarray]:
    """Return new values for arrays of a network, from those of a file.

    Parameters
    ----------
    wanted
        All arrays of the network.
    arrays
        Of the file, by name.
    mapping
        Names of layers, or of their arrays, and what they are in the file. Only these are taken.
    dtype
        What they become.
    is_ordered
        Whether the file has them in the order of the model.

    Raises
    ------
    WeightsError
        Where something is left over on one side, or does not fit. The message names all of it.
    """
    kept = {name: one for name, one in arrays.items() if name.split(".")[-1] not in COUNTERS}
    if mapping is None and not _are_ours(wanted, kept):
        names = by_shapes(wanted, kept, is_ordered=is_ordered)
    else:
        same = {one.label: one.label for one in wanted}
        names = by_names(wanted, kept, same if mapping is None else mapping)
    ours = {one.name: one for one in wanted}
    found, problems = {}, []
    for name, source in names.items():
        try:
            found[name] = ours[name].in_file.taken(_converted(kept[source], dtype))
        except WeightsError as error:
            problems.append(f"{source} {error}")
    refuse(problems)
    return found


def _are_ours(wanted: Iterable[Wanted], arrays: Arrays) -> bool:
    """Tell whether a file has just the names and shapes that `Network.weights` gives."""
    ours = {one.within(one.label): one.shape for one in wanted}
    return ours == {name: array.shape for name, array in arrays.items()}


def _converted(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return floating numbers in the dtype of the network, rounded to the nearest.

    Raises
    ------
    WeightsError
        Where they are no floating numbers, not finite, or too large for the dtype.
    """
    if array.dtype.kind != "f":
        raise WeightsError(f"has dtype {array.dtype}, and weights are floating numbers")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all():
        lost = f"is too large for {dtype}" if np.isfinite(array).all() else "is not finite"
        raise WeightsError(f"has a value that {lost}")
    return converted


@contextlib.contextmanager
def naming(source: Any) -> Iterator[None]:
    """Begin the message of a `WeightsError` with what the weights are from."""
    try:
        yield
    except WeightsError as error:
        what = "what was passed" if isinstance(source, Mapping) else source
        raise WeightsError(f"{what} {error}") from None
