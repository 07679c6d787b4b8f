"""One place that turns `random_state` arguments into generators."""

from __future__ import annotations

import numpy as np

from netts.errors import ParameterError

RandomState = int | np.random.Generator | np.random.RandomState | None
"""A seed, a generator to draw from, or None for fresh entropy."""


def generator_from(random_state: RandomState) -> np.random.Generator:
    """Return the generator that a `random_state` argument stands for.

    An integer seeds a new Philox generator; a `numpy.random.Generator` is returned as it is; a
    legacy `RandomState` seeds a new generator with numbers drawn from it.

    Raises
    ------
    ParameterError
        Where the argument is none of these.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        words = random_state.randint(0, 2**31 - 1, size=4)
        return np.random.Generator(np.random.Philox([int(word) for word in words]))
    is_integer = isinstance(random_state, int | np.integer) and not isinstance(random_state, bool)
    if random_state is not None and not (is_integer and random_state >= 0):
        raise ParameterError(
            "random_state is a non-negative integer, a numpy.random.Generator, a RandomState or "
            f"None, got {random_state!r}"
        )
    return np.random.Generator(np.random.Philox(random_state))
