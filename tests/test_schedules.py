"""Learning rates by epoch."""

import math
from dataclasses import replace

import pytest

from netts.errors import ParameterError
from netts.schedules import (
    Adaptive,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseScaling,
    OneCycle,
    Progress,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    WarmUp,
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


def watched(schedule, losses, initial=1.0):
    """The rate behind each epoch."""
    rate, memory, found = initial, (), []
    for epoch, loss in enumerate(losses, start=1):
        progress = Progress(initial, rate, epoch, epoch, validation_loss=loss, memory=memory)
        memory = schedule.remember(progress)
        rate = schedule.next_rate(replace(progress, memory=memory))
        found.append(rate)
    return found


def test_a_plateau_lowers_the_rate_once_and_then_it_cools_down():
    schedule = ReduceOnPlateau(factor=0.5, patience=1, cooldown=2, smallest=0.2)
    losses = [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]
    expected = [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    assert watched(schedule, losses) == pytest.approx(expected)
    assert watched(schedule, [1.0] * 40)[-1] == 0.2
    assert watched(schedule, [math.nan] * 4) == [1, 0.5, 0.5, 0.5]


def test_a_rate_below_the_smallest_is_not_raised():
    assert watched(ReduceOnPlateau(patience=0, smallest=0.5), [1.0] * 5, initial=0.1)[-1] == 0.1


@pytest.mark.parametrize(
    "schedule",
    [Cosine(each_step=True), CosineRestarts(2, each_step=True), OneCycle(), WarmUp(0.5)],
)
def test_an_epoch_has_a_rate_for_each_step_and_none_when_the_cycle_is_over(schedule):
    assert schedule.is_per_step
    for epochs in range(12):
        progress = Progress(0.5, 0.5, epochs, 0, steps_per_epoch=7, planned_epochs=4)
        found = schedule.step_rates(progress)
        assert found.shape == (7,)
        assert ((found >= 0) & (found <= 0.5 + 1e-15)).all()
    assert OneCycle().step_rates(progress) == pytest.approx([0.5 / 25 / 1e4] * 7)


def test_one_cycle_of_a_single_step_does_not_divide_by_zero():
    assert OneCycle().step_rates(Progress(0.5, 0.5, 0, 0)) == pytest.approx([0.5 / 25 / 1e4])
    assert OneCycle(warm_up=0.5).step_rates(Progress(0.5, 0.5, 0, 0, 2)) == pytest.approx(
        [0.5, 0.5 / 25 / 1e4]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReduceOnPlateau("accuracy"), "unknown monitor 'accuracy'"),
        (lambda: ReduceOnPlateau(factor=1), r"factor is a number in \(0, 1\), got 1"),
        (lambda: ReduceOnPlateau(patience=-1), "patience is a whole number of at least 0, got -1"),
        (lambda: ReduceOnPlateau(threshold_mode="rel"), "unknown threshold_mode 'rel'"),
        (lambda: ReduceOnPlateau(cooldown=0.5), "cooldown is a whole number"),
        (lambda: CosineRestarts(0), "epochs is a whole number of at least 1, got 0"),
        (
            lambda: CosineRestarts(epochs_factor=1.5),
            "epochs_factor is a whole number of at least 1, got 1.5",
        ),
        (lambda: Cosine(smallest=-1), r"smallest is a number in \[0, inf\), got -1"),
        (lambda: OneCycle(max_rate=0), r"max_rate is a number in \(0, inf\), got 0"),
        (lambda: OneCycle(warm_up=1), r"warm_up is a number in \(0, 1\), got 1"),
        (lambda: OneCycle(anneal="cos"), "unknown anneal 'cos'.*choose from: cosine, linear"),
        (lambda: WarmUp(0), r"epochs is a number in \(0, inf\), got 0"),
        (lambda: WarmUp(start=2), r"start is a number in \[0, 1\], got 2"),
        (lambda: WarmUp(then=0.5), "schedule 0.5 lacks needs_plateau, is_per_step"),
    ],
)
def test_bad_settings_of_schedules_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_bad_settings_are_refused():
    with pytest.raises(ParameterError, match=r"unknown schedule 'invscaling'.*inverse_scaling"):
        schedule_from("invscaling")
    with pytest.raises(ParameterError, match=r"power is a number in \[0, inf\), got -1"):
        InverseScaling(-1)
    with pytest.raises(
        ParameterError, match=r"schedule 0\.1 lacks needs_plateau, is_per_step, mon"
    ):
        schedule_from(0.1)
