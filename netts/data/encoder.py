"""A transformer that makes numbers of a table."""

from __future__ import annotations

import os
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from netts.choices import nearest_first
from netts.data.category_columns import CategoryColumn, CodedColumn, OrdinalColumn
from netts.data.encoded_columns import EncodedColumn, IgnoredColumn, NumberColumn
from netts.data.encoder_settings import settings_of
from netts.data.exporting import add_columns
from netts.data.frames import as_columns
from netts.data.learning import learn_column
from netts.data.quoting import listed, quoted
from netts.data.unknown import MAX_NAMED, Unknown
from netts.data.values import label
from netts.errors import (
    DataError,
    ShapeError,
    UnknownColumnError,
    UnknownValueError,
    UnknownValueWarning,
    warn,
)
from netts.persistence.onnx_graph import OnnxGraph
from netts.persistence.onnx_saving import save_onnx


class TableEncoder(TransformerMixin, BaseEstimator):
    """Make the inputs of a network from a table of numbers, categories, dates, and yes or no.

    Numbers are scaled, dates become days since 1970-01-01 and yes or no becomes 1 or 0, both
    scaled too; a missing value becomes the median, and a second input marks it where training
    rows had missing ones. Categories become one input each, unless asked otherwise. Columns with
    nothing to learn from are ignored: those with the same value, or no value, in every row, and
    texts that are different in most rows.

    Parameters
    ----------
    max_categories : int, default=100
        A column with more categories gives an input to the most frequent ones only.
    handle_unknown : {'warn', 'error', 'ignore'}, default='warn'
        What to do about a category, or a missing value, in a column where training rows had none
        such. It counts as none of the categories, and as the median.
    scaler : str, (low, high), or mapping of column names to such, default='standard'
        What numbers are scaled by: 'standard' (mean 0, standard deviation 1), 'min-max' (to
        [0, 1]), 'max-abs' (to [-1, 1], 0 stays), 'robust' (median 0, interquartile range 1),
        'decimal' (by a power of ten, below 1), 'none', or to [low, high]. Columns that a mapping
        does not name are standardised.
    encodings : mapping of column names to encodings, optional
        'one-hot'; 'embedding', whole numbers from 0 for `layers.Embedding`; or a list of the
        categories from the lowest to the highest, which become their place in it, scaled. Columns
        of numbers that are named here are categories.

    Attributes
    ----------
    columns_ : tuple of NumberColumn, CategoryColumn, CodedColumn, OrdinalColumn or IgnoredColumn
        What was learned of each column.
    n_codes_ : dict of str to int
        How many codes each column for an embedding has: `n_embeddings` of its layer.
    n_samples_seen_ : int
        How many rows it was fitted on.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape `(n_features_in_,)`
        Where X has column names.

    Notes
    -----
    Columns with names are found by them, in any order; those that are ignored need not be there,
    and those that training had not are not looked at. The numbers are those of scikit-learn's
    `SimpleImputer(strategy="median")`, `StandardScaler` and
    `OneHotEncoder(handle_unknown="ignore")`.

    Examples
    --------
    >>> from netts.data import TableEncoder
    >>> encoder = TableEncoder().fit({"size": [1.0, 2.0, 3.0], "colour": ["red", "blue", "red"]})
    >>> encoder.transform({"colour": ["blue"], "size": [2.0]})
    array([[0., 1., 0.]])
    >>> encoder.get_feature_names_out().tolist()
    ['size', 'colour_blue', 'colour_red']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_categories": [Interval(Integral, 1, None, closed="left")],
        "handle_unknown": [StrOptions({"warn", "error", "ignore"})],
        "scaler": [str, tuple, dict],
        "encodings": [dict, None],
    }

    def __init__(
        self,
        *,
        max_categories: int = 100,
        handle_unknown: str = "warn",
        scaler: Any = "standard",
        encodings: Any = None,
    ) -> None:
        self.max_categories = max_categories
        self.handle_unknown = handle_unknown
        self.scaler = scaler
        self.encodings = encodings

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> TableEncoder:
        """Learn what becomes of each column.

        Parameters
        ----------
        X : data frame, mapping of str to array-like, Table, or array-like (n_samples, n_features)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        DataError
            Where there is nothing to learn from, a number cannot be scaled, or a category is not in
            the order given.
        ParameterError, UnknownColumnError
            Where a scaler or encoding does not exist, or is for a column that does not.
        """
        columns, has_names = as_columns(X)
        n_samples = len(next(iter(columns.values()), ()))
        if not (columns and n_samples):
            raise DataError(
                f"Found array with {n_samples} sample(s) and {len(columns)} feature(s) (shape="
                f"({n_samples}, {len(columns)})) while a minimum of 1 is required by TableEncoder."
            )
        settings = settings_of(columns, self.max_categories, self.scaler, self.encodings)
        learned = [learn_column(name, v, settings[name]) for name, v in columns.items()]
        if not any(column.output_names for column in learned):
            reasons = "; ".join(
                f"{quoted(c.name)}: {c.describe_values()}" for c in learned[:MAX_NAMED]
            )
            rows = "n_samples=1" if n_samples == 1 else f"{n_samples:,} rows"
            raise DataError(f"no column can be learned from in {rows}: {reasons}")
        self.set_learned(tuple(learned), n_samples, has_names=has_names)
        return self

    def set_learned(
        self, columns: tuple[EncodedColumn, ...], n_samples: int, *, has_names: bool
    ) -> None:
        """Take what was learned of each column, by `fit` or before a model was saved.

        Parameters
        ----------
        columns : tuple of EncodedColumn
        n_samples : int
            Of how many rows.
        has_names : bool
            Whether the columns have names of their own.
        """
        self.columns_ = columns
        self.n_samples_seen_ = n_samples
        self.n_features_in_ = len(columns)
        if has_names:
            self.feature_names_in_ = np.array([column.name for column in columns], dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def transform(self, X: Any) -> np.ndarray:
        """Return the inputs of the network.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            float64, in the order of `get_feature_names_out`.

        Raises
        ------
        UnknownColumnError
            Where X lacks a column.
        DataError
            Where a value is none of its column's kind.
        UnknownValueError
            With `handle_unknown="error"`, as it describes.

        Warns
        -----
        UnknownValueWarning
            With `handle_unknown="warn"`.
        """
        columns = self._columns_of(X)
        if self.handle_unknown != "ignore":
            for unknown in self._unknown(columns):
                self._complain(unknown)
        return np.hstack([column.encode(columns[column.name]) for column in self._used])

    def transform_inputs(self, X: Any) -> dict[str, np.ndarray]:
        """Return the inputs of a network that embeds columns: each by itself, the rest together.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        dict of str to ndarray
            Codes of shape (n_samples, 1) by the names of their columns, and "numbers", all other
            inputs side by side, where there are some.

        Raises
        ------
        As `transform`.
        """
        inputs, found, start = self.transform(X), dict[str, np.ndarray](), 0
        numbers = []
        for column in self._used:
            part = inputs[:, start : start + len(column.output_names)]
            start += part.shape[1]
            if isinstance(column, CodedColumn):
                found[column.name] = part
            else:
                numbers.append(part)
        return ({"numbers": np.hstack(numbers)} if numbers else {}) | found

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write what `transform` does as an ONNX file, for programs without netts.

        It takes one input for each column that is used, of shape (n_samples, 1), as
        `netts.data.exporting` describes them, and gives `inputs`, float64 of shape
        (n_samples, n_outputs). What training has not seen counts as `handle_unknown="ignore"` has
        it, without a warning.

        Parameters
        ----------
        path : str or path
            A file that is there is replaced.

        Raises
        ------
        NotFittedError
            Before `fit`.
        MissingPackageError
            Where the package onnx is not installed.
        UnexportableError
            Where a column has empty texts beside missing ones.
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        """
        check_is_fitted(self)
        graph = OnnxGraph()
        value, n_outputs = add_columns(graph, self.columns_), len(self.get_feature_names_out())
        graph.output("inputs", value, np.float64, (n_outputs,))
        save_onnx(path, graph)

    def inverse_transform(self, inputs: Any) -> dict[str, np.ndarray]:
        """Return the columns that inputs were made of, those that are ignored left out.

        A value that was missing is NaN, NaT or None again where training rows had some; a category
        without an input is None.

        Parameters
        ----------
        inputs : array-like of shape (n_samples, n_outputs)

        Returns
        -------
        dict of str to ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        array = check_array(inputs, dtype=np.float64)
        ends = np.cumsum([len(column.output_names) for column in self._used])
        if array.shape[1] != ends[-1]:
            raise ShapeError(f"the encoder gives {ends[-1]} inputs, got {array.shape[1]}")
        parts = np.split(array, ends[:-1], axis=1)
        return {c.name: c.decode(part) for c, part in zip(self._used, parts, strict=True)}

    @property
    def n_codes_(self) -> dict[str, int]:
        """Return how many codes each column for an embedding has."""
        check_is_fitted(self, "columns_")
        return {c.name: c.n_codes for c in self.columns_ if isinstance(c, CodedColumn)}

    def find_unknown(self, X: Any) -> list[Unknown]:
        """Return what X has that no training row had, column by column."""
        return self._unknown(self._columns_of(X))

    def _unknown(self, columns: dict[str, np.ndarray]) -> list[Unknown]:
        found = []
        for column in self._used:
            rows = column.unknown(columns[column.name])
            if rows.size:
                values = dict.fromkeys(map(label, columns[column.name][rows]))
                found.append(Unknown(column, rows, tuple(values)))
        return found

    @property
    def _used(self) -> list[NumberColumn | CategoryColumn | CodedColumn | OrdinalColumn]:
        return [column for column in self.columns_ if not isinstance(column, IgnoredColumn)]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the name of each input: that of the column, `column_category` for a category.

        Parameters
        ----------
        input_features : array-like of str, optional
            The names of the columns, which must be those of `fit`, or stand for `x0`, `x1`, ...

        Returns
        -------
        ndarray of str objects
        """
        check_is_fitted(self)
        columns = self.columns_
        if input_features is not None:
            columns = self._renamed(list(input_features))
        names = [name for column in columns for name in column.output_names]
        return np.array(names, dtype=object)

    def _renamed(self, names: list[str]) -> tuple[EncodedColumn, ...]:
        known = getattr(self, "feature_names_in_", None)
        if known is not None and list(known) != names:
            raise ShapeError("input_features is not equal to feature_names_in_")
        if len(names) != self.n_features_in_:
            raise ShapeError(
                f"input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(names)}"
            )
        return tuple(replace(c, name=n) for c, n in zip(self.columns_, names, strict=True))

    def _columns_of(self, X: Any) -> dict[str, np.ndarray]:
        check_is_fitted(self)
        columns, has_names = as_columns(X)
        if has_names and hasattr(self, "feature_names_in_"):
            self._check_names(columns)
            return columns
        if len(columns) != self.n_features_in_:
            raise ShapeError(
                f"X has {len(columns)} features, but TableEncoder is expecting "
                f"{self.n_features_in_} features as input."
            )
        names = [column.name for column in self.columns_]
        return dict(zip(names, columns.values(), strict=True))

    def _check_names(self, columns: dict[str, np.ndarray]) -> None:
        lacking = [column.name for column in self._used if column.name not in columns]
        if lacking:
            raise UnknownColumnError(
                f"X lacks {listed(lacking)}, which the encoder was fitted on; it has "
                f"{listed(nearest_first(lacking[0], columns), MAX_NAMED)}"
            )

    def _complain(self, unknown: Unknown) -> None:
        message = unknown.describe(f"row {unknown.rows[0]}")
        if self.handle_unknown == "error":
            raise UnknownValueError(message)
        warn(message, UnknownValueWarning)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags
