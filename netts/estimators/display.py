"""Plots of estimators, as scikit-learn's Displays are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.utils.validation import check_is_fitted

from netts.errors import ParameterError
from netts.evaluation.packages import imported


class LossCurveDisplay:
    """The loss of each epoch, and what validation measured.

    `from_estimator` makes one.

    Parameters
    ----------
    loss : sequence of float
        Of each epoch.
    validation_loss, validation_score : sequence of float, default=()
        Likewise; empty where nothing was validated.
    estimator_name : str or None, default=None

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> import numpy as np
    >>> from netts import MLPRegressor
    >>> from netts.estimators import LossCurveDisplay
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> regressor = MLPRegressor(tol=0.01, random_state=0).fit(X, X[:, 0])
    >>> display = LossCurveDisplay.from_estimator(regressor)  # doctest: +SKIP
    """

    def __init__(
        self,
        loss: Sequence[float],
        *,
        validation_loss: Sequence[float] = (),
        validation_score: Sequence[float] = (),
        estimator_name: str | None = None,
    ) -> None:
        self.loss = loss
        self.validation_loss = validation_loss
        self.validation_score = validation_score
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, name: str | None = None, **line_kw: Any
    ) -> LossCurveDisplay:
        """Plot the losses of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor or Pipeline
            Of a pipeline, the last step. scikit-learn's own MLPs too.
        ax : matplotlib Axes, default=None
            Where to plot; None for a figure of its own.
        name : str, default=None
            For the legend; None for the class of the estimator.
        **line_kw
            For `Axes.plot`.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        NotFittedError
            Where it has not been trained.
        ParameterError
            Where it has no losses of epochs.
        MissingPackageError
            Where matplotlib is not installed.
        """
        model = estimator[-1] if hasattr(estimator, "steps") else estimator
        check_is_fitted(model)
        if not getattr(model, "loss_curve_", None):
            raise ParameterError(
                f"{type(model).__name__} has no loss_curve_: pass an estimator that trained for at "
                "least one epoch"
            )
        history = getattr(model, "history_", None)
        validation = [] if history is None else history.validation_loss
        display = cls(
            model.loss_curve_,
            # A fit that went on measured its own epochs only.
            validation_loss=validation if len(validation) == len(model.loss_curve_) else (),
            validation_score=getattr(model, "validation_scores_", None) or (),
            estimator_name=name or type(model).__name__,
        )
        return display.plot(ax, **line_kw)

    def plot(self, ax: Any = None, **line_kw: Any) -> LossCurveDisplay:
        """Plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to plot; None for a figure of its own.
        **line_kw
            For `Axes.plot`.

        Returns
        -------
        self
        """
        if ax is None:
            _, ax = imported("matplotlib.pyplot").subplots()
        called = f"{self.estimator_name}: " if self.estimator_name else ""
        self.lines_ = self._line(ax, self.loss, f"{called}loss", line_kw)
        self.lines_ += self._line(ax, self.validation_loss, f"{called}validation loss", line_kw)
        ax.set(xlabel="Epoch", ylabel="Loss")
        if len(self.validation_score):
            right = ax.twinx()
            style = {"linestyle": ":", "color": "gray", **line_kw}
            self.lines_ += self._line(right, self.validation_score, "validation score", style)
            right.set_ylabel("Score")
        ax.legend(handles=self.lines_)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @staticmethod
    def _line(ax: Any, values: Sequence[float], label: str, style: dict[str, Any]) -> list[Any]:
        if not len(values):
            return []
        return list(ax.plot(range(1, len(values) + 1), values, label=label, **style))
