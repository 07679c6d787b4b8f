"""Processes that begin at the first read, and none of them left."""

from __future__ import annotations

import threading

import pytest

import netts.processes.pool as pools


@pytest.fixture
def at_once(monkeypatch):
    """Begin processes behind the first read."""
    monkeypatch.setattr(pools, "START_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [one for one in threading.enumerate() if one.name.startswith("netts ")]
