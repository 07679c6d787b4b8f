"""A loss of one's own, made of two functions of numbers: its value and its derivative."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from netts.compiler import Kernel, accelerate, element, parallel
from netts.compiler.element import ElementFunction
from netts.errors import ParameterError
from netts.losses.quantities import QuantityLoss

DIFFERENCE_STEP = 6e-6
"""Of central differences, relative: the cube root of eps, where truncation and rounding balance."""

DIFFERENCE_TOLERANCE = 1e-5
"""Of a derivative against central differences, relative to the larger of both, or 1."""

OUTPUTS = (-2.31, -0.87, -0.13, 0.07, 0.42, 1.19, 2.73)
"""Where a derivative is checked, as distances from a target and as outputs themselves."""

N_TARGETS = 9
"""Of how many of the targets, from the smallest to the largest."""


@lru_cache
def _kernels(value: ElementFunction, derivative: ElementFunction) -> tuple[Kernel, Kernel]:
    """Return the kernels of a loss: the same for the same functions, so that code is reused."""

    @accelerate
    def element_loss_forward(output, targets, losses):
        for i in parallel(output.shape[0]):
            total = 0.0
            for j in range(output.shape[1]):
                total += value(output[i, j], targets[i, j])
            losses[i] = total

    @accelerate
    def element_loss_backward(output, targets, weights, weight_sum, grad_output):
        scale = 1.0 / weight_sum[0]
        for i, j in parallel(output.shape[0], output.shape[1]):
            grad_output[i, j] = derivative(output[i, j], targets[i, j]) * weights[i] * scale

    return element_loss_forward, element_loss_backward


_element = lru_cache(element)


@dataclass(frozen=True)
class ElementLoss(QuantityLoss):
    """The sum over outputs of a function of one's own of (output, target), with its derivative.

    Both are functions of two numbers as kernels may call them (`netts.element` says which), so they
    run compiled, on every device. Predictions are the outputs. Before the first step the derivative
    is compared with differences of the value, around targets of the data.

    Parameters
    ----------
    value : callable
        What an output costs, a function of (output, target).
    derivative : callable
        Of that cost by the output, a function of (output, target). At a corner of the value it may
        be anything between the slopes on both sides.

    Raises
    ------
    ParameterError
        When data is prepared: where the derivative is not that of the value, with the point.

    Examples
    --------
    >>> import math
    >>> from netts.losses import ElementLoss
    >>> def log_cosh(output, target):
    ...     return math.log(math.cosh(output - target))
    >>> def log_cosh_derivative(output, target):
    ...     return math.tanh(output - target)
    >>> loss = ElementLoss(log_cosh, log_cosh_derivative)
    """

    value: Callable[[Any, Any], Any]
    derivative: Callable[[Any, Any], Any]

    def __post_init__(self) -> None:
        for name in ("value", "derivative"):
            function = getattr(self, name)
            if not isinstance(function, ElementFunction):
                if not callable(function):
                    raise ParameterError(f"{name} is a function, got {function!r}")
                function = _element(function)
                object.__setattr__(self, name, function)
            if len(function.body.parameters) != 2:
                raise ParameterError(
                    f"{name} is a function of (output, target), got one of "
                    f"({', '.join(function.body.parameters)})"
                )

    def targets(self, y: np.ndarray, n_outputs: int, dtype: DTypeLike) -> np.ndarray:
        """Return (n_samples, n_outputs) of the network's dtype; check the derivative at some."""
        columns = super().targets(y, n_outputs, dtype)
        if columns.size:
            self._check_derivative(columns.astype(np.float64))
        return columns

    def forward(self, output, targets, losses):
        """Write the values, summed over outputs."""
        _kernels(self.value, self.derivative)[0](output, targets, losses)

    def backward(self, output, targets, losses, weights, weight_sum, grad_output):
        """Write the derivatives, weighted."""
        backward = _kernels(self.value, self.derivative)[1]
        backward(output, targets, weights, weight_sum, grad_output)

    def _check_derivative(self, targets: np.ndarray) -> None:
        """Raise where the derivative is not that of the value, or nothing can be compared."""
        n_compared = 0
        for output, target in _points(targets):
            step = DIFFERENCE_STEP * max(1.0, abs(output))
            below, here, above = (
                _at(self.value, output + move, target) for move in (-step, 0.0, step)
            )
            if not all(map(math.isfinite, (below, here, above))):
                continue  # outside of what the value is defined for
            n_compared += 1
            left, right = (here - below) / step, (above - here) / step
            found = _at(self.derivative, output, target)
            # Between the slopes on both sides, so that a corner in the step is none of a mistake.
            slack = DIFFERENCE_TOLERANCE * max(1.0, abs(left), abs(right), abs(here))
            if not min(left, right) - slack <= found <= max(left, right) + slack:
                raise ParameterError(
                    f"{self.derivative.__name__}({output:.6g}, {target:.6g}) gives {found:.6g}, "
                    f"but {self.value.__name__} changes there by {(left + right) / 2:.6g} for each "
                    "unit of the output: correct one of them"
                )
        if not n_compared:
            raise ParameterError(
                f"{self.value.__name__} is finite nowhere near the targets, so its derivative "
                "cannot be checked: scale y, or define it for every output"
            )


def _points(targets: np.ndarray) -> Iterator[tuple[float, float]]:
    """Yield outputs around zero and around some of the targets, and the targets."""
    places = np.linspace(0, targets.size - 1, N_TARGETS).astype(int)
    for target in sorted(set(np.sort(targets, axis=None)[places].tolist())):
        scale = max(1.0, abs(target))
        for one in OUTPUTS:
            yield one, target
            yield target + scale * one, target


def _at(function: Callable[[Any, Any], Any], output: float, target: float) -> float:
    """Return the value of a function of numbers, NaN where Python raises for the numbers."""
    try:
        return float(function(output, target))
    except (ValueError, OverflowError, ZeroDivisionError):
        return math.nan
