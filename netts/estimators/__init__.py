"""Estimators: scikit-learn's interface over Network and Trainer."""

from netts.estimators.classifier import MLPClassifier
from netts.estimators.regressor import MLPRegressor
from netts.estimators.table_model import TableModel

__all__ = ["MLPClassifier", "MLPRegressor", "TableModel"]
