"""An estimator behind a table encoder: from raw columns to predictions in the target's own unit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from netts.data import Reading
from netts.data.encoder import TableEncoder
from netts.data.exporting import add_columns
from netts.data.learning import LARGEST
from netts.data.scaling import Scaler, Scaling, check_scaler, learn_scaling
from netts.errors import BrokenModelError, DataError, ParameterError, UnsavableError
from netts.estimators.exporting import add_estimator
from netts.estimators.fit_tasks import CallbackSupportMixin, inner_fit, with_callbacks
from netts.estimators.mlp import MLPBase
from netts.estimators.saved import describe_estimator
from netts.estimators.saving import estimator_from
from netts.estimators.table_saved import REGISTRY, Report, SavedEncoder, SavedTableModel
from netts.network.inputs import floating
from netts.persistence import ModelFile, decode_model, save_model
from netts.persistence.onnx_graph import OnnxGraph, Operators
from netts.persistence.onnx_saving import save_onnx

AS_THEY_ARE = Scaling(0.0, 1.0)


def _has_probabilities(model: TableModel) -> bool:
    return hasattr(model.estimator, "predict_proba")


class TableModel(MetaEstimatorMixin, CallbackSupportMixin, BaseEstimator):
    """Encode a table, train an estimator on it, and predict from tables: what `netts train` saves.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        A regressor with squared error learns scaled targets; its predictions are in the target's
        own unit all the same.
    encoder : TableEncoder, optional
        One with its defaults, where it is None.
    target_scaler : str or (low, high), default='standard'
        What those targets are scaled by, as `scaler` of `netts.data.TableEncoder`.

    Attributes
    ----------
    estimator_ : MLPClassifier or MLPRegressor
        Trained.
    encoder_ : TableEncoder
        Fitted.
    target_scaling_ : Scaling
        What was subtracted from targets, and what they were then divided by: `center` and `scale`,
        0 and 1 where they were left as they are.
    classes_ : ndarray of shape (n_classes,)
        Of a classifier.
    reading_ : Reading or None
        How the file was read that `netts train` trained on.
    report_ : ClassificationReport, RegressionReport or None
        How good it was on the rows that `netts train` held back.

    Examples
    --------
    >>> from netts import MLPClassifier
    >>> from netts.data import load
    >>> from netts.estimators import TableModel
    >>> iris = load("iris")
    >>> model = TableModel(MLPClassifier((16,), learning_rate_init=0.05, random_state=0))
    >>> model.fit(iris, iris.y).predict({name: [5.0] for name in iris.feature_names})
    array(['virginica'], dtype='<U10')
    """

    def __init__(
        self,
        estimator: Any,
        *,
        encoder: TableEncoder | None = None,
        target_scaler: Scaler = "standard",
    ) -> None:
        self.estimator = estimator
        self.encoder = encoder
        self.target_scaler = target_scaler

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TableModel:
        """Learn the encoding, and train the estimator on what it gives.

        Parameters
        ----------
        X : data frame, mapping of str to array-like, Table, or array-like (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            Where the encoder makes codes for an embedding, which the estimator would take for
            quantities, or there is no such scaler.
        DataError
            As in `TableEncoder.fit`, and where targets cannot be scaled.
        """
        encoder = TableEncoder() if self.encoder is None else clone(self.encoder)
        inputs = encoder.fit(X).transform(X)
        targets = np.asarray(y)
        check_consistent_length(inputs, targets)
        _check_no_codes(encoder)
        scaling = self._learn_target_scaling(targets)
        if scaling != AS_THEY_ARE:
            targets = scaling.apply(targets)
        estimator = clone(self.estimator)
        with inner_fit(self, estimator, X, y):
            estimator.fit(inputs, targets, sample_weight)
            # Only now, so that what was learned before stays where this fails.
            self.encoder_, self.estimator_ = encoder, estimator
            self.target_scaling_ = scaling
            self.reading_: Reading | None = None
            self.report_: Report | None = None
        return self

    def _learn_target_scaling(self, targets: np.ndarray) -> Scaling:
        check_scaler(self.target_scaler)
        if not is_regressor(self) or self.estimator.loss != "squared_error":
            return AS_THEY_ARE
        if targets.dtype.kind not in "biuf" or not np.all(np.isfinite(targets)):
            raise DataError("y holds text, NaN or infinity, and a regressor learns finite numbers")
        largest = np.abs(targets).max(initial=0.0)
        if largest > LARGEST:
            raise DataError(
                f"the target holds {largest:g}, and targets are standardised up to {LARGEST:g} "
                "only: write them in a larger unit"
            )
        if targets.ndim != 1:
            raise DataError(f"targets of a table are one column, got shape {targets.shape}")
        return learn_scaling(self.target_scaler, targets)

    def predict(self, X: Any) -> np.ndarray:
        """Return the class, or the quantity, of each row.

        Parameters
        ----------
        X : as in `fit`
            Named columns may come in another order.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        inputs = self._inputs(X)
        predictions = self.estimator_.predict(inputs)
        if is_classifier(self):
            return predictions
        return self.target_scaling_.invert(predictions)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, in the order of `classes_`.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        inputs = self._inputs(X)
        return self.estimator_.predict_proba(inputs)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of a classifier, the coefficient of determination of a regressor.

        Parameters
        ----------
        X : as in `fit`
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        measure = accuracy_score if is_classifier(self) else r2_score
        return float(measure(y, self.predict(X), sample_weight=sample_weight))

    @property
    def classes_(self) -> np.ndarray:
        """Return the labels of a classifier."""
        return self.estimator_.classes_

    @property
    def n_features_in_(self) -> int:
        """Return the number of columns that it was trained on."""
        return self.encoder_.n_features_in_

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file, which `netts.load` reads; in place of the one that may be there.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        NotFittedError
            Where it has not been trained.
        UnsavableError
            Where its estimator is none of netts's, or holds what a file cannot.
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        """
        save_model(path, "table_model", self._describe(), REGISTRY)

    def to_onnx(self, path: str | os.PathLike[str], *, dtype: DTypeLike = np.float32) -> None:
        """Write encoder and estimator as one ONNX file, for programs without netts.

        It takes one input for each column that is used, of shape (n_samples, 1), as
        `netts.data.exporting` describes them: float64 for numbers, text for categories. It gives
        what the estimator's file gives; quantities are in the target's own unit, in float64. What
        training has not seen counts as `handle_unknown="ignore"` has it, without a warning.

        Parameters
        ----------
        path : str or path
            A file that is there is replaced.
        dtype : float32 or float64
            What the network computes in. Columns are encoded in float64 either way.

        Raises
        ------
        NotFittedError
            Before the first `fit`.
        MissingPackageError
            Where the package onnx is not installed.
        UnexportableError
            Where a column, or what becomes of it, has no operator.
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        """
        check_is_fitted(self, "estimator_")
        graph, chosen = OnnxGraph(), floating(dtype)
        inputs = add_columns(graph, self.encoder_.columns_)
        if chosen != np.float64:
            inputs = Operators(graph, "encoder", chosen).cast(inputs, chosen)
        add_estimator(graph, self.estimator_, inputs, chosen, self.target_scaling_)
        save_onnx(path, graph)

    def _describe(self) -> SavedTableModel:
        check_is_fitted(self, "estimator_")
        encoder = self.encoder_
        if not isinstance(self.estimator_, MLPBase):
            raise UnsavableError(
                f"a table model with a {type(self.estimator_).__name__} cannot be saved: a model "
                "file holds MLPClassifier and MLPRegressor; pickle it"
            )
        return SavedTableModel(
            encoder=SavedEncoder(
                max_categories=encoder.max_categories,
                handle_unknown=encoder.handle_unknown,
                columns=encoder.columns_,
                n_samples=encoder.n_samples_seen_,
                has_names=hasattr(encoder, "feature_names_in_"),
                scaler=encoder.scaler,
                encodings=encoder.encodings,
            ),
            estimator=describe_estimator(self.estimator_),
            target_mean=self.target_scaling_.center,
            target_scale=self.target_scaling_.scale,
            reading=self.reading_,
            report=self.report_,
            target_scaler=self.target_scaler,
        )

    def _inputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "estimator_")
        return self.encoder_.transform(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        tags.input_tags.allow_nan = tags.input_tags.string = True
        return tags


def _check_no_codes(encoder: TableEncoder) -> None:
    if encoder.n_codes_:
        raise ParameterError(
            f"the encoder makes codes of {', '.join(map(repr, encoder.n_codes_))}, which are names "
            "and no quantities: encode them one-hot, or give TableEncoder.transform_inputs to a "
            "network with layers.Embedding"
        )


def from_model_file(model_file: ModelFile, custom: Iterable[Any] = ()) -> TableModel:
    """Return the table model of a model file.

    Raises
    ------
    BrokenModelError, UnknownClassError
        Where the file contradicts itself, or names what no table model holds.
    """
    saved: SavedTableModel = decode_model(model_file, SavedTableModel, REGISTRY, custom)
    encoder = TableEncoder(
        max_categories=saved.encoder.max_categories,
        handle_unknown=saved.encoder.handle_unknown,
        scaler=saved.encoder.scaler,
        encodings=saved.encoder.encodings,
    )
    try:
        encoder._validate_params()
    except InvalidParameterError as error:
        raise BrokenModelError(f"the parameters cannot be: {error}") from error
    encoder.set_learned(
        saved.encoder.columns, saved.encoder.n_samples, has_names=saved.encoder.has_names
    )
    estimator = estimator_from(saved.estimator)
    model = TableModel(clone(estimator), encoder=clone(encoder), target_scaler=saved.target_scaler)
    model.encoder_, model.estimator_ = encoder, estimator
    model.target_scaling_ = Scaling(saved.target_mean, saved.target_scale)
    model.reading_, model.report_ = saved.reading, saved.report
    return model
