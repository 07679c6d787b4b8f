"""Where scikit-learn's MLP draws random numbers: same seed, same weights, rows and orders.

All come from one `numpy.random.RandomState`, in this order: initial weights, the rows to validate
with, and the order of each epoch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from netts.errors import DataError


def draw_initial_weights(
    units: list[int],
    activations: Sequence[str],
    dtype: np.dtype,
    random_state: np.random.RandomState,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Draw weights and biases of each layer from U(-a, a), a = sqrt(6 / (fan_in + fan_out)).

    For the logistic activation it is sqrt(2 / (fan_in + fan_out)).

    Parameters
    ----------
    units
        Of every layer, input and output included.
    activations
        Of each layer but the input; that of the last one counts as if it were hidden.
    dtype
    random_state

    Returns
    -------
    coefs : list of ndarray of shape (fan_in, fan_out)
    intercepts : list of ndarray of shape (fan_out,)

    References
    ----------
    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16. The bound of the logistic function is scikit-learn's.
    """
    coefs, intercepts = [], []
    for (fan_in, fan_out), activation in zip(pairwise(units), activations, strict=True):
        factor = 2.0 if activation == "logistic" else 6.0
        bound = math.sqrt(factor / (fan_in + fan_out))
        coefs.append(random_state.uniform(-bound, bound, (fan_in, fan_out)).astype(dtype))
        intercepts.append(random_state.uniform(-bound, bound, fan_out).astype(dtype))
    return coefs, intercepts


def hold_out_rows(
    n_samples: int,
    fraction: float,
    stratify: np.ndarray | None,
    random_state: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Divide row numbers at random into those to train on and those to validate with.

    Raises
    ------
    DataError
        Where fewer than two would be left to validate with.
    """
    rows, held = train_test_split(
        np.arange(n_samples), test_size=fraction, stratify=stratify, random_state=random_state
    )
    if len(held) < 2:
        raise DataError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    return rows, held


MOST_DRAWN_AGAIN = 256
"""Orders that are drawn again at most, some 4 us each, where some that were drawn ahead are taken
back."""


class EpochOrder:
    """The order of the samples, of which every call is a new permutation of the one before.

    What `sklearn.utils.shuffle(order, random_state=random_state)` gives, epoch after epoch.
    """

    def __init__(self, random_state: np.random.RandomState) -> None:
        self._random_state = random_state
        self._order: np.ndarray | None = None
        self._begin()

    def _begin(self) -> None:
        self._state: dict[str, Any] | None = None
        self._drawn = 0

    def __call__(self, n_samples: int) -> np.ndarray:
        """Return the order of the next epoch, int64 of shape (n_samples,)."""
        order = np.arange(n_samples) if self._order is None else self._order
        self._order = order[self._random_state.permutation(n_samples)]
        self._drawn += 1
        return self._order

    def mark(self) -> Any:
        """Return what the next orders depend on, to go back to soon.

        Nobody else may draw from the random state meanwhile, nor between two marks: reading the
        state takes as long as drawing ten orders, so it is read now and then, and what was drawn
        since is drawn again.
        """
        if self._state is None or self._drawn > MOST_DRAWN_AGAIN:
            self._begin()
            self._state = self._random_state.get_state(legacy=False)
        return self._state, self._drawn, self._order

    def go_back(self, mark: Any) -> None:
        """Let what was drawn since be as if it had not been."""
        self._state, self._drawn, self._order = mark
        self._random_state.set_state(self._state)
        for _ in range(self._drawn):
            self._random_state.permutation(len(mark[2]))

    def kept(self) -> dict[str, Any]:
        """Return what the next orders depend on, for a checkpoint."""
        return {"random_state": copy.deepcopy(self._random_state), "order": self._order}

    def restore(self, kept: dict[str, Any], n_samples: int) -> None:
        """Go on as from where `kept` was called, with as many samples.

        Raises
        ------
        KeyError, TypeError, ValueError
            Where it did not give that.
        """
        order, random_state = kept["order"], kept["random_state"]
        if not isinstance(random_state, np.random.RandomState):
            raise TypeError("random_state is no RandomState")
        if order is not None and not np.array_equal(np.sort(order), np.arange(n_samples)):
            raise ValueError(f"order is none of {n_samples} samples")
        self._random_state.set_state(random_state.get_state())
        self._order = order
        self._begin()
