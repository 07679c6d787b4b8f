"""Training: epochs, batches, validation, early stopping, callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.lazy import lazy_names
from netts.training.callbacks import Callback
from netts.training.early_stopping import EarlyStopping, Plateau
from netts.training.fitting import Resumable
from netts.training.history import Epoch, History
from netts.training.step_profile import StepProfile
from netts.training.trainer import Trainer

if TYPE_CHECKING:
    from netts.training.progress import ProgressBar

__all__ = [
    "Callback",
    "EarlyStopping",
    "Epoch",
    "History",
    "Plateau",
    "ProgressBar",
    "Resumable",
    "StepProfile",
    "Trainer",
]

# rich takes 70 ms to import, which only who shows a bar should pay.
__getattr__, __dir__ = lazy_names(__name__, {"netts.training.progress": ("ProgressBar",)})
