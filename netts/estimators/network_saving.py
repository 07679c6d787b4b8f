"""Make an estimator over any architecture of what a model file holds of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netts.errors import BrokenModelError
from netts.estimators.network_base import NetworkBase
from netts.estimators.network_classifier import NetworkClassifier
from netts.estimators.network_regressor import NetworkRegressor
from netts.estimators.network_saved import NetworkLearned, SavedNetworkEstimator, registry
from netts.estimators.saved import parameters_from_file
from netts.estimators.saving import check_classes
from netts.losses.base import LOSS_METHODS
from netts.network import Network
from netts.network.saving import network_from
from netts.persistence import ModelFile, decode_model

_CLASSES: dict[str, type[NetworkBase]] = {
    one.file_kind: one for one in (NetworkClassifier, NetworkRegressor)
}


def from_model_file(model_file: ModelFile, custom: Iterable[Any] = ()) -> NetworkBase:
    """Return the estimator of a model file.

    Raises
    ------
    BrokenModelError, UnknownClassError
        Where the file contradicts itself, or names what neither netts nor `custom` has.
    """
    saved: SavedNetworkEstimator = decode_model(
        model_file, SavedNetworkEstimator, registry(), custom
    )
    if saved.kind != model_file.kind:
        raise BrokenModelError(f"says it is a {model_file.kind}, and describes a {saved.kind}")
    network = network_from(saved.network)
    _check_network(network, saved.learned)
    if saved.kind == "network_classifier":
        check_classes(saved.learned.classes_, saved.learned.target_type)
        _check_outputs(saved.learned)
    try:
        estimator = _CLASSES[saved.kind](**parameters_from_file(saved.parameters))
        estimator._validate_params()
    except (ValueError, TypeError) as error:
        raise BrokenModelError(f"the parameters cannot be: {error}") from error
    estimator.__setstate__({**vars(estimator), **saved.learned.attributes(), "network_": network})
    return estimator


def _check_network(network: Network, learned: NetworkLearned) -> None:
    if not network.is_built or not isinstance(network.input_shape, tuple):
        raise BrokenModelError("the network has no weights, or several inputs")
    if network.input_shape[:1] != (learned.n_features_in_,):
        raise BrokenModelError(
            f"{learned.n_features_in_} features, but a network for {network.input_shape}"
        )
    if network.shapes[-1] != (learned.n_outputs_,):
        raise BrokenModelError(f"{learned.n_outputs_} outputs, but a network of another number")
    names = learned.feature_names_in_
    if names is not None and names.shape != (learned.n_features_in_,):
        raise BrokenModelError("feature_names_in_ and n_features_in_ contradict each other")
    if not all(hasattr(learned.loss, method) for method in LOSS_METHODS):
        raise BrokenModelError("the loss is none")


def _check_outputs(learned: NetworkLearned) -> None:
    n_classes = len(learned.classes_) if learned.classes_ is not None else 0
    allowed = {"binary": (1, n_classes)}.get(learned.target_type or "", (n_classes,))
    if learned.has_sparse_targets is None or learned.n_outputs_ not in allowed:
        raise BrokenModelError(f"{n_classes} classes, but {learned.n_outputs_} outputs")
