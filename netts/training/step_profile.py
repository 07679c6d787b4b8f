"""What a training step spends its time on, measured before the first epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.graph.profile import Profile
from netts.training.callbacks import Callback

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


class StepProfile(Callback):
    """Times the operations of training steps before the first epoch; the training is as without.

    Parameters
    ----------
    steps : int
        How many to take the mean of; fewer where an epoch has fewer.

    Attributes
    ----------
    profile_ : Profile or None
        Of the last fit that began.

    Examples
    --------
    >>> import numpy as np
    >>> from netts import Network, Trainer, layers
    >>> from netts.training import StepProfile
    >>> watch = StepProfile()
    >>> trainer = Trainer(Network([layers.Dense(2)]), epochs=1, callbacks=[watch])
    >>> history = trainer.fit(np.zeros((100, 3)), np.arange(100) % 2)
    >>> "dense_forward" in str(watch.profile_)
    True
    """

    def __init__(self, steps: int = 20) -> None:
        self.steps = steps
        self.profile_: Profile | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Measure."""
        self.profile_ = trainer.profile(self.steps)
