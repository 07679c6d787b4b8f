"""From what `fit` is given to the data sets and the session of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.devices.names import kind_of
from netts.devices.registry import choose as choose_device
from netts.errors import ParameterError
from netts.losses import loss_from
from netts.network.sources import SampleSource
from netts.optimizers import optimizer_from
from netts.optimizers.lbfgs import is_minimizer
from netts.random_state import generator_from
from netts.schedules import schedule_from
from netts.training.class_weights import with_class_weights
from netts.training.preparation import hold_out, prepare
from netts.training.resumable import Position
from netts.training.reuse import owned
from netts.training.session import Session
from netts.training.settings import is_watched, regularization_of, rule_of
from netts.training.supply import Room, Samples, check_memory, with_less
from netts.training.validation import UNNAMED

if TYPE_CHECKING:
    from netts.training.trainer import Trainer


@dataclass(frozen=True)
class DataSets:
    """What a fit trains on, and what it is measured by: sets by name, maybe none."""

    training: Samples
    validation: Mapping[str, Samples]


def data_sets(
    trainer: Trainer,
    X: np.ndarray | SampleSource,
    y: Any,
    sample_weight: Any,
    validation_data: tuple[Any, ...] | Mapping[str, tuple[Any, ...]] | None,
    seed: int,
) -> DataSets:
    """Check and convert all data of a fit; `seed` chooses the samples that are held out.

    Raises
    ------
    ShapeError, DataError, ParameterError
        Where they cannot be trained on, or are given in another form.
    """
    network, loss, allowed = trainer.network, loss_from(trainer.loss), trainer.data_memory_bytes
    training = prepare(network, loss, X, y, sample_weight, data_memory_bytes=allowed)
    validation: dict[str, Samples] = {}
    if validation_data is not None:
        for name, data in _validation_sets(validation_data).items():
            called = f"validation X {name}".strip()
            validation[name] = prepare(network, loss, *data, name=called, data_memory_bytes=allowed)
    elif trainer.validation_fraction:
        chooser = generator_from(seed)
        training, held = hold_out(training, trainer.validation_fraction, chooser)
        validation = {UNNAMED: held}
    return DataSets(with_class_weights(training, trainer.class_weight), validation)


def open_session(
    trainer: Trainer, sets: DataSets, key: np.ndarray, before: str | None
) -> tuple[tuple[Any, ...], Session]:
    """Return a session, and what it is for: the trainer's `KeptSession` may have one.

    Parameters
    ----------
    trainer
    sets
    key
        Two 32-bit words that random layers draw from.
    before
        The device of a fit that goes on.
    """
    training, validation = sets.training, sets.validation
    batch_size = min(trainer.batch_size or len(training), len(training))
    step_rows = min(batch_size * trainer.accumulate, len(training))
    allowed = trainer.data_memory_bytes
    check_memory(allowed, training, step_rows)
    most_epochs = 1 if validation else _most_epochs(trainer, len(training), step_rows)
    purpose = (*_purpose(trainer, batch_size), most_epochs)
    if trainer.kept_ is not None:
        found = trainer.kept_.take(purpose, training, key)
        if found is not None and not validation:
            return purpose, found
        training = owned(training)

    def session(room: Room) -> Session:
        rule = rule_of(trainer)
        return Session(
            trainer.network,
            loss=loss_from(trainer.loss),
            optimizer=optimizer_from(trainer.optimizer),
            training=training,
            validation=validation,
            batch_size=batch_size,
            has_step_rates=schedule_from(trainer.schedule).is_per_step,
            regularization=regularization_of(trainer),
            key=key,
            n_snapshots=1 + (rule is not None and rule.restore_best),
            device=trainer.device,
            precision=trainer.precision,
            epochs=trainer.epochs,
            before=before,
            room=room,
            batches_per_step=trainer.accumulate,
            most_epochs=most_epochs,
        )

    return purpose, with_less(session, Room(allowed), training, step_rows)


MOST_EPOCHS, MOST_ROWS, MOST_STEPS = 16, 8192, 64
"""Of a run of several epochs: that many are enough for what Python does around them to be little,
and their orders and the list of their operations stay in a core's cache."""


def _most_epochs(trainer: Trainer, n_samples: int, step_rows: int) -> int:
    """Return how many epochs may run without a look in between: where they are short, several."""
    if is_watched(trainer) or is_minimizer(optimizer_from(trainer.optimizer)):
        return 1
    n_steps = -(-n_samples // step_rows)
    if n_steps > MOST_STEPS or kind_of(choose_device(trainer.device)) == "cuda":
        return 1
    return max(1, min(trainer.epochs, MOST_EPOCHS, MOST_ROWS // n_samples))


def _purpose(trainer: Trainer, batch_size: int) -> tuple[Any, ...]:
    """Return all that a recorded step depends on, but for the samples."""
    network, rule = trainer.network, rule_of(trainer)
    return (
        network,
        network.parameters,
        loss_from(trainer.loss),
        optimizer_from(trainer.optimizer),
        schedule_from(trainer.schedule).is_per_step,
        regularization_of(trainer),
        rule is not None and rule.restore_best,
        choose_device(trainer.device),
        trainer.precision,
        trainer.data_memory_bytes,
        trainer.accumulate,
        batch_size,
    )


def go_to(session: Session, position: Position | None) -> None:
    """Go to where in an epoch a fit stood, if these are its data."""
    if position is None:
        return
    n_samples, n_steps = len(session.feed.samples), session.feed.n_steps
    n_before = n_samples if position.order is None else len(position.order)
    if n_before != n_samples or not 0 <= position.step < n_steps:
        raise ParameterError(
            f"the fit to resume stopped behind step {position.step} of an epoch of {n_before} "
            f"samples, and an epoch has {n_samples} samples and {n_steps} steps now: pass the same "
            "data and batch_size, or resume=dataclasses.replace(trainer.resumable_, position=None) "
            "to begin a new epoch"
        )
    session.go_to(position.step, position.running_loss)


def _validation_sets(data: Any) -> dict[str, Any]:
    """Return sets of validation data by name."""
    if not isinstance(data, Mapping):
        _check_validation_data(data)
        return {UNNAMED: data}
    for name, one in data.items():
        if not (isinstance(name, str) and name):
            raise ParameterError(f"the name of a set of validation data is a text, got {name!r}")
        _check_validation_data(one)
    return dict(data)


def _check_validation_data(data: Any) -> None:
    if not (isinstance(data, tuple | list) and len(data) in (2, 3)):
        shown = f"{len(data)} of them" if isinstance(data, tuple | list) else type(data).__name__
        raise ParameterError(f"validation_data is (X, y) or (X, y, sample_weight), got {shown}")
