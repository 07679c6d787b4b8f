"""Hidden activations as features."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from netts.errors import ParameterError
from netts.estimators.base import NetworkEstimator
from netts.estimators.fit_tasks import CallbackSupportMixin, inner_fit
from netts.estimators.kinds import answered
from netts.estimators.mlp_classifier import MLPClassifier
from netts.layers import Dropout
from netts.network import Network


class MLPTransformer(TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """Give what a layer of a trained network computes: features that were learned.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor, default=None
        What learns them; a clone of it is trained. None for `MLPClassifier()`.
    layer : int, default=-1
        Which hidden layer, its activation included: of an MLP counted from 0, or from the last one
        backwards with negative numbers. Of other networks, which layer of their list.

    Attributes
    ----------
    estimator_ : estimator
        Trained.
    network_ : Network
        The layers up to that one.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape `(n_features_in_,)`
        Where X has column names that are strings.

    Examples
    --------
    >>> from netts import MLPClassifier
    >>> from netts.data import load
    >>> from netts.estimators import MLPTransformer
    >>> iris = load("iris")
    >>> classifier = MLPClassifier((16, 2), learning_rate_init=0.02, random_state=0)
    >>> MLPTransformer(classifier).fit_transform(iris.X, iris.y).shape
    (150, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "layer": [Integral],
    }

    def __init__(self, estimator: Any = None, *, layer: int = -1) -> None:
        self.estimator = estimator
        self.layer = layer

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **fit_params: Any) -> MLPTransformer:
        """Train the estimator, and keep its layers.

        Parameters
        ----------
        X, y : as the estimator takes them
        **fit_params
            For its `fit`.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            Where there is no such layer, or the estimator is none of netts's.
        """
        chosen = MLPClassifier() if self.estimator is None else self.estimator
        if not isinstance(chosen, NetworkEstimator):
            raise ParameterError(
                f"estimator is one of netts's MLPs or network estimators, got {chosen!r}"
            )
        estimator = clone(chosen)
        with inner_fit(self, estimator, X, y):
            estimator.fit(X, y, **fit_params)
            self.network_ = _up_to(estimator, int(self.layer))
            self.estimator_ = estimator
            self.n_features_in_ = estimator.n_features_in_
            if hasattr(estimator, "feature_names_in_"):
                self.feature_names_in_ = estimator.feature_names_in_
        return self

    def transform(self, X: Any) -> Any:
        """Return the activations of the layer.

        Parameters
        ----------
        X : as the estimator takes it

        Returns
        -------
        ndarray of shape (n_samples, n_units), of the dtype of the weights
            Images behind one another in one axis. Where X lies on a GPU, an array of its library.
        """
        check_is_fitted(self)
        samples = self.estimator_._samples(X)
        found = self.network_.predict(
            samples, device=self.estimator_.device, precision=self.estimator_.precision
        )
        return answered(found.reshape(len(found), -1), X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return names of the features: "mlptransformer0", and so on.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored.

        Returns
        -------
        ndarray of str objects of shape (n_units,)
        """
        check_is_fitted(self)
        n_units = int(np.prod(self.network_.shapes[-1]))
        prefix = type(self).__name__.lower()
        return np.asarray([f"{prefix}{k}" for k in range(n_units)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(MLPClassifier() if self.estimator is None else self.estimator)
        tags.input_tags = inner.input_tags
        tags.target_tags = inner.target_tags
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        return tags


def _up_to(estimator: NetworkEstimator, layer: int) -> Network:
    """Return the layers of a trained network up to one, with their weights."""
    network = estimator._network()
    ends = _hidden_ends(network) if hasattr(estimator, "coefs_") else range(len(network.layers))
    if not -len(ends) <= layer < len(ends):
        raise ParameterError(
            f"layer={layer}, but there are {len(ends)} layers: choose from {-len(ends)} to "
            f"{len(ends) - 1}"
        )
    kept = network.layers[: ends[layer] + 1]
    first = Network(kept, network.dtype)
    labels = {node.label for node in first.nodes}
    weights = {
        name: array
        for name, array in network.weights().items()
        if name.rpartition(".")[0] in labels
    }
    assert network.input_shape is not None
    return first.restore(network.input_shape, weights, dtype=network.dtype)


def _hidden_ends(network: Network) -> list[int]:
    """Return where the hidden layers of an MLP end: behind their activations."""
    kinds = [type(layer).__name__ for layer in network.layers]
    ends = [k - 1 for k, kind in enumerate(kinds) if kind == "Dense" and k > 0]
    return [k - isinstance(network.layers[k], Dropout) for k in ends]
