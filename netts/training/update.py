"""The end of a training step: from gradients to the next parameters."""

from __future__ import annotations

import numpy as np

from netts.devices.memory import Arena, BufferView
from netts.errors import ParameterError
from netts.graph import TaskGraph
from netts.network import Network
from netts.optimizers import Optimizer, OptimizerBuffers
from netts.training.regularization import (
    Regularization,
    clip_values,
    decay_weights,
    norm_scale,
    scale_gradients,
)


class Update:
    """The optimiser's state, and the recording of its update with what belongs around it.

    In this order: the penalty joins loss and gradient, the gradient is clipped, weights decay, the
    optimiser's rule, limits of norms. Where weights are treated apart from biases, there are two
    ranges of parameters, and neighbouring kernels of a range run as one.

    Parameters
    ----------
    network
        Built.
    optimizer, regularization
    graph
        For transients.

    Attributes
    ----------
    gradients : ParameterSet
        What the backward pass writes.
    step : BufferView
        The number of updates so far, int64 of shape (1,).
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        regularization: Regularization,
        graph: TaskGraph,
    ) -> None:
        self.network, self.optimizer, self.regularization = network, optimizer, regularization
        self.gradients = network.parameters.like("gradients")
        arena = Arena("optimizer")
        self.step = arena.reserve((1,), np.int64)
        self._state = {
            name: arena.reserve(network.parameters.flat.shape, network.dtype)
            for name in optimizer.state_names
        }
        self._arena = arena.allocate()
        self._scale = graph.transient((1,), network.dtype, "scale of gradients")

    def record(self, rate: BufferView, weight_sum: BufferView, running_loss: BufferView) -> None:
        """Record the update of a batch.

        Parameters
        ----------
        rate
            The learning rate, of shape (1,).
        weight_sum
            Of the batch, of shape (1,).
        running_loss
            Where the penalty is added, of shape (1,).
        """
        rule, decaying = self.regularization, slice(0, self.network.parameters.n_decaying)
        weights, gradients = self.network.parameters.flat[decaying], self.gradients.flat
        rule.add_to_loss(weights, running_loss)
        if rule.clip_norm is not None:
            rule.add_to_gradient(weights, gradients[decaying], weight_sum)
            self._clip_values(gradients)
            norm_scale(gradients, self._scale, float(rule.clip_norm))
        for part, decays in self._parts():
            if rule.clip_norm is not None:
                scale_gradients(gradients[part], self._scale)
            else:
                if decays:
                    rule.add_to_gradient(weights, gradients[part], weight_sum)
                self._clip_values(gradients[part])
            self._update(part, decays, rate)
        rule.limit_norms(self.network.parameters)

    def _parts(self) -> list[tuple[slice, bool]]:
        """Return ranges of the parameters, and whether these are weights, treated apart."""
        n_weights, n_all = self.network.parameters.n_decaying, self.gradients.flat.size
        is_apart = self.regularization.has_penalty or self.optimizer.weight_decay
        if not (is_apart and n_weights):
            return [(slice(0, n_all), False)]
        parts = [(slice(0, n_weights), True), (slice(n_weights, n_all), False)]
        return parts if n_weights < n_all else parts[:1]

    def _clip_values(self, gradients: BufferView) -> None:
        if self.regularization.clip_value is not None:
            clip_values(gradients, float(self.regularization.clip_value))

    def _update(self, part: slice, decays: bool, rate: BufferView) -> None:
        parameters = self.network.parameters.flat[part]
        if decays and self.optimizer.weight_decay:
            decay_weights(parameters, rate, float(self.optimizer.weight_decay))
        state = {name: view[part] for name, view in self._state.items()}
        self.optimizer.update(
            OptimizerBuffers(parameters, self.gradients.flat[part], state, rate, self.step)
        )

    def state(self) -> np.ndarray | None:
        """Return the bytes of the optimiser's state and of its step count, the memory itself.

        None where nothing can go on from it: what is not finite stays so.
        """
        is_finite = all(bool(np.isfinite(view.read()).all()) for view in self._state.values())
        return self._arena.flat(np.uint8).read() if is_finite else None

    def restore(self, kept: np.ndarray) -> None:
        """Go on with the optimiser's state of another fit.

        Raises
        ------
        ParameterError
            Where it is that of another optimiser or network.
        """
        state = self._arena.flat(np.uint8)
        if kept.shape != state.shape:
            raise ParameterError(
                f"the fit to resume kept {kept.nbytes} bytes of optimiser state, this one keeps "
                f"{state.nbytes}: resume with the same optimiser and network, or fit anew"
            )
        state.array[...] = kept
