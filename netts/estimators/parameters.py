"""scikit-learn's parameters, and what they mean in netts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions

from netts.choices import choose
from netts.devices.precision import PRECISIONS
from netts.errors import ParameterError, warn
from netts.estimators.live import ACTIVATIONS
from netts.optimizers import LBFGS, SGD, Adam, AnyOptimizer
from netts.schedules import Adaptive, InverseScaling, Schedule
from netts.training import Callback


@dataclass(eq=False, repr=False)
class MLPParameters(BaseEstimator):
    """The parameters of scikit-learn's MLPs, and netts's own behind them.

    A dataclass, so that the constructor that scikit-learn's conventions ask for writes itself.
    """

    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    _: KW_ONLY
    solver: str = "adam"
    alpha: float = 0.0001
    batch_size: Any = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: int | np.random.RandomState | None = None
    tol: float = 1e-4
    verbose: bool | int = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: int | float = 10
    max_fun: int = 15000
    device: str = "auto"
    dtype: DTypeLike | None = None
    dropout: float = 0.0
    callbacks: Sequence[Callback] = ()
    precision: str | None = None
    batch_norm: bool = False
    n_threads: int | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), list, tuple],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "callbacks": [list, tuple],
        "precision": [StrOptions(set(PRECISIONS)), None],
        "batch_norm": ["boolean"],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    def _has_partial_fit(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
            )
        return True

    def _hidden_units(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        units = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if not all(isinstance(n, Integral) for n in units):
            raise ParameterError(f"hidden_layer_sizes must be whole numbers, got {units}")
        if any(n <= 0 for n in units):
            raise ParameterError(f"hidden_layer_sizes must be > 0, got {units}.")
        return units

    def _check_combination(self, is_partial: bool) -> None:
        if self.solver == "lbfgs" and self.dropout:
            raise ParameterError(
                "solver='lbfgs' needs the same loss each time it looks, and dropout makes it "
                "random: set dropout=0, or choose 'adam' or 'sgd'"
            )
        if self.solver == "lbfgs" and self.batch_norm:
            raise ParameterError(
                "solver='lbfgs' looks at weights that it does not keep, and batch_norm would keep "
                "their statistics: set batch_norm=False, or choose 'adam' or 'sgd'"
            )
        self._hidden_activations()
        if self.early_stopping and is_partial:
            raise ParameterError("partial_fit does not support early_stopping=True")

    def _hidden_activations(self) -> tuple[str, ...]:
        """Return scikit-learn's name of the activation of each hidden layer of the next fit."""
        return self._activations_of(len(self._hidden_units()))

    def _activations_of(self, n_hidden: int) -> tuple[str, ...]:
        """Return it for so many hidden layers: those that were learned may be others."""
        if isinstance(self.activation, str):
            return (self.activation,) * n_hidden
        names = tuple(self.activation)
        if len(names) != n_hidden:
            raise ParameterError(
                f"activation is one name, or one for each of the {n_hidden} hidden layers, got "
                f"{len(names)}: {list(names)}"
            )
        for name in names:
            choose("activation", name, ACTIVATIONS)
        return names

    def _initial_activations(self) -> tuple[str, ...]:
        """Return what initial weights of each layer are drawn for: the last as if it were hidden.

        So does scikit-learn.
        """
        hidden = self._hidden_activations()
        if isinstance(self.activation, str):
            return (*hidden, self.activation)
        return (*hidden, *(hidden[-1:] or ("identity",)))

    @property
    def _stops_early(self) -> bool:
        """Whether validation data are held out; 'lbfgs' ends by itself."""
        return self.early_stopping and self.solver != "lbfgs"

    def _optimizer(self) -> AnyOptimizer:
        if self.solver == "lbfgs":
            return LBFGS(self.tol, self.max_fun)
        if self.solver == "sgd":
            return SGD(self.learning_rate_init, self.momentum, self.nesterovs_momentum)
        return Adam(
            self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon, epsilon_hat=True
        )

    def _schedule(self) -> Schedule:
        if self.solver != "sgd" or self.learning_rate == "constant":
            return Schedule()
        return Adaptive() if self.learning_rate == "adaptive" else InverseScaling(self.power_t)

    def _batch_rows(self, n_samples: int) -> int:
        if self.solver == "lbfgs":
            return n_samples
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
            )
        return min(self.batch_size, n_samples)
