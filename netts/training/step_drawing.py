"""A drawing of the plan of a training step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.graph import Drawing
from netts.training.callbacks import Callback

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


class StepDrawing(Callback):
    """Draws the plan of a training step before the first epoch; the training is as without.

    Attributes
    ----------
    drawing_ : netts.graph.Drawing or None
        Of the last fit that began.

    Examples
    --------
    >>> import numpy as np
    >>> from netts import Network, Trainer, layers
    >>> from netts.training import StepDrawing
    >>> watch = StepDrawing()
    >>> trainer = Trainer(Network([layers.Dense(2)]), epochs=1, callbacks=[watch], device="cpu")
    >>> history = trainer.fit(np.zeros((100, 3)), np.arange(100) % 2)
    >>> watch.drawing_
    <drawing of a plan on cpu>
    """

    def __init__(self) -> None:
        self.drawing_: Drawing | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Draw."""
        self.drawing_ = trainer.draw()
