"""What a model file holds of an estimator over any architecture."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from netts import losses, optimizers, schedules
from netts.estimators.choice import DeviceChoice
from netts.estimators.saved import (
    attribute_of,
    kind_of,
    learned_by,
    parameters_to_save,
)
from netts.network.saved import SavedNetwork, describe_network
from netts.network.saved import registry as network_registry
from netts.optimizers import Outcome
from netts.persistence.forms import Registry
from netts.training import EarlyStopping, Epoch, History, Measures, Position, Resumable

if TYPE_CHECKING:
    from netts.estimators.network_base import NetworkBase


@dataclass(frozen=True)
class NetworkLearned:
    """What fitting has given an estimator besides its network: each field is an attribute.

    A name without a final underscore is that of a private attribute, `resumable` of `_resumable`.
    """

    n_features_in_: int
    n_outputs_: int
    n_iter_: int
    loss_curve_: list[float]
    device_: str
    device_choice_: DeviceChoice
    loss: Any
    resumable: Resumable
    optimizer_name: str
    validation_scores_: list[float] | None = None
    feature_names_in_: np.ndarray | None = None
    loss_: float | None = None
    history_: History | None = None
    classes_: np.ndarray | None = None
    target_type: Literal["binary", "multiclass", "multilabel-indicator"] | None = None
    has_sparse_targets: bool | None = None

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the estimator, by their names there."""
        always = ("validation_scores_",)
        return {
            attribute_of(field): value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None or field.name in always
        }


@dataclass(frozen=True)
class SavedNetworkEstimator:
    """A trained estimator as plain values and arrays.

    Attributes
    ----------
    kind : str
    parameters : dict
        Of the constructor, but for callbacks and for `random_state` where it is a generator.
    network : SavedNetwork
    learned : NetworkLearned
    """

    kind: Literal["network_classifier", "network_regressor"]
    parameters: dict[str, Any]
    network: SavedNetwork
    learned: NetworkLearned


@cache
def registry() -> Registry:
    """Return what a file may name: layers, initialisers, losses, optimisers, schedules."""
    own = (
        SavedNetworkEstimator, NetworkLearned, DeviceChoice, History, Epoch, Measures,
        Outcome, Position, Resumable,
        EarlyStopping,
    )  # fmt: skip
    public = [
        getattr(room, name) for room in (losses, optimizers, schedules) for name in room.__all__
    ]
    classes = [one for one in public if isinstance(one, type) and dataclasses.is_dataclass(one)]
    return {**network_registry(), **{one.__name__: one for one in (*own, *classes)}}


def describe_network_estimator(estimator: NetworkBase) -> SavedNetworkEstimator:
    """Return what a model file holds of an estimator.

    Raises
    ------
    NotFittedError
        Where it has learned nothing yet.
    UnsavableError
        Where it is of a class of the user's own.
    InvalidParameterError
        Where a parameter has been set to a value that no fit takes.
    """
    check_is_fitted(estimator, "network_")
    kind = kind_of(estimator, "a NetworkClassifier or NetworkRegressor")
    learned = NetworkLearned(**learned_by(estimator, NetworkLearned))
    parameters = parameters_to_save(estimator)
    return SavedNetworkEstimator(kind, parameters, describe_network(estimator.network_), learned)
