"""Make an estimator of what a model file holds of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from netts.errors import BrokenModelError
from netts.estimators.mlp import MLPBase
from netts.estimators.mlp_classifier import MLPClassifier
from netts.estimators.mlp_regressor import MLPRegressor
from netts.estimators.saved import (
    REGISTRY,
    Learned,
    SavedMLP,
    describe_estimator,
    parameters_from_file,
)
from netts.persistence import ModelFile, decode_model

__all__ = ["REGISTRY", "SavedMLP", "describe_estimator", "estimator_from", "from_model_file"]

_CLASSES: dict[str, type[MLPBase]] = {one.file_kind: one for one in (MLPClassifier, MLPRegressor)}
_ACTIVATIONS = {
    "binary": "logistic", "multiclass": "softmax", "multilabel-indicator": "logistic",
}  # fmt: skip


def from_model_file(model_file: ModelFile, custom: Iterable[Any] = ()) -> MLPBase:
    """Return the estimator of a model file.

    Raises
    ------
    BrokenModelError, UnknownClassError
        Where the file contradicts itself, or names what no estimator holds.
    """
    saved: SavedMLP = decode_model(model_file, SavedMLP, REGISTRY, custom)
    if saved.kind != model_file.kind:
        raise BrokenModelError(f"says it is a {model_file.kind}, and describes a {saved.kind}")
    return estimator_from(saved)


def estimator_from(saved: SavedMLP) -> MLPBase:
    """Return the estimator that `describe_estimator` gave this for; it shares the arrays.

    Raises
    ------
    BrokenModelError
        Where parameters are not such as a constructor takes, or learned attributes contradict each
        other.
    """
    check = _check_classifier if saved.kind == "mlp_classifier" else _check_regressor
    check(saved.learned)
    kind = _CLASSES[saved.kind]
    try:
        estimator = kind(**parameters_from_file(saved.parameters))
        estimator._validate_params()
        estimator._activations_of(len(saved.learned.coefs_) - 1)
    except (ValueError, TypeError) as error:
        raise BrokenModelError(f"the parameters cannot be: {error}") from error
    estimator.__setstate__({**vars(estimator), **saved.learned.attributes()})
    return estimator


def check_classes(classes: np.ndarray | None, target_type: str | None) -> None:
    """Raise unless these can be the classes of a classifier."""
    if classes is None or target_type is None:
        raise BrokenModelError("a classifier without classes, or without the type of its targets")
    if not _are_classes(classes):
        raise BrokenModelError("classes_ are not sorted, each once, in an array of one axis")
    if target_type == "binary" and len(classes) > 2:
        raise BrokenModelError(f"{len(classes)} classes, but binary targets")


def _check_classifier(learned: Learned) -> None:
    classes, target_type = learned.classes_, learned.target_type
    check_classes(classes, target_type)
    if learned.has_sparse_targets is None:
        raise BrokenModelError("a classifier without the form of its targets")
    if learned.out_activation_ != _ACTIVATIONS[str(target_type)]:
        raise BrokenModelError(f"{learned.out_activation_} outputs, but {target_type} targets")
    n_classes = 0 if classes is None else len(classes)
    allowed = (1, 2) if target_type == "binary" else (learned.n_outputs_,)
    if n_classes not in allowed or (target_type == "binary" and learned.n_outputs_ != 1):
        raise BrokenModelError(f"{n_classes} classes, but {learned.n_outputs_} outputs")


def _are_classes(classes: np.ndarray) -> bool:
    try:
        return classes.ndim == 1 and np.array_equal(np.unique(classes), classes)
    except TypeError:  # text and numbers have no order
        return False


def _check_regressor(learned: Learned) -> None:
    if learned.classes_ is not None or learned.out_activation_ not in ("identity", "exp"):
        raise BrokenModelError("a regressor with classes, or with the outputs of a classifier")
