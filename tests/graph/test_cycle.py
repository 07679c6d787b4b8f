"""Cycles: several recordings as one step."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from netts import TaskGraph, accelerate, parallel
from netts.errors import BoundsError, GraphError


@accelerate
def appended(values, count, log):
    for i in parallel(log.shape[0]):
        log[i] = values[0] if i == count[0] else log[i]
    for k in parallel(1):
        count[k] += 1


@accelerate
def picked(x, places, out):
    for i in parallel(out.shape[0]):
        out[i] = x[places[i]]


class Log:
    """A graph of recordings "a", "b" and "c", each of which writes its number to a log."""

    def __init__(self, device):
        self.log, self.count = np.zeros(40), np.zeros(1, np.int64)
        graph = TaskGraph()
        for number, name in enumerate("abc", start=1):
            with graph.recording(name):
                appended(np.array([float(number)]), self.count, self.log)
        self.plan = graph.compile(device=device)
        self.stop = np.zeros(1, np.int64)

    @property
    def written(self):
        return self.log[: self.count[0]].astype(int).tolist()


@pytest.mark.parametrize("device", ["cpu", "reference", "cuda"])
def test_recordings_take_their_turns(device, fake_gpu):
    log = Log(device)
    cycle = log.plan.cycle({"b": 2, "a": 1, "c": 0})
    assert cycle.run(3, log.stop) == 3
    assert log.written == [2, 2, 1] * 3
    assert cycle.run(0, log.stop) == 0
    log.plan.run(recording="c")
    assert log.written == [2, 2, 1] * 3 + [3]


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_cycle_that_is_stopped_has_ended(device):
    log = Log(device)
    cycle = log.plan.cycle({"a": 1, "b": 1})
    log.stop[0] = 1
    assert cycle.run(5, log.stop) == 0
    log.stop[0] = 0
    timer = threading.Timer(0.1, log.stop.__setitem__, (0, 1))
    timer.start()
    done = cycle.run(10**9, log.stop)
    timer.join()
    assert 0 < done < 10**9
    assert log.count[0] == 2 * done


def test_a_recording_that_is_not_there_is_named():
    with pytest.raises(GraphError, match="there is no recording 'd', only 'a', 'b', 'c'"):
        Log("cpu").plan.cycle({"a": 1, "d": 1})


def test_what_fails_within_a_cycle_is_named():
    x, places, out = np.arange(5.0), np.array([0, 9]), np.zeros(2)
    good, kept = np.array([1, 2]), np.zeros(2)
    graph = TaskGraph()
    with graph.recording("good"):
        picked(x, good, kept)
    with graph.recording("bad"):
        picked(x, places, out)
    cycle = graph.compile(device="cpu").cycle({"good": 3, "bad": 1})
    with pytest.raises(BoundsError, match=r"x\[places\[i\]\] is 9, which is outside"):
        cycle.run(1, np.zeros(1, np.int64))
    assert_array_equal(kept, [1, 2])
    places[1] = 3
    assert cycle.run(1, np.zeros(1, np.int64)) == 1
    assert_array_equal(out, [0, 3])
