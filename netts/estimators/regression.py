"""Regression: quantities in, quantities out, whatever the network is."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.metaestimators import available_if

from netts.errors import DataError
from netts.estimators.base import NetworkEstimator
from netts.estimators.kinds import HostPredictions, host_values


def _has_partial_fit(estimator: Any) -> bool:
    return estimator._has_partial_fit()


class Regression(RegressorMixin, NetworkEstimator):
    """What regressors do: targets and predictions of one or several quantities."""

    n_outputs_: int

    def _check_data(self, X: Any, y: Any, is_partial: bool, starts: bool) -> tuple[Any, Any]:
        dtype = self._input_dtypes(starts)
        X, y = self._validated(X, y, multi_output=True, y_numeric=True, dtype=dtype, reset=starts)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._n_targets = 1 if y.ndim == 1 else y.shape[1]
        return X, y

    def _check_validation_targets(self, y: Any) -> np.ndarray:
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y_val")
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if n_outputs != self._n_targets:
            raise DataError(
                f"y_val has {n_outputs} quantities for each sample, y {self._n_targets}"
            )
        return y

    def _loss_targets(self, y: np.ndarray) -> np.ndarray:
        return y

    @available_if(_has_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch on data, going on where the call before ended.

        Parameters
        ----------
        X : as in `fit`
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self
        """
        return self._train(X, y, sample_weight, is_partial=True)

    def predict(self, X: Any) -> Any:
        """Return the prediction for each sample.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), of the dtype of the weights
            Where X lies on a GPU, an array of its library.
        """
        predictions = self._outputs(X)
        return predictions.reshape(-1) if self.n_outputs_ == 1 else predictions

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R^2 of the predictions, the mean over quantities.

        Parameters
        ----------
        X : as in `fit`
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        seen = HostPredictions(self.predict)
        weights = host_values(sample_weight, "sample_weight")
        return float(RegressorMixin.score(seen, X, host_values(y, "y"), weights))
