"""The regressor of any architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netts.estimators.base import Rows
from netts.estimators.documentation import documented
from netts.estimators.network_base import NetworkBase
from netts.estimators.regression import Regression
from netts.losses import Loss, loss_from


@documented
@dataclass(eq=False, repr=False)
class NetworkRegressor(Regression, NetworkBase):
    """A network of any layers that learns quantities, of images too.

    Parameters
    ----------
    $network_parameters

    Attributes
    ----------
    $network_attributes

    Notes
    -----
    'auto' is the squared error.

    $network_notes

    Examples
    --------
    >>> import numpy as np
    >>> from netts import NetworkRegressor, layers
    >>> X = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> y = X[:, 0] ** 2
    >>> regressor = NetworkRegressor(
    ...     [layers.Dense(32, "tanh"), layers.Dense(32, "tanh")], loss="huber", random_state=0
    ... )
    >>> regressor.set_params(optimizer__learning_rate=0.01).fit(X, y).score(X, y) > 0.95
    True
    """

    file_kind: ClassVar[str] = "network_regressor"

    def _chosen_loss(self) -> Loss:
        is_auto = isinstance(self.loss, str) and self.loss == "auto"
        return loss_from("squared_error" if is_auto else self.loss)

    def _count_outputs(self, data: Rows, loss: Loss) -> int:
        return data.y.shape[1]
