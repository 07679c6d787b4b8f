"""Estimators: scikit-learn's interface over Network and Trainer."""

from netts.estimators.classifier import MLPClassifier
from netts.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
