"""Weights of classes, times those of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from netts.errors import ParameterError
from netts.hyperparameters import check_real
from netts.training.supply import Samples

BALANCED = "balanced"

ClassWeight = Mapping[Any, float] | str | None


def check_class_weight(class_weight: Any) -> None:
    """Raise unless this is None, "balanced", or a weight for each of some classes."""
    if class_weight is None or (isinstance(class_weight, str) and class_weight == BALANCED):
        return
    if not isinstance(class_weight, Mapping):
        raise ParameterError(
            'class_weight is None, "balanced", or a dictionary from class numbers to weights such '
            f"as {{0: 1.0, 1: 5.0}}, got {class_weight!r}"
        )
    for label, weight in class_weight.items():
        check_real(f"class_weight of class {label!r}", weight, "[0, inf)")


def with_class_weights(samples: Samples, class_weight: ClassWeight) -> Samples:
    """Return samples whose weights are multiplied by those of their classes.

    Parameters
    ----------
    samples
    class_weight
        Classes that a dictionary leaves out have weight 1. "balanced" gives each class of k the
        weight n_samples / (k * its number of samples), as scikit-learn's `compute_class_weight`
        does.

    Raises
    ------
    ParameterError
        Where targets are no classes, or there is none of that number.
    """
    if class_weight is None:
        return samples
    classes, places = _classes(samples.y)
    if isinstance(class_weight, str):
        by_class = len(places) / (len(classes) * np.bincount(places))
    else:
        unknown = [label for label in class_weight if label not in classes]
        if unknown:
            raise ParameterError(
                f"class_weight has a weight for class {unknown[0]!r}, but y has the classes "
                f"{', '.join(map(str, classes[:20]))}"
            )
        by_class = np.array([class_weight.get(label, 1.0) for label in classes.tolist()])
    weights = by_class[places] * (1.0 if samples.weights is None else samples.weights)
    if not weights.any():
        raise ParameterError(f"class_weight={class_weight!r} leaves every sample without weight")
    return replace(samples, weights=np.ascontiguousarray(weights, samples.X.dtype))


def _classes(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes that there are, and which of them each sample is of."""
    is_one = targets.shape[1] == 1
    if is_one and (targets.dtype.kind == "i" or np.isin(targets, (0, 1)).all()):
        found, places = np.unique(targets[:, 0], return_inverse=True)
        return found.astype(np.int64), places
    raise ParameterError(
        "class_weight weighs classes, and y has no number of one class for each sample: pass "
        "sample_weight"
    )
