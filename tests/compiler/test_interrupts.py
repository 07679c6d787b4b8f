"""Ctrl-C while a kernel is compiled waits for its end, and then reaches the caller."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from netts import accelerate, parallel
from netts.compiler import native


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_what_runs_is_finished_before_the_interrupt_is_raised():
    steps = []

    def work():
        with native.interrupts_deferred():
            interrupt()
            steps.append("after the signal")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["after the signal"]
    with pytest.raises(KeyboardInterrupt):  # the handler is the one from before
        interrupt()


def test_an_error_is_not_hidden_and_the_handler_comes_back():
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), native.interrupts_deferred():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is handler


def test_other_threads_leave_signals_alone():
    handlers = []

    def work():
        with native.interrupts_deferred():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_a_kernel_that_was_interrupted_while_compiled_runs_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("NETTS_CACHE_DIR", str(tmp_path))

    @accelerate
    def compiled_late(x, out):
        for i in parallel(out.shape[0]):
            out[i] = x[i] * 1234.5 + 678.9

    x, out = np.arange(3.0), np.zeros(3)

    def interrupted_run():
        timer = threading.Timer(0.02, interrupt)
        timer.start()
        compiled_late(x, out)
        timer.join()

    with pytest.raises(KeyboardInterrupt):
        interrupted_run()
    compiled_late(x, out)
    np.testing.assert_array_equal(out, x * 1234.5 + 678.9)
