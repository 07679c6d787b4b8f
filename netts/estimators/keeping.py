"""What an estimator keeps of a fit: what users read, what a later call needs, what was recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from netts.devices.registry import AUTO
from netts.estimators.choice import DeviceChoice, device_choice
from netts.estimators.fit_tasks import TORN_DOWN
from netts.training import History, Resumable, Trainer

LARGEST_KEPT_BYTES = 2**23
"""Of samples that stay in memory between fits with `warm_start`, which saves recording a step anew:
3 ms on two cores of an AMD Zen 3 (bench/test_predictions.py), little beside an epoch of more."""


@contextmanager
def unchanged_where_refused(estimator: Any) -> Iterator[None]:
    """Leave an estimator as it was where the block ends with an error.

    Checks learn on their way, the number of features and the labels, and what was learned before
    does not go with those of a fit that was refused.
    """
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        now = vars(estimator)
        kept = {name: now[name] for name in TORN_DOWN if name in now}
        now.clear()
        now.update(before | kept)
        raise


class Keeping(ABC):
    """An estimator as its fits leave it."""

    warm_start: bool
    device_: str
    device_choice_: DeviceChoice
    history_: History
    loss_curve_: list[float]
    validation_scores_: list[float] | None

    @abstractmethod
    def _copied_weights(self) -> dict[str, Any]:
        """Return those attributes that training goes on changing, as copies."""

    def _chosen(self, trainer: Trainer) -> dict[str, Any]:
        """Return where a fit runs, if that was left open, and what it multiplies in."""
        choice = self.device_choice_
        if self.device_ == AUTO and trainer.device_:
            choice = device_choice(trainer.device_, trainer.device_reason_)
        choice = replace(choice, precision=trainer.precision_ or None)
        return {"device_choice_": choice, "device_": choice.device}

    def _keep(self, trainer: Trainer) -> None:
        """Set what users read and what a later call needs."""
        found = self._chosen(trainer)
        if trainer.resumable_.words is not None:  # else it failed before it began
            found |= self._learned(trainer, trainer.history_, trainer.resumable_)
        for name, value in found.items():
            setattr(self, name, value)

    def _learned(self, trainer: Trainer, history: History, resumable: Resumable) -> dict[str, Any]:
        """Return what users read of a fit, and what a later call needs, by attribute."""
        learned: dict[str, Any] = {
            "history_": history,
            "n_iter_": len(history),
            "loss_curve_": self.loss_curve_ + history.loss,
            # A later call has an epoch of its own, whatever this one was stopped in; a generator
            # cannot be saved.
            "_resumable": replace(resumable, generator=None, position=None),
        }
        if learned["loss_curve_"]:
            learned["loss_"] = learned["loss_curve_"][-1]
        if history.validation_score:
            scores = self.validation_scores_ or []
            learned["validation_scores_"] = scores + history.validation_score
        return learned

    def _learned_so_far(self, trainer: Trainer) -> dict[str, Any]:
        """Return the attributes that a fit would set if it ended now, and leave it alone."""
        assert trainer.running_ is not None
        history = replace(trainer.history_, epochs=[*trainer.history_.epochs])
        resumable = trainer.running_.resumable()
        if resumable.optimizer is not None:  # the memory itself, in which training goes on
            resumable = replace(resumable, optimizer=resumable.optimizer.copy())
        learned = self._learned(trainer, history, resumable)
        return self._chosen(trainer) | learned | self._copied_weights()

    def _keeps_session(self, n_bytes: int, is_partial: bool, *, is_validated: bool) -> bool:
        """Whether to keep what a fit recorded for the next one, with copies of its samples.

        `n_bytes` is what samples take.
        """
        is_repeated = self.warm_start and n_bytes <= LARGEST_KEPT_BYTES
        return is_partial or (is_repeated and not is_validated)
