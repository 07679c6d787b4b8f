"""Scale numbers: (value - center) / scale, with center and scale learned from the training rows.

scikit-learn's classes learn them; what is kept are two plain numbers, which a model file can hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from netts.errors import BrokenModelError, ParameterError

Scaler = str | tuple[float, float]


@dataclass(frozen=True)
class Scaling:
    """What is subtracted from numbers, and what they are then divided by.

    Attributes
    ----------
    center : float
    scale : float
        Above 0.
    """

    center: float
    scale: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.center) and math.isfinite(self.scale) and self.scale > 0):
            raise BrokenModelError(f"numbers are scaled by {self.center} and {self.scale}")

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return the scaled values."""
        with np.errstate(over="ignore"):  # what overflows is refused by the network, by name
            return (values - self.center) / self.scale

    def invert(self, scaled: np.ndarray) -> np.ndarray:
        """Return the values that `apply` scaled."""
        return scaled * self.scale + self.center


def learn_scaling(scaler: Scaler, values: np.ndarray) -> Scaling:
    """Return what a scaler makes of float64 values of shape (n_samples,), of which none is NaN.

    Parameters
    ----------
    scaler : {"standard", "min-max", "max-abs", "robust", "decimal", "none"} or (low, high)
        To mean 0 and standard deviation 1; to [0, 1]; to [-1, 1] with 0 where it was; to median 0
        and interquartile range 1; divided by the power of ten that brings all below 1; as they
        are; or to [low, high].
    values : ndarray

    Raises
    ------
    ParameterError
        Where there is no such scaler.
    """
    check_scaler(scaler)
    if isinstance(scaler, tuple):
        return _to_range(values, *scaler)
    return SCALERS[scaler](values)


def check_scaler(scaler: Any) -> None:
    """Raise `ParameterError` unless `learn_scaling` knows a scaler."""
    if isinstance(scaler, str) and scaler in SCALERS:
        return
    is_pair = isinstance(scaler, tuple) and len(scaler) == 2
    numbers = [v for v in scaler if isinstance(v, int | float)] if is_pair else []
    if not (len(numbers) == 2 and -math.inf < numbers[0] < numbers[1] < math.inf):
        raise ParameterError(
            f"a scaler is one of {', '.join(SCALERS)} or (low, high) with low below high, got "
            f"{scaler!r}"
        )


def decimal_scale(largest: float) -> float:
    """Return the smallest power of ten above `largest`, 1 for 0.

    J. Han, M. Kamber, J. Pei, "Data Mining", 3rd edition, 2011, section 3.5.2.

    Examples
    --------
    >>> [decimal_scale(number) for number in (0.0, 0.02, 1.0, 986.0)]
    [1.0, 0.1, 10.0, 1000.0]
    """
    if largest == 0:
        return 1.0
    exponent = math.floor(math.log10(largest))
    # The logarithm is rounded, so this may be one too small or too large.
    return next(10.0**k for k in range(exponent - 1, exponent + 3) if 10.0**k > largest)


class DecimalScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divide each feature by the smallest power of ten that is above all of its absolute values.

    Attributes
    ----------
    scale_ : ndarray of shape (n_features,)
    n_features_in_ : int

    References
    ----------
    J. Han, M. Kamber, J. Pei, "Data Mining", 3rd edition, 2011, section 3.5.2.

    Examples
    --------
    >>> DecimalScaler().fit_transform([[986.0, 0.02], [-120.0, 0.01]])
    array([[ 0.986,  0.2  ],
           [-0.12 ,  0.1  ]])
    """

    def fit(self, X: Any, y: Any = None) -> DecimalScaler:
        """Learn the powers of ten.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self
        """
        X = validate_data(self, X, dtype=np.float64)
        self.scale_ = np.array([decimal_scale(v) for v in np.abs(X).max(axis=0)])
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the features divided, as float64 of shape (n_samples, n_features)."""
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=False) / self.scale_

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the features multiplied again."""
        check_is_fitted(self)
        return np.asarray(X, np.float64) * self.scale_


def _to_range(values: np.ndarray, low: float, high: float) -> Scaling:
    learned = MinMaxScaler((low, high)).fit(values[:, None])
    smallest, scale = float(learned.data_min_[0]), 1 / float(learned.scale_[0])
    return Scaling(smallest - low * scale, scale)


def _standard(values: np.ndarray) -> Scaling:
    # NumPy's own: what models were trained with before there were other scalers, to the last bit.
    return Scaling(float(values.mean()), float(values.std()) or 1.0)


def _robust(values: np.ndarray) -> Scaling:
    learned = RobustScaler().fit(values[:, None])
    return Scaling(float(learned.center_[0]), float(learned.scale_[0]))


def _max_abs(values: np.ndarray) -> Scaling:
    return Scaling(0.0, float(MaxAbsScaler().fit(values[:, None]).scale_[0]))


SCALERS: dict[str, Callable[[np.ndarray], Scaling]] = {
    "standard": _standard,
    "min-max": lambda values: _to_range(values, 0.0, 1.0),
    "max-abs": _max_abs,
    "robust": _robust,
    "decimal": lambda values: Scaling(0.0, decimal_scale(float(np.abs(values).max()))),
    "none": lambda _: Scaling(0.0, 1.0),
}
"""What learns center and scale from the values of a column."""
