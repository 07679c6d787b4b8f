"""What the settings of a trainer have to be, and that they fit each other and the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from netts.choices import choose
from netts.devices.precision import precision_from
from netts.errors import ParameterError
from netts.hyperparameters import check_real, check_whole
from netts.losses import loss_from
from netts.network import Network
from netts.optimizers import optimizer_from
from netts.optimizers.lbfgs import is_minimizer
from netts.schedules import MONITORS, Schedule, schedule_from
from netts.training.callbacks import check_callbacks
from netts.training.class_weights import check_class_weight
from netts.training.early_stopping import EarlyStopping, Plateau
from netts.training.regularization import Regularization
from netts.training.supply import Samples

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


def regularization_of(trainer: Trainer) -> Regularization:
    """Return what surrounds the optimiser's rule."""
    return Regularization(
        trainer.l1, trainer.l2, trainer.clip_value, trainer.clip_norm, trainer.max_norm
    )


def rule_of(trainer: Trainer) -> EarlyStopping | None:
    """Return the rule of early stopping, also of a watch that goes on."""
    watch = trainer.early_stopping
    return watch.rule if isinstance(watch, Plateau) else watch


def is_watched(trainer: Trainer) -> bool:
    """Return whether there is something to do or to decide behind every epoch.

    But for patience with a loss that gets no better, which is told how long it need not look.
    """
    rule = rule_of(trainer)
    return bool(
        trainer.callbacks
        or trainer.target
        or trainer.max_steps is not None
        or type(schedule_from(trainer.schedule)) is not Schedule  # the rate may change
        or (rule is not None and (rule.restore_best or rule.monitor != "loss"))
    )


def check_settings(trainer: Trainer) -> None:
    """Refuse settings that have no meaning, or none beside each other.

    Raises
    ------
    ParameterError
    """
    if not isinstance(trainer.network, Network):
        raise ParameterError(f"network is a Network([...]), got {trainer.network!r}")
    loss_from(trainer.loss)
    optimizer_from(trainer.optimizer)
    if schedule_from(trainer.schedule).needs_plateau and trainer.early_stopping is None:
        raise ParameterError(
            f"schedule {trainer.schedule!r} lowers the learning rate when early stopping sees no "
            "progress: pass early_stopping=EarlyStopping('loss')"
        )
    check_whole("epochs", trainer.epochs, 1)
    check_whole("accumulate", trainer.accumulate, 1)
    _check_limits(trainer)
    if trainer.batch_size is not None:
        check_whole("batch_size", trainer.batch_size, 1)
    if trainer.data_memory_bytes is not None:
        check_whole("data_memory_bytes", trainer.data_memory_bytes, 1)
    check_real("validation_fraction", trainer.validation_fraction, "[0, 1)")
    _check_minimizer(trainer)
    if not (isinstance(trainer.shuffle, bool | np.bool) or callable(trainer.shuffle)):
        raise ParameterError(f"shuffle is True, False or a function, got {trainer.shuffle!r}")
    if not isinstance(trainer.early_stopping, EarlyStopping | Plateau | None):
        raise ParameterError(
            f"early_stopping is None or EarlyStopping(...), got {trainer.early_stopping!r}"
        )
    check_callbacks(trainer.callbacks)
    check_class_weight(trainer.class_weight)
    precision_from(trainer.precision)


def _check_limits(trainer: Trainer) -> None:
    if trainer.max_steps is not None:
        check_whole("max_steps", trainer.max_steps, 1)
    if trainer.max_seconds is not None:
        check_real("max_seconds", trainer.max_seconds, "(0, inf)")
    if not isinstance(trainer.target, Mapping | None):
        raise ParameterError(
            f'target is a dictionary such as {{"validation_score": 0.95}}, got {trainer.target!r}'
        )
    for name, value in (trainer.target or {}).items():
        choose("target", name, MONITORS)
        check_real(f"target {name!r}", value, "(-inf, inf)")


def _check_minimizer(trainer: Trainer) -> None:
    """Refuse settings that have a meaning only for steps."""
    rule = regularization_of(trainer)  # which checks its values
    if not is_minimizer(optimizer_from(trainer.optimizer)):
        return
    if schedule_from(trainer.schedule) != Schedule():
        raise ParameterError(
            f"schedule {trainer.schedule!r} sets a learning rate, which optimizer "
            f"{trainer.optimizer!r} has not: leave it constant, or take another optimizer"
        )
    settings = {name: getattr(rule, name) for name in ("l1", "clip_value", "clip_norm", "max_norm")}
    settings |= {"max_steps": trainer.max_steps, "accumulate": trainer.accumulate - 1}
    for name, value in settings.items():
        if value:
            raise ParameterError(
                f"{name} belongs to steps along a gradient, and optimizer {trainer.optimizer!r} "
                f"minimises a smooth loss: leave out {name}, or take another optimizer"
            )


def check_watched(trainer: Trainer, validation: Mapping[str, Samples]) -> None:
    """Refuse settings that watch validation data which are not there.

    Raises
    ------
    ParameterError
    """
    rule = rule_of(trainer)
    if validation:
        if rule is not None and rule.validation_set is not None:
            choose("validation_set", rule.validation_set, validation)
        return
    for name in trainer.target or {}:
        if name != "loss":
            raise ParameterError(
                f"target is a {name!r}, but there is no validation data: pass "
                'validation_fraction or validation_data, or a target of "loss"'
            )
    if rule is not None and rule.monitor != "loss":
        raise ParameterError(
            f"early stopping watches {rule.monitor!r}, but there is no validation data: pass "
            "validation_fraction or validation_data, or EarlyStopping('loss')"
        )
    for monitor in schedule_from(trainer.schedule).monitors:
        if monitor != "loss":
            raise ParameterError(
                f"the schedule watches {monitor!r}, but there is no validation data: pass "
                "validation_fraction or validation_data, or monitor='loss' to the schedule"
            )
