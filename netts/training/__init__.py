"""Training: epochs, batches, validation, early stopping, callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.lazy import lazy_names
from netts.training.callbacks import BatchProgress, Callback
from netts.training.checkpoint import Checkpoint, Snapshot
from netts.training.early_stopping import EarlyStopping, Plateau
from netts.training.history import Epoch, History, Measures
from netts.training.json_log import JsonLog
from netts.training.resumable import Position, Resumable
from netts.training.saved import SavedTraining
from netts.training.step_drawing import StepDrawing
from netts.training.step_profile import StepProfile
from netts.training.trainer import Trainer

if TYPE_CHECKING:
    from netts.training.progress import ProgressBar

__all__ = [
    "BatchProgress",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "Epoch",
    "History",
    "JsonLog",
    "Measures",
    "Plateau",
    "Position",
    "ProgressBar",
    "Resumable",
    "SavedTraining",
    "Snapshot",
    "StepDrawing",
    "StepProfile",
    "Trainer",
]

# rich takes 70 ms to import, which only who shows a bar should pay.
__getattr__, __dir__ = lazy_names(__name__, {"netts.training.progress": ("ProgressBar",)})
