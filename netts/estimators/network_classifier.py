"""The classifier of any architecture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from netts.errors import ParameterError
from netts.estimators.base import Rows
from netts.estimators.classification import Classification
from netts.estimators.documentation import documented
from netts.estimators.network_base import NetworkBase
from netts.losses import BinaryCrossEntropy, CrossEntropy, Hinge, Loss, loss_from


@documented
@dataclass(eq=False, repr=False)
class NetworkClassifier(Classification, NetworkBase):
    """A network of any layers that learns classes, of images too.

    Parameters
    ----------
    $network_parameters
    class_weight : dict, 'balanced' or None, default=None
        How much the samples of each class count, times `sample_weight`: 1 where a dictionary says
        nothing; 'balanced' gives each class the same share.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    $network_attributes

    Notes
    -----
    'auto' is the cross-entropy of one output for two classes, of an output for each of several, of
    an output for each label where samples have several. `CrossEntropy` and `Hinge` get class
    numbers; any other loss gets 0 and 1, of two classes in one column, else in a column for each.

    $network_notes

    Examples
    --------
    >>> import numpy as np
    >>> from netts import NetworkClassifier, layers
    >>> from netts.data import load
    >>> digits = load("digits")
    >>> images = digits.X.reshape(-1, 1, 8, 8).astype(np.float32) / 16
    >>> classifier = NetworkClassifier(
    ...     [layers.Conv2D(8, kernel_size=3, activation="relu"), layers.MaxPool2D(2)],
    ...     epochs=10,
    ...     random_state=0,
    ... )
    >>> classifier.set_params(optimizer__learning_rate=0.01)  # doctest: +ELLIPSIS
    NetworkClassifier(...)
    >>> classifier.fit(images, digits.y).predict(images[:3])
    array([0, 1, 2])
    >>> classifier.score(images, digits.y) > 0.97
    True
    """

    class_weight: Any = field(default=None, kw_only=True)

    file_kind: ClassVar[str] = "network_classifier"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkBase._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def _chosen_loss(self) -> Loss:
        is_multiclass = self._target_type == "multiclass"
        if isinstance(self.loss, str) and self.loss == "auto":
            return CrossEntropy() if is_multiclass else BinaryCrossEntropy()
        loss = loss_from(self.loss)
        if is_multiclass and isinstance(loss, BinaryCrossEntropy):
            raise ParameterError(
                f"loss {self.loss!r} is for two classes or several labels, and y has "
                f"{len(self.classes_)} classes: leave loss='auto'"
            )
        if self._target_type == "multilabel-indicator" and isinstance(loss, CrossEntropy | Hinge):
            raise ParameterError(
                f"loss {self.loss!r} is for exclusive classes, and samples have several labels: "
                "leave loss='auto'"
            )
        return loss

    def _count_outputs(self, data: Rows, loss: Loss) -> int:
        return len(self.classes_) if isinstance(loss, CrossEntropy) else data.y.shape[1]

    def _loss_targets(self, y: np.ndarray) -> np.ndarray:
        takes_numbers = isinstance(self._loss, CrossEntropy | Hinge)
        if not takes_numbers:
            return y
        return y[:, 0].astype(np.int64) if y.shape[1] == 1 else y.argmax(axis=1)

    def _gives_probabilities(self) -> bool:
        if isinstance(self.loss, str):
            return self.loss in ("auto", "cross_entropy", "binary_cross_entropy")
        return isinstance(self.loss, CrossEntropy | BinaryCrossEntropy)

    def _threshold(self) -> float:
        return 0.0 if isinstance(self._loss, Hinge) else 0.5
