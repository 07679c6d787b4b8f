"""Choices follow the constants that they are made by."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest
from generated_code import specialised_uncompiled

from netts import TaskGraph, accelerate, parallel
from netts.compiler import calibration, cost, probes
from netts.compiler.cost_constants import (
    DEFAULTS,
    LARGEST_FACTOR,
    NAMES,
    CostConstants,
)
from netts.compiler.plan import Plan

SIZES = range(1, 49)
FACTORS = (1 / LARGEST_FACTOR, 1.0, LARGEST_FACTOR)


@accelerate
def product(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = total


@accelerate
def doubled(x, out):
    for i in parallel(out.shape[0]):
        out[i] = 2 * x[i]


def scaled(name: str, factor: float) -> CostConstants:
    return replace(DEFAULTS, **{name: getattr(DEFAULTS, name) * factor})


def chosen(costs: CostConstants, *shapes: tuple[int, ...], kernel=product):
    arguments = tuple(np.ones(shape, np.float32) for shape in shapes)
    with calibration.using(costs):
        return specialised_uncompiled(kernel, arguments).specialisation


def sizes_by_blas(costs: CostConstants) -> set[int]:
    return {n for n in SIZES if isinstance(chosen(costs, *[(n, n)] * 3).reasons[0], Plan)}


# ------------------------------------------------------------ the constants


def test_constants_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULTS.call = 1.0


def test_measured_constants_are_rounded_to_two_digits():
    found = CostConstants.settled({"call": 123.456, "move": 0.012345}, "somewhere")
    assert (found.call, found.move, found.origin) == (120.0, 0.012, "somewhere")
    assert found == replace(DEFAULTS, call=120.0, move=0.012)


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_measurement_stays_within_a_factor_of_the_default(name):
    default = getattr(DEFAULTS, name)
    for measured, factor in ((1e-30, 1 / 4), (1e30, 4), (math.inf, 4)):
        found = CostConstants.settled({name: measured}, "")
        assert getattr(found, name) == pytest.approx(default * factor, 0.05)


@pytest.mark.parametrize("measured", [{}, {"call": 0.0}, {"call": -1.0}, {"call": math.nan}])
def test_what_was_not_measured_stays_at_its_default(measured):
    assert CostConstants.settled(measured, "") == DEFAULTS


def test_constants_are_sane_as_they_are_settled_and_else_not():
    assert DEFAULTS.is_sane
    assert CostConstants.settled(dict.fromkeys(NAMES, 1e30), "").is_sane
    for number in (221.3, 1e4, 0.0, -220.0, math.nan):
        assert not replace(DEFAULTS, call=number).is_sane


def test_a_digest_is_of_the_numbers_and_nothing_else():
    assert replace(DEFAULTS, origin="elsewhere").digest == DEFAULTS.digest
    digests = {scaled(name, 2).digest for name in NAMES} | {DEFAULTS.digest}
    assert len(digests) == len(NAMES) + 1
    assert all(len(one) == 8 for one in digests)


# ------------------------------------------------------------ estimates and choices


def test_estimates_are_sums_of_constants_times_counts():
    """What calibration rests on: each constant stands for what it says, and for nothing else."""
    (plan,) = chosen(DEFAULTS, (64, 32), (32, 64), (64, 64)).reasons.values()
    assert isinstance(plan, Plan)

    def both(costs):
        frame = replace(plan.frame, costs=costs)
        return cost.plan_seconds(replace(plan, frame=frame)), cost.direct_seconds(frame)

    numbers = [getattr(DEFAULTS, name) for name in probes.FITTED]
    parts = np.array([both(unit) for unit in probes.UNITS])
    np.testing.assert_allclose(numbers @ parts, both(DEFAULTS))


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("call", -1),
        ("multiply_add", -1),
        ("move", -1),
        ("loop", 1),
        ("term", 1),
        ("strided_term", 1),
    ],
)
def test_what_costs_more_is_chosen_for_fewer_shapes(name, sign):
    by_blas = [sizes_by_blas(scaled(name, factor)) for factor in FACTORS[::sign]]
    assert by_blas[0] <= by_blas[1] <= by_blas[2]


def test_a_machine_with_slow_calls_of_blas_keeps_loops_for_larger_shapes():
    fast, slow = (min(sizes_by_blas(scaled("call", factor))) for factor in (1 / 4, 4))
    assert fast < slow


def test_the_longer_a_part_should_take_the_fewer_there_are():
    parts = [
        chosen(scaled("part_seconds", factor), (10**7,), (10**7,), kernel=doubled)
        .operations[0]
        .parts
        for factor in FACTORS
    ]
    assert parts[0] > parts[1] > parts[2] > 1


# ------------------------------------------------------------ what is said


def test_a_kernel_that_is_called_by_other_costs_is_compiled_anew():
    x, out = np.ones(4), np.zeros(4)
    doubled(x, out)
    first = doubled.last
    with calibration.using(scaled("step", 2)) as costs:
        doubled(x, out)
        assert doubled.last is not first
        assert doubled.last.costs is costs
    doubled(x, out)
    assert doubled.last is first


def test_a_kernel_says_where_its_costs_are_from():
    with calibration.using(replace(scaled("step", 3), origin="calibrated on a day")) as costs:
        doubled(np.ones(4), np.zeros(4))
    assert f"on the cpu, by costs: calibrated on a day ({costs.digest})" in doubled.explain()
    doubled(np.ones(4), np.zeros(4))
    assert f"on the cpu, by costs: defaults ({DEFAULTS.digest})" in doubled.explain()


def test_a_plan_says_where_its_costs_are_from_and_keeps_them():
    graph, x = TaskGraph(), np.ones(4)
    with graph.recording():
        doubled(x, x)
    with calibration.using(replace(DEFAULTS, origin="calibrated on a day")):
        plan = graph.compile(device="cpu")
    assert f"  chosen by costs: calibrated on a day ({DEFAULTS.digest})" in plan.explain()
    assert "costs" not in graph.compile(device="reference").explain()
