"""Multi-layer perceptrons of any task: scikit-learn's constructor, weights and attributes."""

from __future__ import annotations

import copy
import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning

from netts.errors import DivergenceError, ParameterError, warn
from netts.estimators.base import NetworkEstimator, Rows
from netts.estimators.live import LiveNetwork, initial_norms
from netts.estimators.narration import Narration
from netts.estimators.parameters import MLPParameters
from netts.estimators.protocol import EpochOrder, draw_initial_weights, hold_out_rows
from netts.estimators.saved import REGISTRY, describe_estimator
from netts.network import Network
from netts.optimizers import AnyOptimizer, Outcome, optimizer_from
from netts.optimizers.lbfgs import is_minimizer
from netts.persistence import save_model
from netts.training import Callback, EarlyStopping, History, Plateau, Resumable, Trainer


def _memory_of(optimizer: AnyOptimizer) -> tuple[str, ...]:
    """Return what an optimiser remembers of each parameter, which tells whether to go on."""
    return () if is_minimizer(optimizer) else optimizer.state_names


def _outcome(outcome: Outcome | None, losses: list[float]) -> dict[str, Any]:
    """Return what 'lbfgs' came to, by attribute; as in scikit-learn, it does not count samples."""
    if outcome is None:
        return {}
    return {"loss_": outcome.loss, "best_loss_": min(outcome.loss, *losses, np.inf)}


class MLPBase(MLPParameters, NetworkEstimator):
    """A multi-layer perceptron of any task."""

    @abstractmethod
    def _output_activation(self) -> str:
        """Return scikit-learn's name of what follows the last layer."""

    def _check_parameters(self, is_partial: bool) -> None:
        self._hidden_units()
        self._check_combination(is_partial)

    def _is_started(self) -> bool:
        return hasattr(self, "coefs_")

    def _learned_dtype(self) -> np.dtype:
        return self.coefs_[0].dtype

    def _units(self, data: Rows) -> list[int]:
        return [data.X.shape[1], *self._hidden_units(), data.y.shape[1]]

    def _start(self, data: Rows, random_state: np.random.RandomState) -> None:
        units = self._units(data)
        self.n_layers_, self.n_outputs_ = len(units), units[-1]
        self.out_activation_ = self._output_activation()
        self.coefs_, self.intercepts_ = draw_initial_weights(
            units, self._initial_activations(), data.X.dtype, random_state
        )
        self.norms_ = initial_norms(units[1:-1], data.X.dtype) if self.batch_norm else None
        self._live = LiveNetwork()
        self._resumable = Resumable()
        self._optimizer_memory: tuple[str, ...] = ()
        self._no_improvement_count = 0
        self.n_iter_ = self.t_ = 0
        self.loss_curve_ = []
        self.validation_scores_ = [] if self._stops_early else None
        self.best_validation_score_ = -np.inf if self._stops_early else None
        self.best_loss_ = None if self._stops_early else np.inf

    def _check_same_network(self, data: Rows) -> None:
        units = self._units(data)
        have = [coef.shape[0] for coef in self.coefs_] + [self.n_outputs_]
        if have != units:
            raise ParameterError(
                f"warm_start and partial_fit go on with layers of {have} units, but "
                f"hidden_layer_sizes, X and y ask for {units}: call fit with warm_start=False"
            )
        if (self.norms_ is not None) != bool(self.batch_norm):
            raise ParameterError(
                "warm_start and partial_fit go on with the layers that there are, of which "
                f"batch_norm={self.batch_norm} is not true: call fit with warm_start=False"
            )

    def _run(
        self,
        training: Rows,
        validation: Rows | None,
        random_state: np.random.RandomState,
        watching: Sequence[Callback],
        is_partial: bool,
    ) -> None:
        if validation is None:
            training, validation = self._divide(training, random_state)
        plateau, optimizer = self._plateau(), self._optimizer()
        n_samples = len(training.X)
        trainer = self._trainer(plateau, optimizer, n_samples, random_state, watching, is_partial)
        keeps = self._keeps_session(
            training.X.nbytes, is_partial, is_validated=validation is not None
        )
        trainer.kept_ = self._live.kept if keeps else None
        try:
            self._fit_by(
                trainer,
                *self._arrays(training),
                validation_data=None if validation is None else self._arrays(validation),
                resume=self._resumption(optimizer, is_partial),
            )
        except DivergenceError as error:
            if not self._stops_early:
                raise
            # As in scikit-learn, early stopping goes back to the best epoch from there too.
            trainer.history_.stopped_by = "divergence"
            warn(str(error), ConvergenceWarning)
        finally:
            self._keep(trainer)
        self._warn_of_end(trainer.history_, is_partial)

    def _trainer(
        self,
        plateau: Plateau | None,
        optimizer: AnyOptimizer,
        n_samples: int,
        random_state: np.random.RandomState,
        watching: Sequence[Callback],
        is_partial: bool,
    ) -> Trainer:
        schedule = self._schedule()
        told = [*[Narration(plateau, schedule)] * bool(self.verbose), *self.callbacks, *watching]
        return Trainer(
            self._network(),
            loss=self._loss_function(),
            optimizer=optimizer,
            epochs=1 if is_partial else self.max_iter,
            batch_size=self._batch_rows(n_samples),
            schedule=schedule,
            l2=self.alpha,
            shuffle=EpochOrder(random_state) if self.shuffle else False,
            early_stopping=plateau,
            callbacks=told,
            device=self.device_,
            # Nothing else may draw from scikit-learn's sequence of random numbers.
            random_state=random_state if self.dropout else 0,
            precision=self.precision,
        )

    def _warn_of_end(self, history: History, is_partial: bool) -> None:
        """Warn where training ended before it converged, in scikit-learn's words."""
        outcome = history.outcome
        if outcome is not None:
            if outcome.reason not in ("converged", "stopped"):
                warn(self._why_not_converged(outcome), ConvergenceWarning)
        elif history.stopped_by == "epochs" and not is_partial:
            warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
            )

    def _why_not_converged(self, outcome: Outcome) -> str:
        text = (
            f"lbfgs failed to converge after {self.n_iter_} iteration(s) "
            f"(status={outcome.status}):\n{outcome.message}\n"
        )
        if self.n_iter_ == self.max_iter:
            text += (
                "\nIncrease the number of iterations to improve the convergence "
                f"(max_iter={self.max_iter})."
            )
        return text + "\nYou might also want to scale X: sklearn.preprocessing.StandardScaler"

    def _divide(self, data: Rows, random_state: np.random.RandomState) -> tuple[Rows, Rows | None]:
        if not self._stops_early:
            return data, None
        stratify = data.y if is_classifier(self) and self.n_outputs_ == 1 else None
        rows, held = hold_out_rows(len(data.X), self.validation_fraction, stratify, random_state)
        return data.take(rows), data.take(held)

    def _network(self) -> Network:
        activations = self._activations_of(len(self.coefs_) - 1)
        return self._live.load(
            self.coefs_, self.intercepts_, self.norms_, activations, self.dropout
        )

    def _resumption(self, optimizer: AnyOptimizer, is_partial: bool) -> Resumable:
        """Return what to go on with: `partial_fit` keeps the optimiser, unless it is another."""
        if is_partial and self._optimizer_memory == _memory_of(optimizer):
            return self._resumable
        return Resumable(samples=self.t_, device=self._resumable.device)

    def _plateau(self) -> Plateau | None:
        """Return a watch that knows what the calls before have seen; None for 'lbfgs'."""
        if self.solver == "lbfgs":
            return None
        plateau = EarlyStopping(
            "validation_score" if self.early_stopping else "loss",
            patience=self.n_iter_no_change,
            min_delta=self.tol,
            restore_best=self.early_stopping,
        ).start()
        plateau.waited = self._no_improvement_count
        if self.early_stopping and self.best_validation_score_ is not None:
            plateau.best = self.best_validation_score_
        elif not self.early_stopping and self.best_loss_ is not None:
            plateau.best = -self.best_loss_
        return plateau

    def _most_epochs(self, is_partial: bool) -> int:
        # A minimiser begins an iteration before it knows that there will be none.
        return 1 if is_partial else self.max_iter + (self.solver == "lbfgs")

    def _copied_weights(self) -> dict[str, Any]:
        coefs, intercepts, norms = self._live.arrays()
        return {
            "coefs_": [array.copy() for array in coefs],
            "intercepts_": [array.copy() for array in intercepts],
            "norms_": copy.deepcopy(norms),
        }

    def _learned(self, trainer: Trainer, history: History, resumable: Resumable) -> dict[str, Any]:
        coefs, intercepts, norms = self._live.arrays()
        learned = super()._learned(trainer, history, resumable) | {
            "coefs_": coefs,
            "intercepts_": intercepts,
            "norms_": norms,
            "_optimizer_memory": _memory_of(optimizer_from(trainer.optimizer)),
        }
        watch = trainer.early_stopping
        if isinstance(watch, Plateau):
            return learned | self._seen(watch, history, learned)
        return learned | _outcome(history.outcome, learned["loss_curve_"])

    def _seen(self, watch: Plateau, history: History, learned: dict[str, Any]) -> dict[str, Any]:
        """Return what the watch of a fit and those before it has seen."""
        n_samples = sum(epoch.samples for epoch in history.epochs)
        seen: dict[str, Any] = {"_no_improvement_count": watch.waited, "t_": self.t_ + n_samples}
        if not self.early_stopping:
            return seen | {"best_loss_": -watch.best}
        if history.stopped_by == "divergence":
            scores = learned.get("validation_scores_", self.validation_scores_)
            seen |= {"validation_scores_": [*(scores or []), np.nan]}
        return seen | {"best_validation_score_": watch.best}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trained estimator to a model file, which `netts.load` reads.

        The file has the parameters but for `callbacks`, which are code, and all that was learned:
        a loaded estimator predicts the same, to the last bit, and `partial_fit` and `warm_start` go
        on as if nothing had happened. It is in the safetensors format and holds nothing that is
        executed. It is written beside `path` and renamed, so that at no time there is a part of it.

        Parameters
        ----------
        path : str or path
            A file that is there is replaced.

        Raises
        ------
        NotFittedError
            Before the first `fit`.
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        UnsavableError
            Where the estimator is of a class of your own, or its arrays contradict each other.
        """
        save_model(path, self.file_kind, describe_estimator(self), REGISTRY)

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters, arrays and plain values: no network, plan or compiled code."""
        return {name: value for name, value in super().__getstate__().items() if name != "_live"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "coefs_" in state:
            self._live = LiveNetwork()
            self.norms_ = state.get("norms_")
