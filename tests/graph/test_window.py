"""Windows on a device: each half is overwritten only when it has been read."""

from __future__ import annotations

import numpy as np
import pytest
from fake_gpu import install

from netts import TaskGraph, accelerate, parallel
from netts.devices.memory import Arena
from netts.graph import window
from netts.graph.window import Window, window_on


@accelerate
def copied(x, out):
    for i in parallel(out.shape[0]):
        out[i] = x[i]


@pytest.fixture(params=["late", "hasty"])
def halves(request, monkeypatch):
    """Return a window on a device, a plan that reads its first half, and what it writes."""
    install(monkeypatch).is_hasty = request.param == "hasty"
    made = Window(rows=2)
    x = made.reserve((), np.float64)
    made.allocate()
    results = Arena("results")
    out = results.reserve((2,), np.float64)
    results.allocate()
    graph = TaskGraph()
    with graph.recording():
        copied(x[:2], out)
    plan = graph.compile(device="cuda")
    return window_on(plan.device, made), plan, out


def send(made: window.Window, value: float) -> None:
    assert made.claim(0, seconds=10)
    made.arrays(0, 2)[0][...] = value
    made.send(0, 2)


def read(made: window.Window, plan) -> None:
    made.expect()
    made.receive(0)
    assert plan.launch(1, "main") == 1


def test_what_was_sent_is_read(halves):
    made, plan, out = halves
    for value in (1.0, 2.0, 3.0):
        send(made, value)
        read(made, plan)
        made.release(0)
    np.testing.assert_array_equal(out.read(), 3)


def test_the_hosts_own_memory_is_never_sent(halves):
    made, plan, out = halves
    made._arena.buffer.mirror.fall_behind()  # as behind a trial, or where it is no blank memory
    made = window_on("cuda", made)
    send(made, 1.0)
    read(made, plan)
    np.testing.assert_array_equal(out.read(), 1)


def test_a_half_that_was_not_released_is_read_before_it_is_overwritten(halves):
    made, plan, out = halves
    send(made, 1.0)
    read(made, plan)
    made.release(0)
    send(made, 2.0)
    read(made, plan)  # and left there, as a fit that is stopped leaves an epoch
    made.reset()
    send(made, 3.0)
    np.testing.assert_array_equal(out.read(), 2)
