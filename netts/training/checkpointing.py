"""Write a training that stands between two steps to a file, and go on from there.

All that is asked of a device is what it has ahead of the host: reading it changes nothing, so a
training learns the same with and without checkpoints.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.errors import BrokenModelError, ParameterError
from netts.network import Network
from netts.network.saved import SavedNetwork, describe_network
from netts.optimizers import optimizer_from
from netts.optimizers.lbfgs import is_minimizer
from netts.persistence import ModelFile, decode_model, load, save_model
from netts.persistence.encoding import encode
from netts.training.describing import check_same, describe_data, describe_settings
from netts.training.generators import describe_generator, generator_of
from netts.training.history import History
from netts.training.resumable import Resumable
from netts.training.saved import KIND, SavedTraining, SavedWatch, registry

if TYPE_CHECKING:
    from netts.training.fitting import Fit
    from netts.training.session import Session
    from netts.training.trainer import Trainer


def from_model_file(model_file: ModelFile, custom: Iterable[Any] = ()) -> SavedTraining:
    """Return the training of a checkpoint.

    Raises
    ------
    BrokenModelError, UnknownClassError
        As `netts.network.saving.from_model_file` does.
    """
    saved = decode_model(model_file, SavedTraining, registry(), custom)
    generator_of(saved.generator)
    return saved


def write_checkpoint(fit: Fit, path: str | os.PathLike[str]) -> None:
    """Write where a fit stands to a file, in place of the one that may be there."""
    check_possible(fit.trainer)
    save_model(path, KIND, describe_training(fit), registry(), is_open=True)


def check_possible(trainer: Trainer) -> None:
    """Raise where a training could not go on from a checkpoint as if nothing had been.

    Raises
    ------
    ParameterError
    """
    if is_minimizer(optimizer_from(trainer.optimizer)):
        raise ParameterError(
            f"optimizer {trainer.optimizer!r} keeps what it knows to itself until it ends, so "
            "there is no checkpoint of it: take Snapshot, which saves the network, or another "
            "optimizer"
        )
    shuffle = trainer.shuffle
    if callable(shuffle) and not (hasattr(shuffle, "kept") and hasattr(shuffle, "restore")):
        raise ParameterError(
            "a checkpoint needs to know what the function shuffle remembers: give it the methods "
            "kept(), which returns a dictionary of arrays and plain values, and restore(kept); or "
            "pass shuffle=True"
        )


def describe_training(fit: Fit) -> SavedTraining:
    """Return where a fit stands, as plain values and arrays."""
    session, trainer, resumable, watch = fit.session, fit.trainer, fit.resumable(), fit.plateau
    is_within = resumable.position is not None
    is_best_last = fit.best is not None and fit.best == fit.last
    return SavedTraining(
        network=describe_network(session.network),
        settings=describe_settings(trainer),
        data=fit.data(),
        resumable=replace(resumable, optimizer=session.update.state.copied(), generator=None),
        generator=describe_generator(fit.generator),
        history=replace(fit.history, epochs=list(fit.history.epochs), steps=fit.pace.steps),
        shuffle=_kept(trainer.shuffle),
        watch=None if watch is None else SavedWatch(watch.best, watch.waited, watch.is_reached),
        last=session.snapshots.copied(fit.last) if is_within else None,
        best=None if fit.best is None or is_best_last else session.snapshots.copied(fit.best),
        is_best_last=is_best_last,
    )


@dataclass(frozen=True)
class Resumption:
    """What a fit begins with.

    Attributes
    ----------
    resumable
    saved
        The checkpoint that it is of; None where there is none.
    """

    resumable: Resumable
    saved: SavedTraining | None = None

    def check_network(self, network: Network) -> None:
        """Raise unless a network that is built is of the checkpoint's architecture."""
        if self.saved is not None:
            _check_network(self.saved.network, describe_network(network))

    def go_on(self, trainer: Trainer, session: Session) -> None:
        """Put into a session what was learned, once it is known to be of the same data."""
        saved, resumable = self.saved, self.resumable
        if saved is not None:
            check_same("data", saved.data, describe_data(session))
            if saved.network.weights is not None:
                session.network.set_weights(saved.network.weights)
            if callable(trainer.shuffle):
                _restore_shuffle(trainer.shuffle, saved.shuffle, len(session.feed.samples))
        if resumable.optimizer is not None:
            session.update.state.restore(resumable.optimizer)

    def with_own_memory(self) -> Resumption:
        """Return the same with a copy of the optimiser's state, which may be a session's own."""
        optimizer = self.resumable.optimizer
        if optimizer is None:
            return self
        return replace(self, resumable=replace(self.resumable, optimizer=optimizer.copy()))

    @property
    def history(self) -> History:
        """The epochs so far."""
        if self.saved is None:
            return History()
        known = self.saved.history
        is_over = known.stopped_by == "early_stopping"
        return replace(
            known,
            epochs=list(known.epochs),
            stopped_by="early_stopping" if is_over else "epochs",
        )


def resumption_of(trainer: Trainer, resume: Any) -> Resumption:
    """Return what a fit begins with, by what it was told to resume.

    Raises
    ------
    ParameterError
        Where it is nothing to resume, or a checkpoint of other settings.
    ModelFileError, BrokenModelError, ModelKindError
        As `netts.load` does.
    """
    if isinstance(resume, Resumable):
        return Resumption(resume)
    if isinstance(resume, bool | np.bool):
        return Resumption(trainer.resumable_ if resume else Resumable())
    if isinstance(resume, str | os.PathLike):
        known = encode(describe_network(trainer.network), registry(), is_open=True).own
        resume = load(resume, kind=KIND, custom=known.values())
    if not isinstance(resume, SavedTraining):
        raise ParameterError(
            "resume is True, the path of a checkpoint, what netts.load made of one, or the "
            f"resumable_ of a trainer, got {resume!r}"
        )
    check_possible(trainer)
    check_same("settings", resume.settings, describe_settings(trainer))
    generator = copy.deepcopy(generator_of(resume.generator))
    return Resumption(replace(resume.resumable, generator=generator), resume)


def _check_network(saved: SavedNetwork, network: SavedNetwork) -> None:
    if len(saved.layers) != len(network.layers):
        raise ParameterError(
            f"the checkpoint is of a network of {len(saved.layers)} layers, and this one has "
            f"{len(network.layers)}: resume with the same network"
        )
    for number, (was, is_now) in enumerate(zip(saved.layers, network.layers, strict=True)):
        if was != is_now:
            raise ParameterError(
                f"the checkpoint is of another network: layer {number} was {str(was)[:300]}, and "
                f"is {str(is_now)[:300]} now: resume with the same network"
            )
    for name in ("input_shape", "dtype"):
        was, is_now = getattr(saved, name), getattr(network, name)
        if was != is_now:
            raise ParameterError(
                f"the checkpoint is of a network with {name} {was}, and this one has {is_now}: "
                "resume with the same data and network"
            )


def _kept(shuffle: Any) -> dict[str, Any] | None:
    return shuffle.kept() if callable(shuffle) else None


def _restore_shuffle(shuffle: Any, kept: dict[str, Any] | None, n_samples: int) -> None:
    restore: Callable[[dict[str, Any], int], None] = shuffle.restore
    try:
        restore(kept or {}, n_samples)
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenModelError(f"what shuffle remembered cannot be: {error}") from error
