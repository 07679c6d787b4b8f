"""What all tests share: how hypothesis searches, and devices that are not there.

The cache of compiled kernels is the user's own, so that a second run compiles nothing; set
NETTS_CACHE_DIR to use another. What was calibrated there is left alone: tests choose by the default
costs on every machine, as their expectations of plans do.
"""

from __future__ import annotations

import os
import signal

import hypothesis
import pytest
from hypothesis.internal import constants_ast
from hypothesis.internal.conjecture import providers

os.environ["NETTS_COSTS"] = "defaults"

# No deadline: the first example of a kernel compiles it. In CI the same examples every time.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

# Hypothesis also draws numbers that stand in the sources of whatever modules are loaded, so a run
# of one file would try other examples than a run of all. tests/compiler/test_examples.py watches.
providers.HypothesisProvider._local_constants = constants_ast.Constants()


@pytest.fixture
def no_device_asked_for(monkeypatch):
    """Let netts choose the device, also where the suite runs with NETTS_DEVICE."""
    monkeypatch.delenv("NETTS_DEVICE", raising=False)


@pytest.fixture
def fake_gpu(monkeypatch, no_device_asked_for):
    """Let "cuda" be a device that keeps a log and needs no GPU."""
    import fake_gpu as fakes  # only here: most tests need none of it

    return fakes.install(monkeypatch)


@pytest.fixture
def no_gpu(monkeypatch, no_device_asked_for):
    """Let this machine have no GPU, whether it has one or not."""
    from netts.devices import registry

    missing = registry.DeviceInfo("cuda", False, "no driver: this machine has none")
    monkeypatch.setitem(registry._DEVICES, "cuda", lambda: missing)


@pytest.fixture
def n_sessions(monkeypatch, no_device_asked_for):
    """Count the training sessions that are made: a list of ones. Those of a GPU are never kept."""
    from netts.training import opening
    from netts.training import session as sessions

    made = []

    class Counted(sessions.Session):
        def __init__(self, *arguments, **keywords):
            made.append(1)
            super().__init__(*arguments, **keywords)

    monkeypatch.setattr(opening, "Session", Counted)
    return made


# In a shell's background job Ctrl-C is ignored, and so would be what tests send to themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
