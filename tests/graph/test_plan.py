"""Running a plan: steps, stopping, Ctrl-C, run-time errors, devices, explanations."""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import threading
import time

import numpy as np
import pytest
from dense_kernels import dense, rectified
from hypothesis import given, settings
from hypothesis import strategies as st

from netts import TaskGraph, accelerate, exp, parallel
from netts.errors import BoundsError, GraphError, KernelDivisionError

SECONDS = 30
"""After this long, what should have come back counts as hanging."""

LONG = {"cpu": 10**9, "reference": 10**7}
"""Steps that take about a minute, so that a test that cannot stop them fails and does not hang."""


@accelerate
def counted(steps):
    for i in parallel(1):
        steps[i] += 1


@accelerate
def gathered(x, index, out):
    for i in parallel(out.shape[0]):
        out[i] = x[index[i]]


@accelerate
def divided(x, divisor, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i] // divisor[i]


@accelerate
def grad_weight(x, grad, weight):
    for k, j in parallel(weight.shape[0], weight.shape[1]):
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i, k] * grad[i, j]
        weight[k, j] += total


@accelerate
def total_of(x, out):
    total = 0.0
    for i, j in parallel(x.shape[0], x.shape[1]):
        total += x[i, j]
    out[0] = total


@accelerate
def looped(x, rounds):
    """Take a while; `rounds` says how long."""
    for i in parallel(x.shape[0]):
        value = x[i]
        for _ in range(rounds):
            value = exp(-value)
        x[i] = value


def counter():
    """Return a graph that counts its steps, and the count."""
    graph, steps = TaskGraph(), np.zeros(1, np.int64)
    with graph.recording():
        counted(steps)
    return graph, steps


# ------------------------------------------------------------ steps

devices = pytest.mark.parametrize("device", ["cpu", "reference"])


@devices
@pytest.mark.parametrize("steps", [0, 1, 2, 7, 1000])
def test_a_plan_runs_as_many_steps_as_asked(device, steps):
    graph, count = counter()
    plan = graph.compile(device=device)
    assert plan.run(steps) == steps
    assert count[0] == steps
    assert plan.run() == 1
    assert count[0] == steps + 1


@devices
def test_steps_may_be_numpys_and_not_negative_or_broken(device):
    graph, count = counter()
    plan = graph.compile(device=device)
    assert plan.run(np.int64(3)) == 3
    with pytest.raises(GraphError, match="steps is a whole number of at least 0, got -1"):
        plan.run(-1)
    with pytest.raises(TypeError):
        plan.run(1.5)
    assert count[0] == 3


@devices
def test_an_unknown_recording_is_refused_with_the_known_ones(device):
    graph = TaskGraph()
    for name in ("step", "step_last"):
        with graph.recording(name):
            counted(np.zeros(1))
    plan = graph.compile(device=device)
    for call in (plan.run, plan.profile):
        with pytest.raises(
            GraphError, match="there is no recording 'main', only 'step', 'step_last'"
        ):
            call()


@devices
def test_recordings_run_in_any_order_over_prefixes_of_the_same_buffers(device):
    graph = TaskGraph()
    x, weight = np.arange(12.0).reshape(6, 2), np.array([[1.0, -1.0], [2.0, 0.0]])
    out = np.zeros((6, 2))
    hidden = graph.transient((6, 2), float, "hidden")
    for name, rows in (("full", 6), ("last", 4)):
        with graph.recording(name):
            dense(x[:rows], weight, np.zeros(2), hidden[:rows])
            rectified(hidden[:rows], out[:rows])
    plan = graph.compile(device=device)
    expected = np.maximum(x @ weight, 0)
    for names in (["full"], ["last"], ["last", "full", "last"]):
        out[...] = -1
        for name in names:
            plan.run(recording=name)
        rows = 6 if "full" in names else 4
        np.testing.assert_array_equal(out[:rows], expected[:rows])
        assert (out[rows:] == -1).all()


# ------------------------------------------------------------ devices agree


@given(
    rows=st.integers(0, 6), inputs=st.integers(1, 5), units=st.integers(1, 5),
    steps=st.integers(0, 3), dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 1000),
)  # fmt: skip
@settings(max_examples=40)
def test_a_training_step_is_the_same_on_every_device(rows, inputs, units, steps, dtype, seed):
    rng = np.random.default_rng(seed)

    def whole(*shape):
        return rng.integers(-3, 4, shape).astype(dtype)

    x, bias, start = whole(rows, inputs), whole(units), whole(inputs, units)
    grad = whole(rows, units)
    results = {}
    for device in ("cpu", "reference"):
        graph, weight, total = TaskGraph(), start.copy(), np.zeros(1, dtype)
        hidden, active = (graph.transient((rows, units), dtype, name) for name in "ha")
        with graph.recording():
            dense(x, weight, bias, hidden)
            rectified(hidden, active)
            rectified(active, hidden)
            total_of(hidden, total)
            grad_weight(x, grad, weight)
        assert graph.compile(device=device).run(steps) == steps
        results[device] = weight, total
    for one, other in zip(*results.values(), strict=True):
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------ stopping


@contextlib.contextmanager
def timer(seconds, action):
    """Do something from another thread while the block runs."""
    thread = threading.Timer(seconds, action)
    thread.start()
    try:
        yield
    finally:
        thread.cancel()
        thread.join()


@devices
def test_stop_from_another_thread_ends_the_run_with_the_count(device):
    graph, count = counter()
    plan = graph.compile(device=device)
    with timer(0.2, plan.stop):
        done = plan.run(LONG[plan.device])
    assert 0 < done < LONG[plan.device]
    assert count[0] == done
    assert plan.run(5) == 5
    assert count[0] == done + 5


def test_stop_is_seen_inside_a_long_list_of_steps(monkeypatch):
    """Without a return to Python: the compiled loop itself looks at the word."""
    monkeypatch.setattr("netts.graph.replay.INTERRUPT_SECONDS", 1e9)
    graph, count = counter()
    plan = graph.compile(device="cpu")
    plan.run(10)
    with timer(0.2, plan.stop):
        done = plan.run(LONG[plan.device])
    assert 0 < done < LONG[plan.device]
    assert count[0] == done + 10


def test_stop_before_a_run_does_not_end_it():
    graph, _ = counter()
    plan = graph.compile(device="cpu")
    plan.stop()
    assert plan.run(3) == 3


def test_stopping_one_plan_leaves_another_running():
    graph, _ = counter()
    other_graph, _ = counter()
    plan, other = graph.compile(device="cpu"), other_graph.compile(device="cpu")
    with timer(0.1, other.stop), timer(0.3, plan.stop):
        start = time.monotonic()
        plan.run(LONG[plan.device])
    assert time.monotonic() - start > 0.2


@pytest.fixture
def sigint():
    """Make Ctrl-C a KeyboardInterrupt, which it is not in a shell's background job."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@devices
def test_ctrl_c_interrupts_a_long_run_and_the_plan_can_run_again(device, sigint):
    graph, count = counter()
    plan = graph.compile(device=device)
    # Should Ctrl-C be lost, the second timer ends the run, and the test fails.
    start = time.monotonic()
    with timer(0.3, sigint), timer(SECONDS, plan.stop), pytest.raises(KeyboardInterrupt):
        plan.run(LONG[plan.device])
    assert time.monotonic() - start < SECONDS / 2
    before = int(count[0])
    assert before > 0
    assert plan.run(7) == 7
    assert count[0] == before + 7


def test_ctrl_c_interrupts_a_profile(sigint):
    graph, _ = counter()
    plan = graph.compile(device="cpu")
    plan.profile(steps=1)
    # Enough steps for a minute, should they all run.
    start = time.monotonic()
    with timer(0.3, sigint), pytest.raises(KeyboardInterrupt):
        plan.profile(steps=1_000_000_000)
    assert time.monotonic() - start < SECONDS


def test_a_long_step_is_finished_before_ctrl_c_is_seen(sigint):
    graph, x, count = TaskGraph(), np.ones(1), np.zeros(1)
    with graph.recording():
        counted(count)
        looped(x, 20_000_000)
        counted(count)
    plan = graph.compile(device="cpu")
    plan.run(1)  # what replays is compiled now, and not when the signal comes
    with timer(0.02, sigint), timer(SECONDS, plan.stop), pytest.raises(KeyboardInterrupt):
        plan.run(LONG[plan.device])
    assert count[0] > 0
    assert count[0] % 2 == 0


# ------------------------------------------------------------ errors


def line_of(kernel, text):
    lines, first = inspect.getsourcelines(kernel.function)
    return first + next(n for n, line in enumerate(lines) if text in line)


def test_a_bad_index_in_the_data_names_kernel_file_and_line():
    graph, x, index, out = TaskGraph(), np.arange(4.0), np.array([3, 0]), np.zeros(2)
    count = np.zeros(1)
    with graph.recording():
        counted(count)
        gathered(x, index, out)
        counted(count)
    plan = graph.compile(device="cpu")
    plan.run()
    assert out.tolist() == [3, 0]
    for bad in (4, -1):
        index[1] = bad
        before = count[0]
        for run in (lambda: plan.run(3), lambda: plan.profile(3)):
            with pytest.raises(BoundsError) as caught:
                run()
            what = f"subscript 0 of x[index[i]] is {bad}, which is outside of the axis"
            assert str(caught.value).splitlines()[:3] == [
                f"{what} (kernel 'gathered')",
                f'  File "{__file__}", line {line_of(gathered, "x[index[i]]")}',
                "    out[i] = x[index[i]]",
            ]
        assert count[0] == before + 2  # the step before the error, once for each run
    index[1] = 1
    assert plan.run(2) == 2
    assert out.tolist() == [3, 1]


def test_a_division_by_zero_in_the_data_names_kernel_file_and_line():
    graph, divisor, out = TaskGraph(), np.array([1, 2]), np.zeros(2, np.int64)
    with graph.recording():
        divided(np.array([7, 7]), divisor, out)
    plan = graph.compile(device="cpu")
    plan.run()
    assert out.tolist() == [7, 3]
    divisor[0] = 0
    with pytest.raises(KernelDivisionError) as caught:
        plan.run()
    line = line_of(divided, "x[i] // divisor[i]")
    assert f'File "{__file__}", line {line}' in str(caught.value)
    assert "(kernel 'divided')" in str(caught.value)


def test_an_error_of_one_recording_leaves_the_others_working():
    graph, index, out = TaskGraph(), np.array([9]), np.zeros(1)
    with graph.recording("bad"):
        gathered(np.arange(3.0), index, out)
    with graph.recording("good"):
        counted(out)
    plan = graph.compile(device="cpu")
    with pytest.raises(BoundsError):
        plan.run(recording="bad")
    assert plan.run(recording="good") == 1
    assert out.tolist() == [1]


def test_subscripts_that_certainly_leave_their_array_are_refused_when_compiled():
    @accelerate
    def beyond(x, out):
        for i in parallel(out.shape[0]):
            out[i] = x[i + 1]

    graph = TaskGraph()
    with graph.recording():
        beyond(np.zeros(3), np.zeros(3))
    with pytest.raises(BoundsError, match="takes the values 1 to 3, but axis 0 of x has 3"):
        graph.compile(device="cpu")


# ------------------------------------------------------------ explain


def test_explain_tells_device_memory_order_and_operations():
    graph = TaskGraph()
    x, weight, out, total = np.ones((4, 3)), np.ones((3, 2)), np.zeros((4, 2)), np.zeros(1)
    hidden = graph.transient((4, 2), float, "hidden")
    with graph.recording("step"):
        dense(x, weight, np.zeros(2), hidden)
        rectified(hidden, out)
    with graph.recording("loss"):
        total_of(out, total)
    lines = graph.compile(device="cpu").explain().splitlines()
    assert lines[0] == "plan on cpu: asked for"
    assert lines.pop(1).startswith("  chosen by costs: defaults (")
    assert lines[1] == "  transients: 1 in 64 bytes (64 side by side)"
    assert lines[2] == "  recording 'step': 2 tasks, order from 1 read after write"
    assert lines[3].startswith("    dense + rectified: loops, one part, about ")
    assert lines[4] == "  recording 'loss': 1 tasks, order from nothing"
    assert lines[5].startswith("    total_of: loops")
    assert lines[6].startswith("    total_of combine: loops, one part")
    assert len(lines) == 7


def test_explain_of_the_reference_names_the_tasks():
    graph, _ = counter()
    assert graph.compile(device="reference").explain().splitlines()[2:] == [
        "  recording 'main': 1 tasks, order from nothing",
        "    counted: interpreted",
    ]


def test_explain_tells_what_is_worth_splitting():
    graph, x = TaskGraph(), np.zeros((1000, 1000))
    with graph.recording():
        rectified(x, x)
    line = graph.compile(device="cpu").explain().splitlines()[-1]
    assert "rectified: loops, up to " in line
