"""Prediction of any number of samples: chunks, and the plans that they share."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netts.devices.answers import DeviceAnswer
from netts.devices.memory import BufferView
from netts.errors import DeviceMemoryError
from netts.forks import ForkableLock
from netts.losses import Loss
from netts.network.inference import Inference, Matrix, chunk_rows, rows_for
from netts.network.loading import chunks
from netts.network.sources import Rows

if TYPE_CHECKING:
    from netts.network.network import Network


class Way(NamedTuple):
    """How to predict; the key of a plan, with its number of rows.

    Attributes
    ----------
    kind
        Of plan: whether samples come from the host, or lie on a device.
    device
    loss
        Whose predictions to give; None for the network's outputs.
    precision
    """

    kind: type[Inference]
    device: str
    loss: Loss | None
    precision: str


class Predictor:
    """The plans by which a network has predicted since it was built.

    Safe to call from several threads, one of which computes at a time. It is given the network at
    each call and does not refer to it, so that memory on a device goes when the network goes.

    Attributes
    ----------
    plans : dict
        An `Inference` for each number of rows and way.
    """

    def __init__(self) -> None:
        self.plans: dict[tuple[int, Way], Inference] = {}
        self._lock = ForkableLock()

    def __call__(
        self, network: Network, rows: np.ndarray | Rows, way: Way, batch_size: int | None
    ) -> np.ndarray:
        """Return what the network, or the loss behind it, gives for samples as a matrix.

        Without a `batch_size`, chunks take a few megabytes, or less where memory is short.
        """
        output = np.empty((len(rows), *network.shapes[-1]), network.dtype)
        flat = output.reshape(len(rows), math.prod(network.shapes[-1]))
        with self._lock.current:
            self._predict(network, rows, flat, way, batch_size, {})
        return output

    def on_device(
        self,
        network: Network,
        matrix: BufferView,
        answer: DeviceAnswer,
        way: Way,
        batch_size: int | None,
    ) -> int:
        """Do the same with a matrix on the device of `way`, to an answer there, and wait for it.

        Returns
        -------
        int
            How many values of the samples are not finite; where any is, the answer is of no use.
        """
        flat = answer.view.reshape(len(matrix), math.prod(network.shapes[-1]))
        with self._lock.current:
            used: dict[Inference, None] = {}
            try:
                self._predict(network, matrix, flat, way, batch_size, used)
                answer.wait()
            finally:  # plans go on counting: what a prediction that failed has seen is forgotten
                not_finite = sum(one.not_finite() for one in used)
            return not_finite

    def _predict(
        self,
        network: Network,
        rows: Matrix | Rows,
        flat: Matrix,
        way: Way,
        batch_size: int | None,
        used: dict[Inference, None],
    ) -> None:
        """Write the predictions, chunk by chunk, and add the plans to those that are used."""
        start, step = 0, batch_size or self._fitting(network, len(rows), way)
        with contextlib.closing(chunks(rows, step)) as every:
            for chunk in every:
                infer = self._inference(network, rows_for(len(chunk), step), way)
                if infer.device != way.device:  # the first chunk settles "auto" for all
                    way = way._replace(device=infer.device)
                used[infer] = None
                infer(chunk, flat[start : start + len(chunk)])
                start += len(chunk)

    def _fitting(self, network: Network, n_samples: int, way: Way) -> int:
        """Return how many samples go through at once: the default, or fewer if memory is short."""
        step = chunk_rows(network)
        while True:
            try:
                self._inference(network, rows_for(min(n_samples, step), step), way)
                return step
            except DeviceMemoryError:
                if step == 1:
                    raise
            step = max(step // 4, 1)

    def _inference(self, network: Network, n_rows: int, way: Way) -> Inference:
        key = (n_rows, way)
        if key not in self.plans:
            made = way.kind(network, n_rows, way.device, way.loss, way.precision)
            settled = (n_rows, way._replace(device=made.device))
            self.plans[key] = self.plans.setdefault(settled, made)
        return self.plans[key]
