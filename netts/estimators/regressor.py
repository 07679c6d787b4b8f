"""The regressor: one or several quantities for each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from netts.estimators.base import MLPBase
from netts.estimators.documentation import documented
from netts.estimators.losses import MeanSquaredError
from netts.losses import Loss, Poisson


@dataclass
class _LossFirst:
    """A base of the regressor because scikit-learn's constructor begins with it."""

    loss: str = "squared_error"


@documented
@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, MLPBase, _LossFirst):
    """Multi-layer perceptron that learns quantities: scikit-learn's, with a few keywords more.

    Parameters
    ----------
    loss : {'squared_error', 'poisson'}, default='squared_error'
        Half the squared error, or half the Poisson deviance, for which the network learns the
        logarithm of the mean of y, which must not be negative.
    $parameters

    Attributes
    ----------
    $attributes

    Notes
    -----
    $notes

    Examples
    --------
    >>> import numpy as np
    >>> from netts import MLPRegressor
    >>> X = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> y = X[:, 0] ** 2
    >>> regressor = MLPRegressor(learning_rate_init=0.01, tol=1e-5, random_state=0)
    >>> regressor.fit(X, y).predict([[-0.5], [0.5]]).round(2)
    array([0.25, 0.25])
    >>> regressor.score(X, y) > 0.99
    True
    """

    file_kind: ClassVar[str] = "mlp_regressor"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MLPBase._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def _check_data(self, X: Any, y: Any, is_partial: bool, starts: bool) -> tuple[Any, Any]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=self._input_dtypes(starts),
            reset=starts,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _output_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _loss_function(self) -> Loss:
        return Poisson() if self.out_activation_ == "exp" else MeanSquaredError()

    def _loss_targets(self, y: np.ndarray) -> np.ndarray:
        return y

    @available_if(MLPBase._has_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for one epoch on data, going on where the call before ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self
        """
        return self._train(X, y, sample_weight, is_partial=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return the prediction for each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), of the dtype of `coefs_`
        """
        predictions = self._outputs(X)
        return predictions.ravel() if self.n_outputs_ == 1 else predictions
