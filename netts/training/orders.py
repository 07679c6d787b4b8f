"""The order of the samples in each epoch, drawn ahead for epochs that run in one go."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from netts.errors import ShapeError


class Orders:
    """Draws the orders of epochs.

    Parameters
    ----------
    shuffle
        As `Trainer` takes it: whether to draw, or a function that gives an order for a number of
        samples. One that also has `mark` and `go_back` can be asked ahead.
    generator
        What permutations are drawn from.
    n_samples
    """

    def __init__(
        self,
        shuffle: bool | Callable[[int], np.ndarray],
        generator: np.random.Generator,
        n_samples: int,
    ) -> None:
        self.shuffle, self.generator, self.n_samples = shuffle, generator, n_samples
        self._before: Any = None

    def draw(self) -> np.ndarray | None:
        """Return the order of the next epoch, int64 of shape (n_samples,); None to leave it.

        Raises
        ------
        ShapeError
            Where a function gives none.
        """
        if not callable(self.shuffle):
            return self.generator.permutation(self.n_samples) if self.shuffle else None
        order = self.shuffle(self.n_samples)
        if np.shape(order) != (self.n_samples,):
            raise ShapeError(
                f"shuffle gives an order of shape ({self.n_samples},), got {np.shape(order)}"
            )
        return order

    def guess(self) -> np.ndarray | None:
        """Return what will be drawn if nobody draws meanwhile; None where that cannot be known."""
        if callable(self.shuffle):
            return None
        if not self.shuffle:
            return np.arange(self.n_samples)
        return copy.deepcopy(self.generator).permutation(self.n_samples)

    @property
    def can_be_taken_back(self) -> bool:
        """Whether what was drawn ahead can be as if it had not been."""
        methods = ("mark", "go_back")
        return not callable(self.shuffle) or all(hasattr(self.shuffle, one) for one in methods)

    def draw_ahead(self, n_epochs: int) -> list[np.ndarray | None]:
        """Return the orders of the next epochs."""
        self._before = self._kept()
        return [self.draw() for _ in range(n_epochs)]

    def take_back(self, n_used: int) -> None:
        """Let those behind the first `n_used` that were drawn ahead be as if they had not been."""
        if callable(self.shuffle):
            self.shuffle.go_back(self._before)  # type: ignore[attr-defined]
        else:
            self.generator.bit_generator.state = self._before
        for _ in range(n_used):
            self.draw()

    def _kept(self) -> Any:
        if callable(self.shuffle):
            return self.shuffle.mark()  # type: ignore[attr-defined]
        return self.generator.bit_generator.state
