"""The parameters of estimators over any architecture: those of `Trainer`, and layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from netts.devices.precision import PRECISIONS
from netts.errors import ParameterError
from netts.estimators.nested import SEPARATOR, deep_parameters, replaced, resolved
from netts.layers import Dense
from netts.losses import loss_from
from netts.optimizers import AnyOptimizer, optimizer_from
from netts.optimizers.lbfgs import is_minimizer
from netts.schedules import Schedule, schedule_from
from netts.training import Callback, EarlyStopping

NESTED: Mapping[str, Callable[[Any], Any] | None] = {
    "layers": None,
    "loss": loss_from,
    "optimizer": optimizer_from,
    "schedule": schedule_from,
    "early_stopping": None,
}
"""Parameters that have parameters, and what makes an object of a name."""


@dataclass(eq=False, repr=False)
class NetworkParameters(BaseEstimator):
    """What a network is made of and trained by.

    A dataclass, so that the constructor that scikit-learn's conventions ask for writes itself.
    """

    layers: Any = (Dense(100, "relu"),)
    _: KW_ONLY
    loss: Any = "auto"
    optimizer: str | AnyOptimizer = "adam"
    schedule: str | Schedule = "constant"
    epochs: int = 100
    batch_size: int | None = 32
    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    max_norm: float | None = None
    shuffle: bool = True
    validation_fraction: float = 0.0
    early_stopping: bool | EarlyStopping | None = None
    callbacks: Sequence[Callback] = ()
    add_output: bool = True
    warm_start: bool = False
    verbose: bool | int = False
    random_state: int | np.random.RandomState | None = None
    device: str = "auto"
    dtype: DTypeLike | None = None
    precision: str | None = None
    n_threads: int | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "layers": [list, tuple],
        "loss": "no_validation",
        "optimizer": "no_validation",
        "schedule": "no_validation",
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        **{name: [Interval(Real, 0, None, closed="left")] for name in ("l1", "l2")},
        **{
            name: [Interval(Real, 0, None, closed="neither"), None]
            for name in ("clip_value", "clip_norm", "max_norm")
        },
        "shuffle": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean", EarlyStopping, None],
        "callbacks": [list, tuple],
        "add_output": ["boolean"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "device": [str],
        "precision": [StrOptions(set(PRECISIONS)), None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add those of layers, loss, optimiser, schedule and early stopping, such as
            `layers__0__units` and `optimizer__learning_rate`.

        Returns
        -------
        dict
        """
        parameters = super().get_params(deep=False)
        return parameters | (deep_parameters(parameters, NESTED) if deep else {})

    def set_params(self, **params: Any) -> Any:
        """Set parameters by name, those inside of others after them.

        Parameters
        ----------
        **params
            Names as `get_params` gives them. Layers and the like are not changed in place: a layer
            of another width takes the place of the one that was there.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Where there is no such parameter, or it cannot have that value.
        """
        inner = {name: value for name, value in params.items() if self._is_inner(name)}
        super().set_params(**{name: one for name, one in params.items() if name not in inner})
        for name, value in inner.items():
            outer, _, path = name.partition(SEPARATOR)
            whole = resolved(getattr(self, outer), NESTED[outer])
            setattr(self, outer, replaced(whole, path, value, outer))
        return self

    @staticmethod
    def _is_inner(name: str) -> bool:
        outer, separator, _ = name.partition(SEPARATOR)
        return bool(separator) and outer in NESTED

    def _check_parameters(self, is_partial: bool) -> None:
        if not (isinstance(self.loss, str) and self.loss == "auto"):
            loss_from(self.loss)
        optimizer_from(self.optimizer)
        schedule_from(self.schedule)
        if is_partial and (self.early_stopping or self.validation_fraction):
            raise ParameterError(
                "partial_fit sees a part of the data at a time, of which none can be held out: set "
                "early_stopping=None and validation_fraction=0"
            )

    def _has_partial_fit(self) -> bool:
        # A name that means nothing is for `partial_fit` to refuse.
        if is_minimizer(resolved(self.optimizer, optimizer_from)):
            raise AttributeError(
                f"partial_fit takes steps, and optimizer {self.optimizer!r} looks at all samples"
            )
        return True

    def _rule(self) -> EarlyStopping | None:
        if isinstance(self.early_stopping, bool | np.bool):
            return EarlyStopping() if self.early_stopping else None
        return self.early_stopping
