"""Prediction: a forward pass over chunks of bounded size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from netts.devices.memory import Arena, BufferView
from netts.devices.mirrors import clear_on_device, copy_on_device
from netts.graph import TaskGraph, Usage
from netts.layers.base import as_rows
from netts.losses import Loss
from netts.losses.quantities import copy_values
from netts.network.device_samples import FiniteCheck
from netts.network.propagation import Propagation

if TYPE_CHECKING:
    from netts.network.network import Network

Matrix = np.ndarray | BufferView
"""Samples or predictions on the host, or those that lie on a device."""

CHUNK_BYTES = 32 * 2**20
CHUNK_ROWS = 4096
"""What the values of one chunk may take at most, where `batch_size` is not given.

Measured on two cores in float32: 1024-2048-2048-10 predicts 2048 rows in 241 ms by 64 rows, 138 ms
by 512 (35 MB), 132 ms by 2048; 784-256-128-10 predicts 20,000 rows in 82 ms by 512 and 78 ms by
4096 (25 MB); 4-16-16-3 gains nothing beyond 4096.
"""


class Inference:
    """A planned forward pass over up to `rows` samples.

    Not safe to call from two threads at once: the buffers are its own.
    """

    _finite: FiniteCheck | None = None
    """What counts values that are not finite; None where they were checked before."""

    def __init__(
        self, network: Network, rows: int, device: str, loss: Loss | None, precision: str
    ) -> None:
        # Apart, so that on a device of its own memory one goes up and the other comes down.
        samples, predictions = Arena("samples"), Arena("predictions")
        self._x = samples.reserve((rows, network.n_features), network.dtype)
        self._prediction = predictions.reserve((rows, math.prod(network.shapes[-1])), network.dtype)
        samples.allocate()
        predictions.allocate()
        graph = TaskGraph()
        propagation = Propagation(network, graph, rows)
        with graph.recording("predict"):
            if self._finite is not None:
                self._finite.record(self._x)
            values = propagation.forward(*propagation.split(self._x))
            finish = copy_values if loss is None else loss.predict
            finish(as_rows(values[-1]), self._prediction)
        usage = Usage(
            upload_bytes=self._x.nbytes, download_bytes=self._prediction.nbytes, unit="a chunk"
        )
        self._plan = graph.compile(device=device, precision=precision, usage=usage)

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._plan.device

    def not_finite(self) -> int:
        """Return how many values of samples, since this was asked last, were not finite."""
        return 0 if self._finite is None else self._finite.take()

    def __call__(self, X: Matrix, prediction: Matrix) -> None:
        """Write the predictions for a matrix of at most `rows` samples."""
        # Rows beyond the samples hold what they held: their outputs are computed and not read.
        self._x.array[: len(X)] = X
        self._plan.run(recording="predict")
        prediction[...] = self._prediction.read()[: len(X)]


class DeviceInference(Inference):
    """A pass over samples that lie on a device, to predictions that stay there.

    Parameters
    ----------
    network, rows, loss, precision
    device
        The name of a GPU.
    """

    def __init__(
        self, network: Network, rows: int, device: str, loss: Loss | None, precision: str
    ) -> None:
        self._finite = FiniteCheck()
        super().__init__(network, rows, device, loss, precision)

    def __call__(self, X: Matrix, prediction: Matrix) -> None:
        """Write the predictions; values that are not finite are counted, to be asked for later."""
        assert isinstance(X, BufferView)
        assert isinstance(prediction, BufferView)
        copy_on_device(X, self._x[: len(X)])
        clear_on_device(self._x[len(X) :])  # they would be counted
        self._plan.run(recording="predict")
        copy_on_device(self._prediction[: len(X)], prediction)


def chunk_rows(network: Network) -> int:
    """Return how many samples a chunk has by default: a power of 2."""
    row_bytes = sum(math.prod(shape) for shape in network.shapes) * network.dtype.itemsize
    fitting = min(CHUNK_BYTES // row_bytes, CHUNK_ROWS)
    return 2 ** max(fitting.bit_length() - 1, 0)


def rows_for(n_samples: int, batch_size: int) -> int:
    """Return the rows of the plan for a chunk: the next power of 2, so that few plans exist."""
    return min(batch_size, 2 ** max(n_samples - 1, 0).bit_length())
