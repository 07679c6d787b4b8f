"""Every suite of bench/ at a tiny size, with netts and a peer. Its times mean nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.measurements import read
from bench.page import by_suite
from bench.questions import SUITES
from bench.separate import Workers, alone

ROOT = Path(__file__).parents[2]
ALONE = {"cnn_step", "device_choice"}
"""Without a peer that netts itself needs: scikit-learn has neither convolutions nor devices."""


def test_every_suite_runs_with_a_peer_and_leaves_rounds_and_a_page(tmp_path):
    pytest.importorskip("pytest_benchmark")
    json = tmp_path / "smoke.json"
    command = [sys.executable, "-m", "bench", "run", "all", "--smoke", "--json", str(json)]
    # A run of its own: a worker of pytest-xdist tells its children so by these.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")
    }
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = by_suite(read(json).series)
    assert list(found) == SUITES
    for suite, series in found.items():
        libraries = {one.library for one in series}
        assert "netts" in libraries
        assert len(libraries) > 1 or suite in ALONE
        assert all(value > 0 for one in series for value in one.values if one.unit != "MB")
    assert "these numbers mean nothing" in done.stdout
    assert all(f"## {heading}" in done.stdout for heading in ("A training step", "Curves in batch"))


def test_a_library_keeps_its_process_and_its_cores():
    workers = Workers()
    try:
        first = workers.run("a", os.getpid)
        assert workers.run("a", os.getpid) == first
        assert workers.run("b", os.getpid) != first
        assert workers.run("a", os.sched_getaffinity, 0, cores=1) == {min(os.sched_getaffinity(0))}
        assert workers.run("a", os.getenv, "OMP_NUM_THREADS", cores=1) == "1"
    finally:
        workers.close()
    assert alone(os.getpid) not in {first, os.getpid()}


def test_a_shared_process_serves_all_libraries():
    workers = Workers(shared=True)
    try:
        assert workers.run("a", os.getpid) == workers.run("b", os.getpid)
    finally:
        workers.close()
