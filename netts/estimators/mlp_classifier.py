"""The classifier of scikit-learn's constructor: labels of one or several classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from netts.estimators.classification import Classification
from netts.estimators.documentation import documented
from netts.estimators.mlp import MLPBase
from netts.losses import BinaryCrossEntropy, CrossEntropy, Loss


@documented
@dataclass(eq=False, repr=False)
class MLPClassifier(Classification, MLPBase):
    """Multi-layer perceptron that learns classes: scikit-learn's, with a few keywords more.

    It minimises cross-entropy: of a softmax over three or more classes, of one logistic output for
    two, of a logistic output for each label where a sample may have several.

    Parameters
    ----------
    $parameters
    class_weight : dict, 'balanced' or None, default=None
        How much the samples of each class count, times `sample_weight`: 1 where a dictionary says
        nothing; 'balanced' gives each class the same share.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    $attributes

    Notes
    -----
    $notes

    Examples
    --------
    >>> from netts import MLPClassifier
    >>> from netts.data import load
    >>> iris = load("iris")
    >>> X = (iris.X - iris.X.mean(axis=0)) / iris.X.std(axis=0)
    >>> classifier = MLPClassifier((16,), learning_rate_init=0.01, max_iter=300, random_state=0)
    >>> classifier.fit(X, iris.y).predict(X[::60])
    array(['setosa', 'versicolor', 'virginica'], dtype='<U10')
    >>> classifier.predict_proba(X[:1]).round(2)
    array([[1., 0., 0.]])
    >>> classifier.score(X, iris.y) > 0.97
    True
    """

    class_weight: Any = field(default=None, kw_only=True)

    loss = "log_loss"
    file_kind: ClassVar[str] = "mlp_classifier"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MLPBase._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def _output_activation(self) -> str:
        return "softmax" if self._target_type == "multiclass" else "logistic"

    def _loss_function(self) -> Loss:
        return CrossEntropy() if self.out_activation_ == "softmax" else BinaryCrossEntropy()

    def _loss_targets(self, y: np.ndarray) -> np.ndarray:
        return y.argmax(axis=1) if self.out_activation_ == "softmax" else y
