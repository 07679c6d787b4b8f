"""The worker threads: no part is lost or done twice, and nobody waits for a thread that sleeps."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from netts import accelerate, parallel
from netts.compiler import engine, parts

N_THREADS = 4
"""More than there are processors here, so that workers are taken off theirs at any moment."""

pytestmark = pytest.mark.skipif(
    engine.available_threads(N_THREADS) == 1, reason="this system has no workers"
)


@accelerate
def counted(counts):
    for i in parallel(counts.shape[0]):
        counts[i] += 1


@accelerate
def looked_up(values, index, out):
    for i in parallel(out.shape[0]):
        out[i] = values[index[i]]


@pytest.fixture
def plan():
    """Give a count of runs for each of 64 elements, and what runs it in parts."""
    counts = np.zeros(64, np.int64)
    return counts, counted.specialise((counts,))


def workers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "netts"]


def test_every_part_of_many_jobs_is_done_once(plan):
    counts, specialised = plan
    for _ in range(3000):
        specialised.run((counts,), threads=N_THREADS)
    assert counts.tolist() == [3000] * 64


def test_jobs_that_come_after_a_pause_wake_the_workers(plan):
    counts, specialised = plan
    for _ in range(20):
        specialised.run((counts,), threads=N_THREADS)
        time.sleep(0.005)
    assert counts.tolist() == [20] * 64
    state = engine._workers._state
    deadline = time.monotonic() + 10
    while state[parts.SLEEPING] < len(workers()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state[parts.SLEEPING] == len(workers()) >= N_THREADS - 1


def test_workers_that_were_ended_are_started_again(plan):
    counts, specialised = plan
    specialised.run((counts,), threads=N_THREADS)
    engine._workers.close()
    assert workers() == []
    specialised.run((counts,), threads=N_THREADS)
    assert len(workers()) == N_THREADS - 1
    assert counts.tolist() == [2] * 64


def test_a_worker_that_does_not_end_in_time_is_not_taken_back(plan):
    counts, specialised = plan
    specialised.run((counts,), threads=N_THREADS)
    workers_ = engine._workers
    may_end = threading.Event()
    late = threading.Thread(target=may_end.wait)
    late.start()
    workers_._threads.append(late)
    workers_.close()
    assert workers_._threads == [late]
    assert workers_._state[parts.IS_CLOSING] == 1
    specialised.run((counts,), threads=N_THREADS)
    may_end.set()
    late.join()
    workers_.close()
    assert workers_._state[parts.IS_CLOSING] == len(workers_._threads) == 0
    specialised.run((counts,), threads=N_THREADS)
    assert counts.tolist() == [3] * 64


def test_a_child_that_is_forked_as_it_takes_the_workers_gives_back_what_it_took(plan, monkeypatch):
    counts, specialised = plan
    taken = threading.Lock()

    class Forking:
        def acquire(self, *, blocking):
            monkeypatch.setattr(engine._workers, "lock", threading.Lock())
            return taken.acquire(blocking=blocking)

        release = taken.release

    monkeypatch.setattr(engine._workers, "lock", Forking())
    specialised.run((counts,), threads=N_THREADS)
    assert not taken.locked()


def test_workers_that_the_system_does_not_start_are_done_without(plan, monkeypatch):
    counts, specialised = plan
    engine._workers.close()

    def refused(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        specialised.run((counts,), threads=N_THREADS)
    assert workers() == []
    assert counts.tolist() == [1] * 64


def test_who_finds_the_workers_busy_runs_alone(plan):
    counts, specialised = plan
    with engine._workers.lock:
        specialised.run((counts,), threads=N_THREADS)
    assert counts.tolist() == [1] * 64


def test_a_part_that_fails_tells_it_and_the_workers_go_on(plan):
    values, index, out = np.arange(8.0), np.zeros(1000, np.int64), np.empty(1000)
    index[::250] = 8
    specialised = looked_up.specialise((values, index, out))
    for _ in range(50):
        with pytest.raises(IndexError, match="is 8, which is outside"):
            specialised.run((values, index, out), threads=N_THREADS)
    index[:] = 7
    specialised.run((values, index, out), threads=N_THREADS)
    assert set(out) == {7.0}
