"""Profiles: a row for every operation, as text, JSON and Chrome trace."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from netts import TaskGraph, accelerate, exp, parallel
from netts.errors import GraphError
from netts.graph import Profile
from netts.graph.profile import ProfileRow


@accelerate
def counted(steps):
    for i in parallel(1):
        steps[i] += 1


@accelerate
def normalised(x, out):
    """Two nests and a reduction."""
    total = 0.0
    for i in parallel(x.shape[0]):
        total += exp(x[i])
    for i in parallel(x.shape[0]):
        out[i] = exp(x[i]) / total


N = 500_000  # worth splitting


@pytest.fixture(params=["cpu", "reference"])
def plan_and_count(request):
    n = N if request.param == "cpu" else 50
    graph, count = TaskGraph(), np.zeros(1, np.int64)
    with graph.recording("step"):
        counted(count)
        normalised(np.zeros(n), np.zeros(n))
    return graph.compile(device=request.param), count


def test_a_profile_runs_the_steps_and_has_a_row_for_every_operation(plan_and_count):
    plan, count = plan_and_count
    profile = plan.profile(steps=4, recording="step")
    assert count[0] == 4
    assert (profile.device, profile.steps) == (plan.device, 4)
    labels = ["counted", "normalised nest 1", "normalised combine", "normalised nest 2"]
    tasks = [0, 1, 1, 1]
    if plan.device == "reference":
        labels, tasks = ["counted", "normalised"], [0, 1]
    assert [row.label for row in profile.rows] == labels
    assert [row.task for row in profile.rows] == tasks
    assert all(row.seconds >= 0 for row in profile.rows)
    assert profile.seconds == sum(row.seconds for row in profile.rows) > 0


def test_what_was_not_measured_is_none(plan_and_count):
    plan, _ = plan_and_count
    rows = plan.profile(recording="step").rows
    if plan.device == "reference":
        assert {row.compile_seconds for row in rows} == {None}
        assert {row.parts for row in rows} == {1}
    else:
        assert all(row.compile_seconds > 0 for row in rows)
        assert {row.label: row.parts > 1 for row in rows} == {
            "counted": False,
            "normalised nest 1": True,
            "normalised combine": False,
            "normalised nest 2": True,
        }


@pytest.mark.parametrize("steps", [1, 10])
def test_times_are_means_over_the_steps(steps, plan_and_count, monkeypatch):
    """On a clock by which operation n takes n + 1 microseconds."""
    plan, _ = plan_and_count

    def replay(operations, most, _stop, times, calls_blas):
        times[: operations.count] += 1000 * most * np.arange(1, operations.count + 1)
        return most, None

    ticks = itertools.cycle([0.0, 1e-6, 0.0, 2e-6])
    monkeypatch.setattr("netts.compiler.engine.replay", replay)
    monkeypatch.setattr("netts.graph.replay.perf_counter", lambda: next(ticks))
    rows = plan.profile(steps, "step").rows
    assert [row.seconds for row in rows] == pytest.approx([1e-6, 2e-6, 3e-6, 4e-6][: len(rows)])


def test_json_has_every_row(plan_and_count):
    plan, _ = plan_and_count
    profile = plan.profile(2, "step")
    found = json.loads(profile.to_json())
    assert (found["device"], found["steps"]) == (plan.device, 2)
    assert [ProfileRow(**row) for row in found["operations"]] == list(profile.rows)


ROWS = (ProfileRow("dense", 0, 4, 2e-6, 0.5), ProfileRow("relu", 1, 1, 1e-6, None))


def test_the_chrome_trace_lays_one_mean_step_end_to_end_in_microseconds():
    trace = json.loads(Profile("cpu", 10, ROWS).to_chrome_trace())
    common = {"ph": "X", "pid": 0, "tid": 0}
    first, second = trace["traceEvents"]
    assert first == {
        **common, "name": "dense", "ts": 0.0, "dur": pytest.approx(2.0),
        "args": {"task": 0, "parts": 4},
    }  # fmt: skip
    assert second == {
        **common, "name": "relu", "ts": pytest.approx(2.0), "dur": pytest.approx(1.0),
        "args": {"task": 1, "parts": 1},
    }  # fmt: skip


def test_the_text_has_time_and_share_of_every_operation():
    assert str(Profile("cpu", 10, ROWS)).splitlines() == [
        "3.0 us per step on cpu, 10 steps",
        "  dense        2.00 us   66.7%",
        "  relu         1.00 us   33.3%",
    ]


@pytest.mark.parametrize("rows", [(), (ProfileRow("dense", 0, 1, 0.0, None),)])
def test_a_profile_of_nothing_can_be_printed(rows):
    profile = Profile("cpu", 1, rows)
    assert str(profile).startswith("0.0 us per step on cpu, 1 steps")
    assert len(json.loads(profile.to_chrome_trace())["traceEvents"]) == len(rows)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_an_empty_recording_has_an_empty_profile(device):
    graph = TaskGraph()
    with graph.recording("nothing"):
        pass
    with graph.recording("step"):
        counted(np.zeros(1))
    assert graph.compile(device=device).profile(3, "nothing") == Profile(device, 3, ())


@pytest.mark.parametrize("steps", [0, -3])
def test_a_profile_takes_at_least_one_step(steps, plan_and_count):
    plan, count = plan_and_count
    with pytest.raises(GraphError, match=f"steps is a whole number of at least 1, got {steps}"):
        plan.profile(steps, "step")
    assert count[0] == 0
