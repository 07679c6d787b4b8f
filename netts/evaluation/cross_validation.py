"""Cross-validation: each fold is predicted by a clone that was trained on the others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import _num_samples

from netts.errors import DataError, ParameterError
from netts.evaluation.comparison import check_weights
from netts.evaluation.evaluating import evaluate
from netts.evaluation.evaluation import Evaluation, plain
from netts.hyperparameters import check_whole

SPLITTERS = {
    (False, False): KFold,
    (True, False): StratifiedKFold,
    (False, True): GroupKFold,
    (True, True): StratifiedGroupKFold,
}
"""By whether classes are to have the same share of each fold, and groups to stay together."""


@dataclass(frozen=True, eq=False)
class Fold:
    """What one clone came to.

    Attributes
    ----------
    repeat, number : int
        Counted from 0.
    rows : ndarray of int, shape (n_test,)
        The rows that it was tested on, and not trained on.
    estimator : object
        The trained clone.
    evaluation : Evaluation
        Of that clone on those rows.
    fit_seconds : float
    """

    repeat: int
    number: int
    rows: np.ndarray
    estimator: Any
    evaluation: Evaluation
    fit_seconds: float


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The folds of a cross-validation; `str` of it is a table of means and deviations.

    Attributes
    ----------
    folds : tuple of Fold
        Of the first repeat, then of the second, and so on.
    """

    folds: tuple[Fold, ...]

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """Each measure that all folds have, with its value in each fold."""
        found = [fold.evaluation.measures for fold in self.folds]
        return {
            name: np.array([measures[name] for measures in found])
            for name in found[0]
            if all(name in measures for measures in found)
        }

    @property
    def means(self) -> dict[str, float]:
        """The mean of each measure over the folds."""
        return {name: float(values.mean()) for name, values in self.scores.items()}

    @property
    def deviations(self) -> dict[str, float]:
        """The standard deviation of each measure from fold to fold, NumPy's `std`."""
        return {name: float(values.std()) for name, values in self.scores.items()}

    def __str__(self) -> str:
        width = max(map(len, self.scores))
        lines = [f"{'':{width}}        mean   deviation       least    greatest"]
        for name, values in self.scores.items():
            numbers = (values.mean(), values.std(), values.min(), values.max())
            lines.append(f"{name:{width}}" + "".join(f"{number:12.4g}" for number in numbers))
        return "\n".join([*lines, "", f"{len(self.folds)} folds"])

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain values that JSON has; the estimators are left out."""
        return {
            "means": plain(self.means),
            "deviations": plain(self.deviations),
            "folds": [
                {
                    "repeat": fold.repeat,
                    "number": fold.number,
                    "rows": fold.rows.tolist(),
                    "fit_seconds": fold.fit_seconds,
                    "evaluation": fold.evaluation.to_dict(),
                }
                for fold in self.folds
            ],
        }


def cross_validate(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    n_splits: int = 5,
    n_repeats: int = 1,
    stratify: bool | None = None,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
    beta: float = 1.0,
) -> CrossValidation:
    """Divide the rows into folds; predict each by a clone that was trained on the other ones.

    Parameters
    ----------
    estimator : classifier or regressor
        It is cloned, and stays as it is.
    X : array-like, sparse matrix or data frame of n_samples rows; mapping of str to array-like;
        netts.data.Table
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    n_splits : int
        How many folds.
    n_repeats : int
        How often to divide the rows anew, in another random order.
    stratify : bool, optional
        Whether each class has the same share of each fold; by default where there are classes.
    groups : array-like of shape (n_samples,), optional
        Rows of one group are in one fold: several rows about one person, for instance.
    sample_weight : array-like of shape (n_samples,), optional
        How much each sample counts, in training and in the scores.
    random_state : int, RandomState or None
        Of the division into folds.
    beta : float
        Of F-beta.

    Raises
    ------
    DataError
        If there are too few rows, groups or members of a class for so many folds, or a fold has a
        label that none of the rows trained on has.
    ParameterError
        If numbers are out of their range, or targets cannot be stratified.

    Examples
    --------
    >>> from netts import MLPClassifier
    >>> from netts.data import load
    >>> from netts.estimators import TableModel
    >>> iris = load("iris")
    >>> classifier = MLPClassifier((16,), learning_rate_init=0.05, tol=1e-3, random_state=0)
    >>> model = TableModel(classifier)
    >>> found = cross_validate(model, iris, iris.y, n_splits=3, random_state=0)
    >>> len(found.folds), found.means["accuracy"] > 0.9
    (3, True)
    """
    check_whole("n_splits", n_splits, 2)
    check_whole("n_repeats", n_repeats, 1)
    columns = getattr(X, "columns", None)
    X = columns if isinstance(columns, Mapping) else X  # of a Table
    y = np.asarray(y)
    weights = check_weights(sample_weight, len(y))
    _check_lengths(X, y, groups)
    is_stratified = (is_classifier(estimator) and y.ndim == 1) if stratify is None else stratify
    _check_counts(y, groups, n_splits, is_stratified)
    splitter = SPLITTERS[is_stratified, groups is not None]
    random = check_random_state(random_state)
    folds = []
    for repeat in range(n_repeats):
        one = splitter(n_splits, shuffle=True, random_state=random.randint(2**31 - 1))
        for number, rows in enumerate(one.split(np.zeros(len(y)), y, groups)):
            folds.append(_fold(estimator, X, y, weights, beta, repeat, number, rows))
    return CrossValidation(tuple(folds))


def _fold(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    weights: np.ndarray | None,
    beta: float,
    repeat: int,
    number: int,
    rows: tuple[np.ndarray, np.ndarray],
) -> Fold:
    training, test = rows
    fitted, start = clone(estimator), time.perf_counter()
    arguments = {} if weights is None else {"sample_weight": weights[training]}
    fitted.fit(_take(X, training), y[training], **arguments)
    seconds = time.perf_counter() - start
    try:
        evaluation = evaluate(
            fitted,
            _take(X, test),
            y[test],
            sample_weight=None if weights is None else weights[test],
            beta=beta,
        )
    except DataError as error:
        raise DataError(f"fold {number} of repeat {repeat}: {error}") from error
    return Fold(repeat, number, test, fitted, evaluation, seconds)


def _take(X: Any, rows: np.ndarray) -> Any:
    if isinstance(X, Mapping):
        return {name: np.asarray(values)[rows] for name, values in X.items()}
    return _safe_indexing(X, rows)


def _check_lengths(X: Any, y: np.ndarray, groups: ArrayLike | None) -> None:
    columns = {"X": X} if not isinstance(X, Mapping) else {f"X[{n!r}]": X[n] for n in X}
    for name, values in (columns | ({} if groups is None else {"groups": groups})).items():
        n_rows = _num_samples(values)
        if n_rows != len(y):
            raise DataError(f"{name} has {n_rows} rows, y has {len(y)}")


def _check_counts(y: np.ndarray, groups: ArrayLike | None, n_splits: int, stratify: bool) -> None:
    """Refuse what would leave a fold without rows, or without a class."""
    units = y if groups is None else np.unique(np.asarray(groups))
    what = "rows" if groups is None else "groups"
    if len(units) < n_splits:
        raise DataError(f"{len(units)} {what} cannot be divided into {n_splits} folds")
    if not stratify:
        return
    if y.ndim != 1 or y.dtype.kind == "f":
        raise ParameterError(
            "only classes, one for each row, can be stratified: pass stratify=False"
        )
    labels, counts = np.unique(y, return_counts=True)
    if counts.min() < n_splits:
        label = str(labels[counts.argmin()])
        raise DataError(
            f"label {label!r} has {counts.min()} rows, fewer than {n_splits} folds: ask for fewer "
            "folds, leave those rows out, or pass stratify=False"
        )
