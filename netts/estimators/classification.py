"""Classification: labels in, labels and probabilities out, whatever the network is."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import check_array

from netts.errors import DataError, OneClassWarning, ParameterError, warn
from netts.estimators.base import NetworkEstimator
from netts.estimators.kinds import (
    HostPredictions,
    chosen,
    host_values,
    log_probabilities,
    namespace_of,
    of_kind,
)
from netts.losses import CrossEntropy


def _has_partial_fit(estimator: Any) -> bool:
    return estimator._has_partial_fit()


def _has_probabilities(estimator: Any) -> bool:
    if estimator._gives_probabilities():
        return True
    raise AttributeError(f"loss {estimator.loss!r} is of decisions, which are no probabilities")


def _plain_labels(y: Any) -> np.ndarray | None:
    """Return the different labels of samples, sorted; None where scikit-learn is to look at them.

    It looks at them twice. It would find the same of whole numbers and text in a vector, unless
    they are so many that it warns.
    """
    if type(y) is not np.ndarray or y.ndim != 1 or y.dtype.kind not in "biuU" or not len(y):
        return None
    classes = np.asarray([*np.unique(y)])
    return classes if 2 * len(classes) <= len(y) else None


class Classification(ClassifierMixin, NetworkEstimator):
    """What classifiers do: targets of labels, predictions that are labels."""

    classes_: np.ndarray
    class_weight: Any
    n_outputs_: int

    def _check_data(self, X: Any, y: Any, is_partial: bool, starts: bool) -> tuple[Any, Any]:
        X, y = self._validated(
            X, y, multi_output=True, dtype=self._input_dtypes(starts), reset=starts
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or is_partial):
            self._learn_labels(y)
            self._warn_of_one_class()
        else:
            self._check_labels(y)
        return X, self._indicators(y)

    def _check_validation_targets(self, y: Any) -> np.ndarray:
        y = check_array(y, ensure_2d=False, dtype=None, accept_sparse=True, input_name="y_val")
        y = column_or_1d(y) if y.ndim == 2 and y.shape[1] == 1 else y
        is_multilabel = type_of_target(y, input_name="y_val").startswith("multilabel")
        if is_multilabel != (self._target_type == "multilabel-indicator"):
            raise DataError("y_val has one label for each sample and y several, or the reverse")
        if is_multilabel:
            if y.shape[1] != len(self.classes_):
                raise DataError(f"y_val has {y.shape[1]} labels, y {len(self.classes_)}")
        else:
            unseen = np.setdiff1d(y, self.classes_)
            if len(unseen):
                raise DataError(
                    f"y_val has labels that y has not: {unseen.tolist()[:5]}; leave their samples "
                    f"out, or train on some of them. y has {self.classes_.tolist()[:20]}"
                )
        return self._indicators(y)

    def _indicators(self, y: Any) -> np.ndarray:
        """Return which classes each sample has, bool of shape (n_samples, n_classes).

        Of two classes, and of one, whether it has the second, in one column. It is what
        `LabelBinarizer.transform` gives, which looks again at labels that were looked at just now.
        """
        if self._target_type == "multilabel-indicator" or np.ndim(y) != 1:
            return self._label_binarizer().transform(y).astype(bool)
        numbers = np.searchsorted(self.classes_, y)[:, None]
        return numbers == (np.arange(len(self.classes_)) if len(self.classes_) > 2 else 1)

    def _learn_labels(self, y: Any) -> None:
        """Keep the plain values of scikit-learn's binarizer, of which it can be made again."""
        classes = _plain_labels(y)
        if classes is not None:
            self.classes_, self._has_sparse_targets = classes, False
            self._target_type = "multiclass" if len(classes) > 2 else "binary"
            return
        try:
            binarizer = LabelBinarizer().fit(y)
        except ValueError:
            check_classification_targets(y)  # says what is wrong, where the binarizer prints y
            raise
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

    def _class_weights(self, y: Any, is_partial: bool) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        if is_partial and self.class_weight == "balanced":
            raise ParameterError(
                "class_weight='balanced' counts the classes of all data, of which partial_fit sees "
                "a part: pass a dictionary of weights"
            )
        if isinstance(self.class_weight, dict):
            unknown = [one for one in self.class_weight if one not in self.classes_.tolist()]
            if unknown:
                raise ParameterError(
                    f"class_weight has weights for {unknown[:5]}, no classes of y: it has "
                    f"{self.classes_.tolist()[:20]}"
                )
        return compute_sample_weight(self.class_weight, y)

    @available_if(_has_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one epoch on data, going on where the call before ended.

        Parameters
        ----------
        X : as in `fit`
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All labels that any call will bring; the first call needs them.

        Returns
        -------
        self
        """
        y, classes = host_values(y, "y"), host_values(classes, "classes")
        if _check_partial_fit_first_call(self, classes):
            is_multilabel = type_of_target(y).startswith("multilabel")
            self._learn_labels(y if is_multilabel else classes)
        return self._train(X, y, sample_weight, is_partial=True)

    def predict(self, X: Any) -> Any:
        """Return the most probable class of each sample.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_samples,)
            Or an indicator matrix (n_samples, n_classes), if it was trained on one. Where X lies on
            a GPU, an array of its library, unless classes are no numbers, such as text.
        """
        outputs = self._outputs(X)
        xp = namespace_of(outputs)
        if self._target_type == "multiclass" or self._is_binary_of_two():
            return chosen(self.classes_, xp.argmax(outputs, axis=1))
        if self._target_type == "binary" and len(self.classes_) == 2:
            is_second = xp.reshape(outputs, (-1,)) > self._threshold()
            return chosen(self.classes_, xp.astype(is_second, xp.int64))
        flat = xp.reshape(outputs, (-1,)) if self.n_outputs_ == 1 else outputs
        values = host_values(flat, "the output")
        labels = self._label_binarizer().inverse_transform(values, self._threshold())
        return labels if values is flat else of_kind(labels, outputs)

    def _is_binary_of_two(self) -> bool:
        """Whether two classes have an output each."""
        return self._target_type == "binary" and self.n_outputs_ == 2

    def _threshold(self) -> float:
        """Return the output from which on a sample has a label."""
        return 0.5

    def _gives_probabilities(self) -> bool:
        """Whether outputs are probabilities, which a loss may not make of them."""
        return True

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, in the order of `classes_`.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_samples, n_classes), of the dtype of the weights
            Where X lies on a GPU, an array of its library.
        """
        probabilities = self._outputs(X)
        if self.n_outputs_ == 1:
            xp = namespace_of(probabilities)
            return xp.concat([1 - probabilities, probabilities], axis=1)
        return probabilities

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        It is finite where the probability is too small to be told from 0.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_samples, n_classes), of the dtype of the weights
        """
        probabilities = self.predict_proba(X)
        xp = namespace_of(probabilities)
        if xp.all(probabilities > 0):
            return xp.log(probabilities)
        logits = self._outputs(X, is_raw=True)
        if self.n_outputs_ == 1:
            logits = xp.concat([-logits, logits], axis=1)
        is_softmax = isinstance(self._loss_function(), CrossEntropy)
        if not isinstance(logits, np.ndarray):
            return log_probabilities(logits, is_softmax=is_softmax)
        exact = log_softmax(logits, axis=1) if is_softmax else log_expit(logits)
        with np.errstate(divide="ignore"):
            return np.where(probabilities > 0, np.log(probabilities), exact)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of samples that are predicted right.

        Parameters
        ----------
        X : as in `fit`
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        seen = HostPredictions(self.predict)
        weights = host_values(sample_weight, "sample_weight")
        return float(ClassifierMixin.score(seen, X, host_values(y, "y"), weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
