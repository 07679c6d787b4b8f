"""Learning rates by epoch."""

import math

import pytest

from netts.errors import ParameterError
from netts.schedules import (
    Adaptive,
    Cosine,
    Exponential,
    InverseScaling,
    Progress,
    Schedule,
    StepDecay,
    schedule_from,
)


def rates(schedule, epochs=6, initial=0.5, n_samples=10):
    rate, found = initial, [initial]
    for epoch in range(1, epochs):
        rate = schedule.next_rate(Progress(initial, rate, epoch, epoch * n_samples))
        found.append(rate)
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(), [0.5] * 6),
        (Adaptive(), [0.5] * 6),
        (InverseScaling(0.5), [0.5, *(0.5 / math.sqrt(10 * t + 1) for t in range(1, 6))]),
        (StepDecay(2, 0.1), [0.5, 0.5, 0.05, 0.05, 0.005, 0.005]),
        (Exponential(0.5), [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625]),
        (Cosine(4), [0.5, *(0.25 * (1 + math.cos(math.pi * t / 4)) for t in range(1, 5)), 0.0]),
    ],
)
def test_rates_follow_the_formula(schedule, expected):
    assert rates(schedule) == pytest.approx(expected)


def test_adaptive_divides_until_the_rate_is_small():
    assert Adaptive().on_plateau(0.5) == 0.1
    assert Adaptive().on_plateau(1e-6) is None
    assert Schedule().on_plateau(0.5) is None


def test_bad_settings_are_refused():
    with pytest.raises(ParameterError, match=r"unknown schedule 'invscaling'.*inverse_scaling"):
        schedule_from("invscaling")
    with pytest.raises(ParameterError, match=r"power is a number in \[0, inf\), got -1"):
        InverseScaling(-1)
    with pytest.raises(ParameterError, match=r"schedule 0\.1 lacks needs_plateau"):
        schedule_from(0.1)
