"""Prediction of any number of samples: chunks, and the plans that they share."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import numpy as np

from netts.errors import DeviceMemoryError
from netts.forks import ForkableLock
from netts.losses import Loss
from netts.network.inference import Inference, chunk_rows, rows_for
from netts.network.loading import chunks
from netts.network.sources import Rows

if TYPE_CHECKING:
    from netts.network.network import Network


class Predictor:
    """The plans by which a network has predicted since it was built.

    Safe to call from several threads, one of which computes at a time. It is given the network at
    each call and does not refer to it, so that memory on a device goes when the network goes.

    Attributes
    ----------
    plans : dict
        An `Inference` for each number of rows, device, loss and precision.
    """

    def __init__(self) -> None:
        self.plans: dict[tuple[int, str, Loss | None, str], Inference] = {}
        self._lock = ForkableLock()

    def __call__(
        self,
        network: Network,
        rows: np.ndarray | Rows,
        loss: Loss | None,
        batch_size: int | None,
        device: str,
        precision: str,
    ) -> np.ndarray:
        """Return what the network, or the loss behind it, gives for samples as a matrix.

        Without a `batch_size`, chunks are smaller where memory is short.
        """
        output = np.empty((len(rows), *network.shapes[-1]), network.dtype)
        flat = output.reshape(len(rows), math.prod(network.shapes[-1]))
        start = 0
        with self._lock, contextlib.ExitStack() as stack:
            step = batch_size or self._fitting(network, len(rows), device, loss, precision)
            for chunk in stack.enter_context(contextlib.closing(chunks(rows, step))):
                n_rows = rows_for(len(chunk), step)
                infer = self._inference(network, n_rows, device, loss, precision)
                device = infer.device  # the first chunk settles "auto" for all
                infer(chunk, flat[start : start + len(chunk)])
                start += len(chunk)
        return output

    def _fitting(
        self, network: Network, n_samples: int, device: str, loss: Loss | None, precision: str
    ) -> int:
        """Return how many samples go through at once: the default, or fewer if memory is short."""
        step = chunk_rows(network)
        while True:
            try:
                n_rows = rows_for(min(n_samples, step), step)
                self._inference(network, n_rows, device, loss, precision)
                return step
            except DeviceMemoryError:
                if step == 1:
                    raise
            step = max(step // 4, 1)

    def _inference(
        self, network: Network, n_rows: int, device: str, loss: Loss | None, precision: str
    ) -> Inference:
        key = (n_rows, device, loss, precision)
        if key not in self.plans:
            made = Inference(network, *key)
            settled = (n_rows, made.device, loss, precision)
            self.plans[key] = self.plans.setdefault(settled, made)
        return self.plans[key]
