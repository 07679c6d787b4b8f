"""Schedules: how the learning rate changes from epoch to epoch, or from step to step."""

from __future__ import annotations

from netts.choices import choose_or_take
from netts.schedules.base import MONITORS, SCHEDULE_METHODS, Progress, Schedule
from netts.schedules.cycles import Cosine, CosineRestarts, OneCycle
from netts.schedules.decays import Exponential, InverseScaling, StepDecay
from netts.schedules.plateau import Adaptive, ReduceOnPlateau
from netts.schedules.warm_up import WarmUp

__all__ = [
    "MONITORS",
    "SCHEDULES",
    "Adaptive",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "InverseScaling",
    "OneCycle",
    "Progress",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "WarmUp",
    "schedule_from",
]

SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(),
    "inverse_scaling": InverseScaling(),
    "adaptive": Adaptive(),
    "step": StepDecay(),
    "exponential": Exponential(),
    "cosine": Cosine(),
    "cosine_restarts": CosineRestarts(),
    "one_cycle": OneCycle(),
    "reduce_on_plateau": ReduceOnPlateau(),
    "warm_up": WarmUp(),
}


def schedule_from(schedule: str | Schedule) -> Schedule:
    """Return a schedule with its defaults by name, or the one that is passed.

    Raises
    ------
    ParameterError
        Where no schedule has that name, or it is no schedule.
    """
    return choose_or_take("schedule", schedule, SCHEDULES, SCHEDULE_METHODS)
