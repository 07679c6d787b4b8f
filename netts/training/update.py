"""The end of a training step: from gradients to the next parameters."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from netts.devices.memory import Arena, BufferView, constant
from netts.errors import ParameterError
from netts.graph import TaskGraph
from netts.network import Network
from netts.optimizers import AnyOptimizer, Optimizer, OptimizerBuffers
from netts.optimizers.lbfgs import is_minimizer
from netts.training.batches import Batch
from netts.training.kernels import add_gradient, add_vector, copy_vector, finish_gradient
from netts.training.regularization import (
    Regularization,
    clip_values,
    decay_weights,
    norm_scale,
    scale_gradients,
)


class OptimizerState:
    """What an optimiser remembers, in an arena of its own.

    Parameters
    ----------
    network
        Built.
    names
        Of the vectors that there are to be, one element for each parameter.

    Attributes
    ----------
    step : BufferView
        The number of updates so far, int64 of shape (1,).
    vectors : dict of str to BufferView
    """

    def __init__(self, network: Network, names: Iterable[str]) -> None:
        arena, shape = Arena("optimizer"), network.parameters.flat.shape
        self.step = arena.reserve((1,), np.int64)
        self.vectors = {name: arena.reserve(shape, network.dtype) for name in names}
        self._arena = arena.allocate()

    def kept(self) -> np.ndarray | None:
        """Return the bytes of everything, the memory itself.

        None where nothing can go on from it: what is not finite stays so.
        """
        is_finite = all(bool(np.isfinite(view.read()).all()) for view in self.vectors.values())
        return self._arena.flat(np.uint8).read() if is_finite else None

    def copied(self) -> np.ndarray:
        """Return a copy of the bytes of everything."""
        return self._arena.flat(np.uint8).read().copy()

    def clear(self) -> None:
        """Forget everything."""
        self._arena.flat(np.uint8).array[...] = 0

    def restore(self, kept: np.ndarray) -> None:
        """Go on with what another fit has kept.

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
    batches_per_step
        Of how many gradients a step takes the sum.

    Attributes
    ----------
    gradients : ParameterSet
        What the backward pass writes.
    state : OptimizerState
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        regularization: Regularization,
        graph: TaskGraph,
        batches_per_step: int = 1,
    ) -> None:
        self.network, self.optimizer, self.regularization = network, optimizer, regularization
        self.gradients = network.parameters.like("gradients")
        self.state = OptimizerState(network, optimizer.state_names)
        self._scale = graph.transient((1,), network.dtype, "scale of gradients")
        if batches_per_step > 1:
            shape = self.gradients.flat.shape
            self._sum = graph.transient(shape, network.dtype, "sum of gradients")

    def record(
        self, rate: BufferView, batch: Batch, running_loss: BufferView, *, is_last: bool
    ) -> None:
        """Record what follows the gradient of a batch: behind the last one of a step, the update.

        Parameters
        ----------
        rate
            The learning rate, of shape (1,).
        batch
        running_loss
            Where the penalty is added, of shape (1,).
        is_last
            Whether the step is the last of an epoch, which makes no difference here.
        """
        gradients = self.gradients.flat
        if not batch.is_last:
            (copy_vector if batch.is_first else add_vector)(gradients, self._sum)
            return
        if not batch.is_first:
            add_vector(self._sum, gradients)
        self._record_update(rate, batch.weight_sum, running_loss)

    def _record_update(
        self, rate: BufferView, weight_sum: BufferView, running_loss: BufferView
    ) -> None:
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
        state = {name: view[part] for name, view in self.state.vectors.items()}
        self.optimizer.update(
            OptimizerBuffers(parameters, self.gradients.flat[part], state, rate, self.state.step)
        )


class GradientSum:
    """The recording of what a minimiser asks for: the gradient of all samples.

    Parameters
    ----------
    network
        Built.
    regularization
        Of which it takes the penalty.

    Attributes
    ----------
    gradients : ParameterSet
        What the backward pass writes.
    state : OptimizerState
    gradient : BufferView
        The gradient of the last epoch times the weight sum of all samples, of shape (n,).
    """

    def __init__(self, network: Network, regularization: Regularization) -> None:
        self.network, self.regularization = network, regularization
        self.gradients = network.parameters.like("gradients")
        self.state = OptimizerState(network, ("sum of gradients",))
        (self._total,) = self.state.vectors.values()
        self.gradient = network.parameters.like("gradient of all samples").flat
        self._one = constant(np.ones(1, network.dtype))

    def record(
        self, rate: BufferView, batch: Batch, running_loss: BufferView, *, is_last: bool
    ) -> None:
        """Record the end of a batch, which is a step of its own."""
        if not is_last:
            add_gradient(self.gradients.flat, batch.weight_sum, self._total)
            return
        finish_gradient(self.gradients.flat, batch.weight_sum, self._total, self.gradient)
        decaying = slice(0, self.network.parameters.n_decaying)
        weights = self.network.parameters.flat[decaying]
        self.regularization.add_to_loss(weights, running_loss)
        self.regularization.add_to_gradient(weights, self.gradient[decaying], self._one)


def update_of(
    network: Network,
    optimizer: AnyOptimizer,
    regularization: Regularization,
    graph: TaskGraph,
    batches_per_step: int = 1,
) -> Update | GradientSum:
    """Return what a step records behind its gradients, for an optimiser of either kind."""
    if is_minimizer(optimizer):
        return GradientSum(network, regularization)
    return Update(network, optimizer, regularization, graph, batches_per_step)
