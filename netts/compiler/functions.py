"""netts's own scalar functions: the law that every device follows.

Each takes one number and returns a Python float, whatever the number: where `math` raises, these
give infinity or NaN, as IEEE 754 (section 9.2.1) and NumPy do, but without a warning. A NaN that
comes in goes out.
"""

import math

__all__ = ["erf", "exp", "expm1", "log", "log1p", "sigmoid", "softplus", "sqrt", "tanh"]


def exp(x: float) -> float:
    """Return e**x.

    Examples
    --------
    >>> exp(0.0), exp(1000.0), exp(-1000.0)
    (1.0, inf, 0.0)
    """
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def expm1(x: float) -> float:
    """Return e**x - 1, without cancellation near zero.

    Examples
    --------
    >>> expm1(1e-20), expm1(1000.0), expm1(-1000.0)
    (1e-20, inf, -1.0)
    """
    try:
        return math.expm1(x)
    except OverflowError:
        return math.inf


def log(x: float) -> float:
    """Return the natural logarithm of x: -inf at zero, NaN below it.

    Examples
    --------
    >>> log(1.0), log(0.0), log(-1.0)
    (0.0, -inf, nan)
    """
    if x > 0.0:
        return math.log(x)
    return -math.inf if x == 0.0 else math.nan


def log1p(x: float) -> float:
    """Return log(1 + x), without cancellation near zero: -inf at -1, NaN below it.

    Examples
    --------
    >>> log1p(1e-20), log1p(-1.0), log1p(-2.0)
    (1e-20, -inf, nan)
    """
    if x > -1.0:
        return math.log1p(x)
    return -math.inf if x == -1.0 else math.nan


def tanh(x: float) -> float:
    """Return the hyperbolic tangent, (e**x - e**-x) / (e**x + e**-x).

    Examples
    --------
    >>> tanh(0.0), tanh(1e-20), tanh(-1000.0)
    (0.0, 1e-20, -1.0)
    """
    return math.tanh(x)


def sigmoid(x: float) -> float:
    """Return the logistic function, 1 / (1 + e**-x), accurate relative to its value in both tails.

    Examples
    --------
    >>> sigmoid(0.0), sigmoid(1000.0), sigmoid(-1000.0)
    (0.5, 1.0, 0.0)
    """
    tail = math.exp(-abs(x))  # at most 1: never overflows
    return (tail if x < 0.0 else 1.0) / (1.0 + tail)


def softplus(x: float) -> float:
    """Return log(1 + e**x), computed as max(x, 0) + log1p(e**-abs(x)) so that e**x cannot overflow.

    Examples
    --------
    >>> softplus(0.0) == log(2.0), softplus(1000.0), softplus(-1000.0)
    (True, 1000.0, 0.0)
    """
    return max(float(x), 0.0) + math.log1p(math.exp(-abs(x)))


def erf(x: float) -> float:
    """Return the error function, 2/sqrt(pi) times the integral of e**(-t*t) from 0 to x.

    Examples
    --------
    >>> erf(0.0), erf(1000.0), erf(-1000.0)
    (0.0, 1.0, -1.0)
    """
    return math.erf(x)


def sqrt(x: float) -> float:
    """Return the square root of x: NaN below zero, and -0.0 at -0.0.

    Examples
    --------
    >>> sqrt(9.0), sqrt(-0.0), sqrt(-1.0)
    (3.0, -0.0, nan)
    """
    return math.sqrt(x) if x >= 0.0 else math.nan
