"""Estimators: scikit-learn's interface over Network and Trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.estimators.mlp_classifier import MLPClassifier
from netts.estimators.mlp_regressor import MLPRegressor
from netts.lazy import lazy_names

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
    "netts.estimators.display": ("LossCurveDisplay",),
    "netts.estimators.image_model": ("ImageModel",),
    "netts.estimators.network_classifier": ("NetworkClassifier",),
    "netts.estimators.network_regressor": ("NetworkRegressor",),
    # Tables and reports take 0.1 s to import, which only who has a table should pay.
    "netts.estimators.table_model": ("TableModel",),
    "netts.estimators.transformer": ("MLPTransformer",),
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
