"""The regressor of scikit-learn's constructor: one or several quantities for each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions

from netts.estimators.documentation import documented
from netts.estimators.losses import MeanSquaredError
from netts.estimators.mlp import MLPBase
from netts.estimators.regression import Regression
from netts.losses import Loss, Poisson


@dataclass(eq=False)
class _LossFirst:
    """A base of the regressor because scikit-learn's constructor begins with it."""

    loss: str = "squared_error"


@documented
@dataclass(eq=False, repr=False)
class MLPRegressor(Regression, MLPBase, _LossFirst):
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

    def _output_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _loss_function(self) -> Loss:
        return Poisson() if self.out_activation_ == "exp" else MeanSquaredError()
