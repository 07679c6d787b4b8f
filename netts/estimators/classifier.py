"""The classifier: labels of one or several classes for each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import validate_data

from netts.errors import DataError, OneClassWarning, warn
from netts.estimators.base import MLPBase
from netts.estimators.documentation import documented
from netts.losses import BinaryCrossEntropy, CrossEntropy, Loss


@documented
@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, MLPBase):
    """Multi-layer perceptron that learns classes: scikit-learn's, with a few keywords more.

    It minimises cross-entropy: of a softmax over three or more classes, of one logistic output for
    two, of a logistic output for each label where a sample may have several.

    Parameters
    ----------
    $parameters

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

    loss = "log_loss"
    file_kind: ClassVar[str] = "mlp_classifier"

    def _check_data(self, X: Any, y: Any, is_partial: bool, starts: bool) -> tuple[Any, Any]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=self._input_dtypes(starts),
            reset=starts,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or is_partial):
            self._learn_labels(y)
            self._warn_of_one_class()
        else:
            self._check_labels(y)
        return X, self._label_binarizer().transform(y).astype(bool)

    def _learn_labels(self, y: Any) -> None:
        """Keep the plain values of scikit-learn's binarizer, of which it can be made again."""
        binarizer = LabelBinarizer().fit(y)
        self.classes_, self._target_type = binarizer.classes_, binarizer.y_type_
        self._has_sparse_targets = binarizer.sparse_input_

    def _label_binarizer(self) -> LabelBinarizer:
        binarizer = LabelBinarizer()
        binarizer.classes_, binarizer.y_type_ = self.classes_, self._target_type
        binarizer.sparse_input_ = self._has_sparse_targets
        return binarizer

    def _warn_of_one_class(self) -> None:
        if len(self.classes_) == 1:
            warn(
                f"y has one class only, {self.classes_.tolist()[0]!r}, which every prediction will "
                "be: pass samples of the other classes too",
                OneClassWarning,
            )

    def _check_labels(self, y: Any) -> None:
        classes = unique_labels(y)
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise DataError(
                    "warm_start can only be used where `y` has the same classes as in the "
                    f"previous call to fit. Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise DataError(
                "`y` has classes not in `self.classes_`. `self.classes_` has "
                f"{self.classes_}. 'y' has {classes}."
            )

    def _output_activation(self) -> str:
        return "softmax" if self._target_type == "multiclass" else "logistic"

    def _loss_function(self) -> Loss:
        return CrossEntropy() if self.out_activation_ == "softmax" else BinaryCrossEntropy()

    def _loss_targets(self, y: np.ndarray) -> np.ndarray:
        return y.argmax(axis=1) if self.out_activation_ == "softmax" else y

    @available_if(MLPBase._has_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """Train for one epoch on data, going on where the call before ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All labels that any call will bring; the first call needs them.

        Returns
        -------
        self
        """
        if _check_partial_fit_first_call(self, classes):
            is_multilabel = type_of_target(y).startswith("multilabel")
            self._learn_labels(y if is_multilabel else classes)
        return self._train(X, y, sample_weight, is_partial=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Or an indicator matrix (n_samples, n_classes), if it was trained on one.
        """
        probabilities = self._outputs(X)
        if self.n_outputs_ == 1:
            probabilities = probabilities.ravel()
        return self._label_binarizer().inverse_transform(probabilities)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, in the order of `classes_`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), of the dtype of `coefs_`
        """
        probabilities = self._outputs(X)
        if self.n_outputs_ == 1:
            return np.hstack([1 - probabilities, probabilities])
        return probabilities

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        It is finite where the probability is too small to be told from 0.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), of the dtype of `coefs_`
        """
        logits = self._outputs(X, is_raw=True)
        if self.out_activation_ == "softmax":
            return log_softmax(logits, axis=1)
        if self.n_outputs_ == 1:
            return log_expit(np.hstack([-logits, logits]))
        return log_expit(logits)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
