"""From what the user passes to `fit` to data sets that kernels take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netts.devices.foreign import device_array, on_host
from netts.devices.memory import BufferView
from netts.errors import DataError, ShapeError
from netts.losses import Loss
from netts.network import Network
from netts.network.device_samples import check_finite_there, device_samples
from netts.network.inputs import as_array, check_finite
from netts.network.sources import ArraySource, Rows, is_source
from netts.training.supply import Samples


def prepare(
    network: Network,
    loss: Loss,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    name: str = "X",
    data_memory_bytes: int | None = None,
) -> Samples:
    """Check and convert a data set, once; the samples of a source when they are read.

    An array that takes more than `data_memory_bytes` in the network's dtype counts as a source.

    Raises
    ------
    ShapeError, DataError
        Where lengths or shapes differ, or values cannot be trained on.
    """
    rows = _rows(network, X, name, data_memory_bytes)
    y, sample_weight = on_host(y, "y"), on_host(sample_weight, "sample_weight")
    if not len(rows):
        raise DataError(f"{name} has no samples: pass at least one")
    targets = np.require(np.asarray(y), requirements=["ALIGNED"])
    if targets.ndim == 0 or len(targets) != len(rows):
        raise ShapeError(
            f"{name} has {len(rows)} samples, but its targets have shape {targets.shape}: pass "
            "one for each sample"
        )
    n_outputs = int(np.prod(network.shapes[-1]))
    columns = loss.targets(targets, n_outputs, network.dtype)
    return Samples(rows, columns, _weights(sample_weight, rows, name))


def _rows(
    network: Network, X: Any, name: str, data_memory_bytes: int | None
) -> np.ndarray | BufferView | Rows:
    lying = None if network.input_names else device_array(X, name)
    if lying is not None:
        matrix = device_samples(network, lying)
        check_finite_there(matrix, name)
        return matrix
    if is_source(X):
        return network.rows(X, name)
    if data_memory_bytes is not None and not isinstance(X, Mapping):
        array = as_array(X, name)
        if array.size * network.dtype.itemsize > data_memory_bytes:
            return network.rows(ArraySource(array), name)
    return network.samples(X, name)


def _weights(
    sample_weight: Any, rows: np.ndarray | BufferView | Rows, name: str
) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weights = np.ascontiguousarray(as_array(sample_weight, "sample_weight"), rows.dtype)
    if weights.shape != (len(rows),):
        raise ShapeError(f"sample_weight has shape ({len(rows)},), got {weights.shape}")
    check_finite(weights, "sample_weight")
    if (weights < 0).any():
        raise DataError(f"sample_weight is not negative, got {weights.min()}")
    if not weights.any():
        raise DataError(f"sample_weight is zero for every sample of {name}: none would count")
    return weights


def hold_out(
    samples: Samples, fraction: float, generator: np.random.Generator
) -> tuple[Samples, Samples]:
    """Divide a data set at random into samples to train on and samples to validate with.

    Whole-number targets are classes, of which both parts get the same shares, to one sample.

    Raises
    ------
    DataError
        Where one part would be empty, or its weights all zero.
    """
    n_held = round(fraction * len(samples))
    if not 0 < n_held < len(samples):
        raise DataError(
            f"validation_fraction={fraction} of {len(samples)} samples leaves "
            f"{n_held} to validate with and {len(samples) - n_held} to train on"
        )
    order = generator.permutation(len(samples))
    if samples.y.dtype.kind == "i":
        order = order[np.argsort(samples.y[order, 0], kind="stable")]
    # Evenly spaced places in an order sorted by class: each class is met in proportion.
    places = (np.arange(n_held) + 0.5) * len(samples) / n_held
    is_held = np.zeros(len(samples), bool)
    is_held[order[places.astype(np.int64)]] = True
    training, held = samples.take(np.flatnonzero(~is_held)), samples.take(np.flatnonzero(is_held))
    if not (training.total_weight and held.total_weight):
        raise DataError(
            f"validation_fraction={fraction} leaves one part with samples of weight zero only: "
            "leave such samples out, or pass validation_data"
        )
    return training, held
