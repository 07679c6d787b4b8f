"""The scores of a regressor, in frozen dataclasses that print as lines.

The scores are scikit-learn's where it has them. R2 is NaN where it is undefined (one sample, or
constant targets); what is None was not asked for, or is undefined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from netts.errors import DataError
from netts.evaluation.comparison import check_shapes, check_weights
from netts.hyperparameters import check_whole

LARGEST = 1e150
"""The sum of the squares of a million errors of this size is a float64 still."""


@dataclass(frozen=True)
class OutputScores:
    """Scores of one quantity of several.

    Attributes
    ----------
    name : str
    rmse, mae, mse, r2, adjusted_r2, f_statistic
        As in `RegressionReport`.
    """

    name: str
    rmse: float
    mae: float
    mse: float
    r2: float
    adjusted_r2: float | None
    f_statistic: float | None


@dataclass(frozen=True)
class RegressionReport:
    """Scores of a regressor; of several outputs, their means.

    Attributes
    ----------
    rmse : float
        Root of the mean squared error, in the target's unit.
    mae : float
        Mean absolute error, in the target's unit.
    r2 : float
        Coefficient of determination: 1 is perfect, 0 is as good as the mean of the targets.
    n_samples : int
    mse : float or None
        Mean squared error.
    n_features : int or None
        p in the two that follow, which need it.
    adjusted_r2 : float or None
        1 - (1 - R2) (n - 1) / (n - p - 1), for n samples: what R2 is worth with that many features.
    f_statistic : float or None
        (R2 / p) / ((1 - R2) / (n - p - 1)): the explained variance per feature by the unexplained
        variance per degree of freedom. It has the F distribution with p and n - p - 1 degrees of
        freedom for a linear model on the rows that it was fitted to, not for a network; None for
        several outputs.
    outputs : tuple of OutputScores
        Of several outputs, each; empty for one.

    Notes
    -----
    Both formulas: Draper and Smith, Applied Regression Analysis, third edition, chapters 5 and 6.
    """

    rmse: float
    mae: float
    r2: float
    n_samples: int
    mse: float | None = None
    n_features: int | None = None
    adjusted_r2: float | None = None
    f_statistic: float | None = None
    outputs: tuple[OutputScores, ...] = ()

    @property
    def measures(self) -> dict[str, float]:
        """Return the scores that there are, by their names."""
        found = {
            "RMSE": self.rmse,
            "MAE": self.mae,
            "MSE": self.mse,
            "R2": self.r2,
            "adjusted R2": self.adjusted_r2,
            "F statistic": self.f_statistic,
        }
        return {name: value for name, value in found.items() if value is not None}

    def __str__(self) -> str:
        width = 13 if self.adjusted_r2 is not None else 6
        lines = [
            f"{name:{width}}{value:10{_form(name)}}  {self._meaning(name)}"
            for name, value in self.measures.items()
        ]
        return "\n".join(lines + self._describe_outputs())

    def _meaning(self, name: str) -> str:
        n_free = self.n_samples - (self.n_features or 0) - 1
        undefined = "undefined: the targets are all equal"
        better = "1 is perfect, 0 no better than the mean"
        return {
            "RMSE": "root mean squared error, in the target's unit",
            "MAE": "mean absolute error, in the target's unit",
            "MSE": "mean squared error",
            "R2": undefined if math.isnan(self.r2) else better,
            "adjusted R2": f"of {self.n_features} features in {self.n_samples:,} rows",
            "F statistic": f"with {self.n_features} and {n_free:,} degrees of freedom",
        }[name]

    def _describe_outputs(self) -> list[str]:
        if not self.outputs:
            return []
        width = max(len(one.name) for one in self.outputs)
        lines = ["", f"{'':{width}}        RMSE         MAE          R2"]
        lines += [
            f"{one.name:{width}}{one.rmse:12.4g}{one.mae:12.4g}{one.r2:12.4f}"
            for one in self.outputs
        ]
        return lines


def regression_report(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    n_features: int | None = None,
    output_names: Sequence[str] | None = None,
) -> RegressionReport:
    """Compare predicted values with true ones.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Numbers.
    sample_weight : array-like of shape (n_samples,), optional
        How much each sample counts in every score.
    n_features : int, optional
        How many features the predictions were made from: adjusted R2 and F need it.
    output_names : sequence of str, optional
        Of several outputs; otherwise they are counted.

    Raises
    ------
    DataError
        If there are no samples, the lengths differ, or a value is NaN, infinite or above 1e150.
    ParameterError
        If `n_features` is no whole number above 0.

    Examples
    --------
    >>> print(regression_report([1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 4.0, 5.0], n_features=1))
    RMSE                0.5  root mean squared error, in the target's unit
    MAE                0.25  mean absolute error, in the target's unit
    MSE                0.25  mean squared error
    R2               0.8857  1 is perfect, 0 no better than the mean
    adjusted R2      0.8286  of 1 features in 4 rows
    F statistic        15.5  with 1 and 2 degrees of freedom
    """
    true, predicted = values_of(y_true, y_pred)
    weights = check_weights(sample_weight, len(true))
    if n_features is not None:
        check_whole("n_features", n_features, 1)
    names = names_of(true.shape[1], output_names)
    outputs = tuple(
        _score(names[k], true[:, k], predicted[:, k], weights, n_features)
        for k in range(true.shape[1])
    )
    adjusted = [one.adjusted_r2 for one in outputs if one.adjusted_r2 is not None]
    return RegressionReport(
        rmse=_mean([one.rmse for one in outputs]),
        mae=_mean([one.mae for one in outputs]),
        r2=_mean([one.r2 for one in outputs]),
        n_samples=len(true),
        mse=_mean([one.mse for one in outputs]),
        n_features=n_features,
        adjusted_r2=_mean(adjusted) if len(adjusted) == len(outputs) else None,
        f_statistic=outputs[0].f_statistic if len(outputs) == 1 else None,
        outputs=outputs if len(outputs) > 1 else (),
    )


def values_of(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return both as finite float64 of shape (n_samples, n_outputs).

    Raises
    ------
    DataError
        If that is impossible.
    """
    found = []
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        try:
            found.append(np.asarray(values, np.float64))
        except (TypeError, ValueError) as error:
            raise DataError(f"{name} holds what is no number: {error}") from error
    check_shapes(found[0], found[1], " or (n_samples, n_outputs)")
    for name, values in zip(("y_true", "y_pred"), found, strict=True):
        if not np.all(np.isfinite(values)):
            raise DataError(f"{name} contains NaN or infinity, which no score can be computed from")
        if np.abs(values).max() > LARGEST:
            raise DataError(
                f"{name} holds {np.abs(values).max():g}, and squares of more than {LARGEST:g} "
                "overflow: write the quantity in a larger unit"
            )
    true, predicted = (values.reshape(len(values), -1) for values in found)
    return true, predicted


def names_of(n_outputs: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """Return a name for each output.

    Raises
    ------
    DataError
        If there are more or fewer of them.
    """
    if names is None:
        return tuple(f"output {k}" for k in range(n_outputs))
    if len(names) != n_outputs:
        raise DataError(f"output_names has {len(names)} names for {n_outputs} outputs")
    return tuple(map(str, names))


def _score(
    name: str,
    true: np.ndarray,
    predicted: np.ndarray,
    weights: np.ndarray | None,
    n_features: int | None,
) -> OutputScores:
    mse = float(mean_squared_error(true, predicted, sample_weight=weights))
    counted = true if weights is None else true[weights > 0]
    is_constant = bool(np.all(counted == counted[0]))
    r2 = math.nan if is_constant else float(r2_score(true, predicted, sample_weight=weights))
    adjusted_r2, f_statistic = _for_features(r2, len(true), n_features)
    return OutputScores(
        name=name,
        rmse=math.sqrt(mse),
        mae=float(mean_absolute_error(true, predicted, sample_weight=weights)),
        mse=mse,
        r2=r2,
        adjusted_r2=adjusted_r2,
        f_statistic=f_statistic,
    )


def _for_features(
    r2: float, n_samples: int, n_features: int | None
) -> tuple[float | None, float | None]:
    """Return adjusted R2 and F; None where too few rows leave no degree of freedom."""
    if n_features is None or math.isnan(r2) or n_samples - n_features - 1 < 1:
        return None, None
    n_free = n_samples - n_features - 1
    adjusted_r2 = 1 - (1 - r2) * (n_samples - 1) / n_free
    f_statistic = math.inf if r2 == 1 else (r2 / n_features) / ((1 - r2) / n_free)
    return adjusted_r2, f_statistic


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _form(name: str) -> str:
    return ".4f" if name in ("R2", "adjusted R2") else ".4g"
