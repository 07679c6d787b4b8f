"""Estimators: scikit-learn's interface over Network and Trainer."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from netts.estimators.mlp_classifier import MLPClassifier
from netts.estimators.mlp_regressor import MLPRegressor

if TYPE_CHECKING:
    from netts.estimators.display import LossCurveDisplay
    from netts.estimators.image_model import ImageModel
    from netts.estimators.network_classifier import NetworkClassifier
    from netts.estimators.network_regressor import NetworkRegressor
    from netts.estimators.table_model import TableModel
    from netts.estimators.transformer import MLPTransformer

__all__ = [
    "ImageModel",
    "LossCurveDisplay",
    "MLPClassifier",
    "MLPRegressor",
    "MLPTransformer",
    "NetworkClassifier",
    "NetworkRegressor",
    "TableModel",
]

_HOMES = {
    "ImageModel": "netts.estimators.image_model",
    "LossCurveDisplay": "netts.estimators.display",
    "MLPTransformer": "netts.estimators.transformer",
    "NetworkClassifier": "netts.estimators.network_classifier",
    "NetworkRegressor": "netts.estimators.network_regressor",
    # Tables and reports take 0.1 s to import, which only who has a table should pay.
    "TableModel": "netts.estimators.table_model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
