"""A child that is forked while other threads are at work: it waits for none of them."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import warnings

import numpy as np
import pytest

from netts import MLPClassifier, Network, layers
from netts.forks import ForkableLock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")

SECONDS = 60
"""How long a child may take before it counts as hanging."""


def succeeds_in_a_child(act) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forks with threads
        child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        code = 1
        try:
            code = 0 if act() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Held:
    """A thread that is within a block, or a call, until it may go on."""

    def __init__(self, act) -> None:
        self.is_within, self.may_go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=act, args=(self,))

    def wait(self) -> None:
        self.is_within.set()
        self.may_go.wait(SECONDS)

    def __enter__(self) -> None:
        self._thread.start()
        assert self.is_within.wait(SECONDS)

    def __exit__(self, *_error: object) -> None:
        self.may_go.set()
        self._thread.join()


def test_a_lock_that_another_thread_holds_is_free_in_the_child_and_held_in_the_parent():
    lock = ForkableLock()

    def hold(held):
        with lock.current:
            held.wait()

    def take():
        with lock.current:
            return True

    with Held(hold):
        assert succeeds_in_a_child(take)
        assert lock.current.locked()
    assert take()


def test_who_forks_within_a_block_leaves_it_in_parent_and_child():
    lock = ForkableLock()

    def take():
        with lock.current:
            return True

    with lock.current:
        assert succeeds_in_a_child(take)


def test_a_block_that_was_entered_before_a_fork_leaves_the_lock_of_others_alone():
    """In the child another thread takes the lock before the block is left."""
    lock = ForkableLock()

    def leave(inside):
        with lock.current:
            inside.__exit__(None, None, None)
            return lock.current.locked()

    with contextlib.ExitStack() as inside:
        inside.enter_context(lock.current)
        assert succeeds_in_a_child(lambda: leave(inside))


class Rows:
    """A source of zeros that waits in its first call."""

    n_threads, dtype = 1, np.dtype(np.float32)

    def __init__(self, held: Held, n_samples: int) -> None:
        self.held, self.shape = held, (n_samples, 4)

    def read(self, indices, out, *, epoch):
        out[...] = 0
        self.held.wait()


def test_a_network_predicts_in_a_child_forked_while_it_predicts():
    network = Network([layers.Dense(3)]).build(4, random_state=0)
    X = np.ones((5, 4), np.float32)
    expected = network.predict(X, device="cpu")
    with Held(lambda held: network.predict(Rows(held, 5), device="cpu")):
        assert succeeds_in_a_child(
            lambda: np.array_equal(network.predict(X, device="cpu"), expected)
        )


def test_an_estimator_predicts_in_a_child_forked_while_it_is_made_ready(monkeypatch):
    X, y = np.eye(6), np.arange(6) % 2
    with pytest.warns(match="Maximum iterations"):
        model = MLPClassifier((3,), max_iter=2, random_state=0, device="cpu").fit(X, y)
    expected = model.predict_proba(X)

    def hold(held):
        with model._live._lock.current:
            held.wait()

    with Held(hold):
        assert succeeds_in_a_child(lambda: np.array_equal(model.predict_proba(X), expected))
