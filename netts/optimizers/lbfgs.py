"""L-BFGS: a minimiser that asks for the loss and its gradient where it likes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import scipy

from netts.hyperparameters import check_real, check_whole

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""From parameters, float64 of shape (n,), to the loss of all samples and its gradient."""


@dataclass(frozen=True)
class Outcome:
    """How a minimiser ended.

    Attributes
    ----------
    reason
        "converged", "epochs" when all iterations were used up, "evaluations" when all evaluations
        were, "line_search" where no better point was found in the direction of descent, "stopped"
        when it was told to.
    status, message
        scipy's own: `scipy.optimize.OptimizeResult`.
    loss
        At the point where it ended.
    """

    reason: str
    status: int
    message: str
    loss: float


@runtime_checkable
class Minimizer(Protocol):
    """An optimiser that drives: it is given the loss as a function, and no step is recorded.

    A frozen dataclass. An iteration counts as an epoch. The loss is to be the same each time it is
    asked for at one point: nothing random (dropout) may take part.
    """

    def minimize(
        self,
        objective: Objective,
        start: np.ndarray,
        end_iteration: Callable[[np.ndarray], bool],
        max_iterations: int,
    ) -> tuple[np.ndarray, Outcome]:
        """Return the best point found and how it ended.

        Parameters
        ----------
        objective
        start
            Float64 of shape (n,).
        end_iteration
            To be called with the point that an iteration came to; returns whether to go on.
        max_iterations
        """
        ...


def is_minimizer(optimizer: object) -> TypeIs[Minimizer]:
    """Whether an optimiser drives; a fit asks often, and `isinstance` of a protocol is slow."""
    return getattr(optimizer, "minimize", None) is not None


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS on all samples at once, by scipy's `L-BFGS-B`.

    R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, "A limited memory algorithm for bound constrained
    optimization", SIAM Journal on Scientific Computing 16 (1995). For small data sets; an epoch is
    an iteration, which evaluates the loss of all samples once or a few times. `batch_size` says
    only how many samples go through the network at a time.

    Parameters
    ----------
    tol : float >= 0
        It has converged when no element of the gradient is larger, scipy's `gtol`, or when the loss
        no longer changes in its ninth digit.
    max_fun : int
        How often the loss may be evaluated; checked between iterations.
    memory : int
        Of how many iterations it remembers the change of the gradient.
    """

    tol: float = 1e-4
    max_fun: int = 15000
    memory: int = 10

    def __post_init__(self) -> None:
        check_real("tol", self.tol, "[0, inf)")
        check_whole("max_fun", self.max_fun, 1)
        check_whole("memory", self.memory, 1)

    def minimize(
        self,
        objective: Objective,
        start: np.ndarray,
        end_iteration: Callable[[np.ndarray], bool],
        max_iterations: int,
    ) -> tuple[np.ndarray, Outcome]:
        """Return the best point found and how it ended."""
        is_stopped = False

        # scipy tells by the parameter's name what to pass.
        def callback(intermediate_result: Any) -> None:
            nonlocal is_stopped
            is_stopped = not end_iteration(intermediate_result.x)
            if is_stopped:
                raise StopIteration

        limits = {"maxiter": max_iterations, "maxfun": self.max_fun}
        result = scipy.optimize.minimize(
            objective,
            start,
            method="L-BFGS-B",
            jac=True,
            callback=callback,
            options={**limits, "gtol": self.tol, "maxcor": self.memory},
        )
        if is_stopped:
            reason = "stopped"
        elif result.status == 1:
            reason = "epochs" if result.nit >= max_iterations else "evaluations"
        else:
            reason = "converged" if result.status == 0 else "line_search"
        outcome = Outcome(reason, int(result.status), str(result.message), float(result.fun))
        return result.x, outcome
