"""Estimators: scikit-learn's interface over Network and Trainer."""

from __future__ import annotations

from typing import Any

from netts.estimators.mlp_classifier import MLPClassifier
from netts.estimators.mlp_regressor import MLPRegressor

__all__ = ["ImageModel", "MLPClassifier", "MLPRegressor", "TableModel"]


def __getattr__(name: str) -> Any:
    # Tables and reports take 0.1 s to import, which only who has a table should pay.
    if name == "TableModel":
        from netts.estimators.table_model import TableModel  # noqa: PLC0415 - see above

        return TableModel
    if name == "ImageModel":
        from netts.estimators.image_model import ImageModel  # noqa: PLC0415 - likewise

        return ImageModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
