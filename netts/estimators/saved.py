"""What a model file holds of an estimator."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from netts.errors import UnsavableError
from netts.estimators.choice import DeviceChoice
from netts.estimators.live import NORM_ARRAYS
from netts.optimizers import Outcome
from netts.persistence.forms import Registry
from netts.training import Epoch, History, Measures, Position, Resumable

if TYPE_CHECKING:
    from netts.estimators.mlp import MLPBase

NOT_SAVED = ("callbacks",)
"""Parameters that are code."""


@dataclass(frozen=True)
class Learned:
    """What fitting has given an estimator: each field is one of its attributes.

    A name without a final underscore is that of a private attribute, `resumable` of `_resumable`.
    A field whose default is None is None where the estimator has no such attribute.
    """

    n_features_in_: int
    n_layers_: int
    n_outputs_: int
    out_activation_: Literal["softmax", "logistic", "identity", "exp"]
    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    n_iter_: int
    t_: int
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    best_loss_: float | None
    device_: str
    device_choice_: DeviceChoice
    resumable: Resumable
    optimizer_memory: tuple[str, ...]
    no_improvement_count: int
    norms_: list[dict[str, np.ndarray]] | None = None
    feature_names_in_: np.ndarray | None = None
    loss_: float | None = None
    history_: History | None = None
    classes_: np.ndarray | None = None
    target_type: Literal["binary", "multiclass", "multilabel-indicator"] | None = None
    has_sparse_targets: bool | None = None

    def __post_init__(self) -> None:
        units = [self.n_features_in_, *(coef.shape[-1] for coef in self.coefs_ if coef.ndim)]
        _require(len(self.coefs_) == len(self.intercepts_) == self.n_layers_ - 1 > 0, "n_layers_")
        _require([coef.shape for coef in self.coefs_] == list(pairwise(units)), "shapes of coefs_")
        biases = [intercept.shape for intercept in self.intercepts_]
        _require(biases == [(n,) for n in units[1:]], "shapes of intercepts_")
        _require(units[-1] == self.n_outputs_ and min(units) > 0, "n_outputs_")
        norms = [array for norm in self.norms_ or () for array in norm.values()]
        found = [
            sorted((name, array.shape) for name, array in one.items()) for one in self.norms_ or ()
        ]
        expected = [sorted((name, (n,)) for name in NORM_ARRAYS) for n in units[1:-1]]
        _require(self.norms_ is None or found == expected, "shapes of norms_")
        dtypes = {array.dtype.name for array in [*self.coefs_, *self.intercepts_, *norms]}
        _require(dtypes in ({"float32"}, {"float64"}), "dtypes of coefs_ and intercepts_")
        names = self.feature_names_in_
        _require(names is None or names.shape == (self.n_features_in_,), "feature_names_in_")
        _require_resumable(self.resumable)

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the estimator, by their names there."""
        return {
            attribute_of(field): value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None or _is_required(field)
        }


@dataclass(frozen=True)
class SavedMLP:
    """A trained estimator as plain values and arrays.

    Attributes
    ----------
    kind : str
    parameters : dict
        Of the constructor, but for callbacks.
    learned : Learned
    """

    kind: Literal["mlp_classifier", "mlp_regressor"]
    parameters: dict[str, Any]
    learned: Learned


REGISTRY: Registry = {
    one.__name__: one
    for one in (
        SavedMLP,
        Learned,
        DeviceChoice,
        History,
        Epoch,
        Measures,
        Outcome,
        Position,
        Resumable,
    )
}
"""What an estimator's file may name."""


def parameters_to_save(estimator: Any) -> dict[str, Any]:
    """Return the parameters of the constructor as a file holds them.

    Raises
    ------
    InvalidParameterError
        Where one has been set to a value that no fit takes.
    """
    estimator._validate_params()
    parameters = estimator.get_params(deep=False)
    for name in NOT_SAVED:
        del parameters[name]
    if isinstance(parameters.get("class_weight"), dict):  # classes may be numbers, keys may not
        parameters["class_weight"] = [list(pair) for pair in parameters["class_weight"].items()]
    return parameters


def parameters_from_file(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that `parameters_to_save` gave.

    Raises
    ------
    TypeError, ValueError
        Where they are none.
    """
    pairs = parameters.get("class_weight")
    return parameters | ({"class_weight": dict(pairs)} if isinstance(pairs, list) else {})


def describe_estimator(estimator: MLPBase) -> SavedMLP:
    """Return what a model file holds of an estimator; it shares the arrays.

    Raises
    ------
    NotFittedError
        Where it has learned nothing yet.
    UnsavableError
        Where it is of a class of the user's own, or its arrays no longer fit each other.
    InvalidParameterError
        Where a parameter has been set to a value that no fit takes.
    """
    check_is_fitted(estimator, "coefs_")
    kind = kind_of(estimator, "an MLPClassifier or MLPRegressor")
    parameters = parameters_to_save(estimator)
    try:
        estimator._activations_of(len(estimator.coefs_) - 1)
        return SavedMLP(kind, parameters, Learned(**learned_by(estimator, Learned)))
    except ValueError as error:
        raise UnsavableError(f"{type(estimator).__name__} cannot be saved: {error}") from error


def kind_of(estimator: Any, instead: str) -> Any:
    """Return what a model file calls the class of an estimator.

    Parameters
    ----------
    estimator
    instead
        What may be saved where a class of the user's own may not.

    Raises
    ------
    UnsavableError
        Where it is of a class of the user's own.
    """
    kind = vars(type(estimator)).get("file_kind")
    if kind is None:
        raise UnsavableError(
            f"{type(estimator).__name__} is a class of your own, which a model file cannot name: "
            f"save {instead}, or pickle it"
        )
    return kind


def learned_by(estimator: Any, fields: type) -> dict[str, Any]:
    """Return what an estimator has of the fields of a dataclass, None for what it has not."""
    return {
        field.name: getattr(estimator, attribute_of(field), None)
        for field in dataclasses.fields(fields)
    }


def attribute_of(field: dataclasses.Field[Any]) -> str:
    """Return the name of the estimator's attribute that a field of `Learned` holds."""
    return field.name if field.name.endswith("_") else f"_{field.name}"


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING


def _require_resumable(resumable: Resumable) -> None:
    words, optimizer = resumable.words, resumable.optimizer
    if words is not None:
        _require(words.shape == (3,) and words.dtype == np.int64, "words to resume")
    if optimizer is not None:
        _require(optimizer.ndim == 1 and optimizer.dtype == np.uint8, "optimiser state to resume")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"{what} and other attributes contradict each other")
