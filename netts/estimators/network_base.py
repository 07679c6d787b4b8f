"""Estimators over any architecture: a `Network` and a `Trainer` behind scikit-learn's interface."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from netts.errors import ParameterError, ShapeError
from netts.estimators.base import NetworkEstimator, Rows
from netts.estimators.narration import Narration
from netts.estimators.network_parameters import NetworkParameters
from netts.estimators.network_saved import describe_network_estimator, registry
from netts.layers import Dense, Flatten
from netts.layers.base import Layer
from netts.losses import Loss
from netts.network import Network
from netts.optimizers import optimizer_from
from netts.optimizers.lbfgs import is_minimizer
from netts.persistence import save_model
from netts.schedules import schedule_from
from netts.training import Callback, History, Resumable, Trainer
from netts.training.reuse import KeptSession


class NetworkBase(NetworkParameters, NetworkEstimator):
    """A network of any architecture and any task."""

    _takes_images: ClassVar[bool] = True

    def _chosen_loss(self) -> Loss:
        """Return the loss that the parameters ask for."""
        raise NotImplementedError

    def _count_outputs(self, data: Rows, loss: Loss) -> int:
        """Return how many outputs a network needs for these targets."""
        raise NotImplementedError

    def _loss_function(self) -> Loss:
        return self._loss

    def _is_started(self) -> bool:
        return hasattr(self, "network_")

    def _learned_dtype(self) -> np.dtype:
        return self.network_.dtype

    def _network(self) -> Network:
        return self.network_

    def _start(self, data: Rows, random_state: np.random.RandomState) -> None:
        loss = self._chosen_loss()
        n_outputs = self._count_outputs(data, loss)
        network = Network(self._architecture(data.X.shape[1:], n_outputs), data.X.dtype)
        self.network_ = network.build(data.X.shape[1:], random_state=random_state)
        self._loss, self.n_outputs_ = loss, n_outputs
        self._kept = KeptSession()
        self._resumable, self._optimizer_name = Resumable(), ""
        self.n_iter_ = 0
        self.loss_curve_ = []
        self.validation_scores_ = None

    def _check_same_network(self, data: Rows) -> None:
        loss, shape = self._chosen_loss(), data.X.shape[1:]
        if shape != self.network_.input_shape:
            raise ShapeError(
                f"warm_start and partial_fit go on with samples of shape "
                f"{self.network_.input_shape}, got {shape}"
            )
        layers = self._architecture(shape, self._count_outputs(data, loss))
        if tuple(layers) != self.network_.layers:
            raise ParameterError(
                f"warm_start and partial_fit go on with {self.network_!r}, but layers and y ask "
                f"for {Network(layers)!r}: call fit with warm_start=False"
            )
        self._loss = loss

    def _architecture(self, input_shape: tuple[int, ...], n_outputs: int) -> list[Layer]:
        """Return all layers, those that `add_output` adds included.

        Raises
        ------
        ShapeError
            Where layers do not fit the samples, each other or the targets.
        """
        layers = list(self.layers)
        shape = Network(layers).output_shape(input_shape) if layers else input_shape
        if not self.add_output:
            if shape != (n_outputs,):
                raise ShapeError(
                    f"the layers give outputs of shape {shape}, y needs ({n_outputs},): end them "
                    f"with Dense({n_outputs}), or leave the last layer to add_output=True"
                )
            return layers
        if layers and layers[-1] in (Dense(n_outputs), Dense(n_outputs, "softmax")):
            raise ParameterError(
                f"layers end with {layers[-1]!r}, behind which add_output=True puts "
                f"Dense({n_outputs}): leave that layer out, or pass add_output=False"
            )
        return [*layers, *[Flatten()] * (len(shape) != 1), Dense(n_outputs)]

    def _run(
        self,
        training: Rows,
        validation: Rows | None,
        random_state: np.random.RandomState,
        watching: Sequence[Callback],
        is_partial: bool,
    ) -> None:
        trainer = self._trainer(validation is not None, random_state, watching, is_partial)
        is_validated = validation is not None or self.validation_fraction > 0
        keeps = self._keeps_session(training.X.nbytes, is_partial, is_validated=is_validated)
        trainer.kept_ = self._kept if keeps else None
        goes_on = is_partial and _name_of(trainer) == self._optimizer_name
        try:
            self._fit_by(
                trainer,
                *self._arrays(training),
                validation_data=None if validation is None else self._arrays(validation),
                resume=self._resumable if goes_on else Resumable(device=self._resumable.device),
            )
        finally:
            self._keep(trainer)

    def _trainer(
        self,
        has_validation: bool,
        random_state: np.random.RandomState,
        watching: Sequence[Callback],
        is_partial: bool,
    ) -> Trainer:
        schedule, rule = schedule_from(self.schedule), self._rule()
        plateau = None if rule is None else rule.start()
        told = [*[Narration(plateau, schedule)] * bool(self.verbose), *self.callbacks, *watching]
        return Trainer(
            self.network_,
            loss=self._loss,
            optimizer=self.optimizer,
            epochs=1 if is_partial else self.epochs,
            batch_size=None if self._is_minimised() else self.batch_size,
            schedule=schedule,
            l1=self.l1,
            l2=self.l2,
            clip_value=self.clip_value,
            clip_norm=self.clip_norm,
            max_norm=self.max_norm,
            shuffle=bool(self.shuffle),
            validation_fraction=0.0 if has_validation else self.validation_fraction,
            early_stopping=plateau,
            callbacks=told,
            device=self.device_,
            random_state=random_state,
            precision=self.precision,
        )

    def _is_minimised(self) -> bool:
        return is_minimizer(optimizer_from(self.optimizer))

    def _most_epochs(self, is_partial: bool) -> int:
        # A minimiser begins an iteration before it knows that there will be none.
        return 1 if is_partial else self.epochs + self._is_minimised()

    def _copied_weights(self) -> dict[str, Any]:
        return {"network_": copy.deepcopy(self.network_)}

    def _learned(self, trainer: Trainer, history: History, resumable: Resumable) -> dict[str, Any]:
        learned = super()._learned(trainer, history, resumable)
        return learned | {"_optimizer_name": _name_of(trainer)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file, which `netts.load` reads; in place of the one that may be there.

        Parameters
        ----------
        path : str or path
            Layers, losses and the like of your own are named in the file:
            `netts.load(path, custom=[MyLayer])` needs them.

        Raises
        ------
        NotFittedError
            Where it has not been trained.
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        UnsavableError
            Where a layer of your own is no dataclass, or holds what a file cannot.
        """
        saved = describe_network_estimator(self)
        save_model(path, self.file_kind, saved, registry(), is_open=True)

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters, arrays and plain values: no plan or compiled code."""
        return {name: value for name, value in super().__getstate__().items() if name != "_kept"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "network_" in state:
            self._kept = KeptSession()


def _name_of(trainer: Trainer) -> str:
    """Return what tells whether an optimiser is the one to go on with."""
    return repr(optimizer_from(trainer.optimizer))
