"""What a training is of, in words to compare: settings, network and data."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.errors import ParameterError
from netts.losses import loss_from
from netts.optimizers import optimizer_from
from netts.schedules import schedule_from
from netts.training.early_stopping import Plateau

if TYPE_CHECKING:
    from netts.training.session import Session
    from netts.training.supply import Samples
    from netts.training.trainer import Trainer

SETTINGS = (
    "batch_size", "accumulate", "l1", "l2", "clip_value", "clip_norm", "max_norm", "shuffle",
    "validation_fraction", "class_weight",
)  # fmt: skip
"""What of a trainer decides what it learns, besides loss, optimiser, schedule and early stopping.

How long it trains, and where, may change from one fit to the next.
"""


def describe_settings(trainer: Trainer) -> dict[str, str]:
    """Return what a trainer is set to."""
    watch = trainer.early_stopping
    made = {
        "loss": loss_from(trainer.loss),
        "optimizer": optimizer_from(trainer.optimizer),
        "schedule": schedule_from(trainer.schedule),
        "early_stopping": watch.rule if isinstance(watch, Plateau) else watch,
    }
    return {
        name: described(value)
        for name, value in (made | {one: getattr(trainer, one) for one in SETTINGS}).items()
    }


def described(value: Any) -> str:
    """Return a value as text that is the same in every process.

    Examples
    --------
    >>> from netts.optimizers import SGD
    >>> described(SGD(learning_rate=0.5)), described(len), described(True)
    ('SGD(learning_rate=0.5, momentum=0.9, nesterov=True, weight_decay=0.0)', 'len', 'True')
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        inner = ", ".join(f"{one.name}={described(getattr(value, one.name))}" for one in fields)
        return f"{type(value).__name__}({inner})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {described(one)}' for key, one in value.items())}}}"
    if isinstance(value, bool | np.bool):
        return str(bool(value))
    if isinstance(value, int | float | np.number):
        return f"{value:.17g}" if isinstance(value, np.floating) else repr(value)
    if value is None or isinstance(value, str | tuple | list):
        return repr(value)
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def describe_data(session: Session) -> dict[str, str]:
    """Return what a session trains and validates with: shapes, and digests of arrays.

    A source is read in no order that could be repeated for this alone: of its samples there is no
    digest.
    """
    found = _described_samples("training", session.feed.samples)
    for name, samples in session.validation_samples().items():
        found |= _described_samples(name, samples)
    return found


def _described_samples(name: str, samples: Samples) -> dict[str, str]:
    X, arrays = samples.X, {"targets": samples.y, "weights": samples.weights}
    if isinstance(X, np.ndarray):
        arrays["samples"] = X
    digests = {f"{name} {what}": _digest(array) for what, array in arrays.items()}
    return {f"shape of {name} samples": f"{X.shape} of {X.dtype}", **digests}


def _digest(array: np.ndarray | None) -> str:
    if array is None:
        return "none"
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()[:16]


def check_same(what: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise where two descriptions differ in what both have, or in what one alone can have.

    Raises
    ------
    ParameterError
    """
    for name in [*before, *(set(now) - set(before))]:
        # A set may be streamed in one fit, and lie in memory in the next.
        if name.endswith(" samples") and (name not in before or name not in now):
            continue
        was, is_now = before.get(name, "none"), now.get(name, "none")
        if was != is_now:
            raise ParameterError(
                f"the checkpoint is of other {what}: {name} was {was[:300]}, and is {is_now[:300]} "
                "now: resume with the same, or train anew without resume"
            )
