"""Calibration: only when asked for, once for each machine, and never in the way."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from processes import finish, run, start

import netts
from netts.compiler import cache, calibration, measuring, probes, records
from netts.compiler.blas_library import BlasLibrary
from netts.compiler.cost_constants import DEFAULTS, LARGEST_FACTOR, NAMES, CostConstants
from netts.compiler.probes import FITTED
from netts.compiler.sharing import Sharing
from netts.errors import CalibrationWarning, ParameterError

# What is measured differs in every process here, so only a shared file can make them agree.
SCRIPT = """\
import json, os, sys
import netts
from netts.compiler import calibration, measuring

measuring.measured_costs = lambda: {"call": 200 + int.from_bytes(os.urandom(2)) / 200}
if sys.argv[1] == "calibrate":
    netts.calibrate()
costs = calibration.current()
print(json.dumps([costs.origin, costs.numbers()]))
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Return a cache directory that does not exist yet, in a process that has not looked."""
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(calibration.VARIABLE)
    forget_process(monkeypatch)
    return tmp_path / "cache"


def forget_process(monkeypatch):
    monkeypatch.setattr(calibration, "_process", {})


@pytest.fixture
def measured(monkeypatch):
    """Measure 100 ns for a call of BLAS, 101 the next time; return the measurements so far."""
    found: list[float] = []

    def measure():
        found.append(100.0 + 10 * len(found))
        return {"call": found[-1]}

    monkeypatch.setattr(measuring, "measured_costs", measure)
    return found


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def files(directory):
    return sorted((directory / "costs").glob("*"))


# ------------------------------------------------------------ when


def test_nothing_is_measured_unless_asked_for(own_cache, measured, script):
    assert calibration.current() is DEFAULTS
    assert json.loads(run(script, "no")) == ["defaults", DEFAULTS.numbers()]
    assert not files(own_cache)
    assert not measured


def test_what_is_measured_once_holds_in_every_process_from_then_on(own_cache, measured, script):
    found = netts.calibrate()
    assert found is calibration.current()
    assert found == replace(DEFAULTS, call=100.0)
    assert found.origin.startswith("calibrated on 20")
    assert netts.calibrate() == found
    assert json.loads(run(script, "no")) == [found.origin, found.numbers()]
    assert json.loads(run(script, "calibrate")) == [found.origin, found.numbers()]
    assert measured == [100.0]
    assert len(files(own_cache)) == 1


def test_a_process_stays_with_what_it_found_first(measured, monkeypatch):
    assert calibration.current() is DEFAULTS
    calibration.record({"call": 150.0}, anew=False)  # by another process
    assert calibration.current() is DEFAULTS
    forget_process(monkeypatch)
    assert calibration.current().call == 150.0
    assert not measured


def test_it_can_be_measured_anew(own_cache, measured):
    assert [netts.calibrate(anew=True).call for _ in range(3)] == [100.0, 110.0, 120.0]
    assert calibration.current().call == 120.0
    assert len(files(own_cache)) == 1


def test_the_environment_can_ask_for_the_defaults(measured, monkeypatch, script):
    netts.calibrate()
    forget_process(monkeypatch)
    monkeypatch.setenv(calibration.VARIABLE, "defaults")
    assert calibration.current() == DEFAULTS
    assert netts.calibrate(anew=True) == DEFAULTS
    assert json.loads(run(script, "calibrate")) == ["defaults", DEFAULTS.numbers()]
    assert measured == [100.0]


def test_the_environment_cannot_ask_for_anything_else(monkeypatch):
    monkeypatch.setenv(calibration.VARIABLE, "fast")
    with pytest.raises(ParameterError, match="NETTS_COSTS is 'defaults' or not set, got 'fast'"):
        calibration.current()


# ------------------------------------------------------------ several processes


def test_processes_that_calibrate_at_once_end_with_the_same_constants(own_cache, script):
    every = [start(script, "calibrate") for _ in range(4)]
    found = [json.loads(finish(one)) for one in every]
    assert found[0][1] != DEFAULTS.numbers()
    assert all(one == found[0] for one in found)
    assert json.loads(run(script, "no")) == found[0]
    assert len(files(own_cache)) == 1


@pytest.mark.parametrize("has_links", [True, False])
def test_the_first_writer_wins(own_cache, has_links, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    first = calibration.record({"call": 150.0}, anew=False)
    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    assert calibration.record({"call": 250.0}, anew=False) == first
    assert calibration.record({"call": 250.0}, anew=True).call == 250.0
    assert len(files(own_cache)) == 1


# ------------------------------------------------------------ files in the way


def lie(content: bytes, **changes: object) -> bytes:
    """Return a file with another content and the right digest."""
    body = json.loads(content.split(b"\n", 2)[2]) | changes
    text = json.dumps(body, indent=1).encode()
    return records.header(text) + b"\n" + text


BREAKAGES = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "another format": lambda content: content.replace(b"netts-costs 1", b"netts-costs 2"),
    "a digit changed": lambda content: content.replace(b"100.0", b"130.0"),
    "no text": lambda content: bytes(range(256)),
    "no object": lambda content: records.header(b"{[]") + b"\n{[]",
    "absurd": lambda content: lie(content, costs=DEFAULTS.numbers() | {"call": 1e9}),
    "not finite": lambda content: lie(content, costs=DEFAULTS.numbers() | {"call": math.nan}),
    "no number": lambda content: lie(content, costs=DEFAULTS.numbers() | {"call": "fast"}),
    "a constant too many": lambda content: lie(content, costs=DEFAULTS.numbers() | {"tax": 1.0}),
    "no constants": lambda content: lie(content, costs=None),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_file_counts_as_none_and_is_replaced(breakage, own_cache, measured, monkeypatch):
    netts.calibrate()
    (path,) = files(own_cache)
    path.write_bytes(BREAKAGES[breakage](path.read_bytes()))
    forget_process(monkeypatch)
    assert calibration.current() is DEFAULTS
    assert netts.calibrate().call == 110.0
    assert calibration.recorded().call == 110.0
    assert len(files(own_cache)) == 1


def test_what_cannot_be_kept_is_not_used(tmp_path, measured, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.warns(CalibrationWarning, match="cannot be kept in .*Not a directory.*not used"):
        assert netts.calibrate() is DEFAULTS
    assert calibration.current() is DEFAULTS


def test_a_read_only_directory_is_read(own_cache, measured, monkeypatch):
    """Every way of changing a directory fails, as it does on a read-only file system."""
    found = netts.calibrate()

    def refuse(*_arguments, **_keywords):
        raise OSError(30, "Read-only file system")

    for name in ("mkdir", "write_bytes", "replace", "unlink", "rmdir"):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr(os, "link", refuse)
    forget_process(monkeypatch)
    assert calibration.current() == found == netts.calibrate()
    with pytest.warns(CalibrationWarning, match="Read-only file system"):
        assert netts.calibrate(anew=True) == found
    assert records.forget() == 0
    assert len(files(own_cache)) == 1


def test_constants_outlast_the_code_that_is_dropped(measured, monkeypatch):
    found = netts.calibrate()
    monkeypatch.setenv(cache.LIMIT_VARIABLE, "0")
    cache.write("code", bytes(1000))
    cache.clear_cache()
    assert calibration.recorded() == found


def test_forgetting_leaves_nothing_behind(own_cache, measured):
    netts.calibrate()
    (own_cache / "costs" / "other.netts-costs").touch()
    (own_cache / "costs" / "killed.netts-unfinished").touch()
    assert records.count() == 2
    assert records.forget() == 2
    assert calibration.recorded() is None
    assert list(own_cache.iterdir()) == []
    assert records.forget() == 0


# ------------------------------------------------------------ keys


def test_constants_are_of_the_machine_and_the_versions_that_they_were_measured_with(
    own_cache, measured, monkeypatch
):
    netts.calibrate()
    for module, name, another in (
        (calibration.native, "fingerprint", "another"),
        (calibration, "blas_library", BlasLibrary("another", {}, ())),
        (calibration.os, "cpu_count", "another"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda found=another: found)
            calibration._key.cache_clear()
            assert calibration.recorded() is None
    calibration._key.cache_clear()
    assert calibration.recorded() == calibration.current()


# ------------------------------------------------------------ measuring


@pytest.mark.parametrize(
    "n_cases",
    [1, pytest.param(len(probes.CASES), marks=pytest.mark.slow)],  # compiling takes some seconds
)
def test_a_measurement_has_every_constant_and_is_settled_to_sane_ones(n_cases, monkeypatch):
    monkeypatch.setattr(probes, "CASES", probes.CASES[-n_cases:])
    monkeypatch.setattr(measuring, "ROUNDS", 1)
    found = measuring.measured_costs()
    assert set(FITTED) <= set(found) <= set(NAMES)
    assert CostConstants.settled(found, "").move == DEFAULTS.move  # as what is held stays
    assert CostConstants.settled(found, "").is_sane


TRUTH = np.array([getattr(DEFAULTS, name) for name in FITTED])


def fake_probes():
    """Return probes on a machine like that of the defaults; every fitted constant has a share."""
    random = np.random.default_rng(0)
    shares = random.integers(0, 9, (60, len(FITTED))) * random.integers(0, 2, (60, len(FITTED)))
    shares[:, [FITTED.index(name) for name in measuring.HELD]] = 0
    counts = shares / TRUTH
    return [SimpleNamespace(counts=one, seconds=float(one @ TRUTH)) for one in counts]


def test_the_fit_finds_the_constants_that_explain_the_times():
    fakes = fake_probes()
    assert measuring.fitted(fakes) == pytest.approx(dict(zip(FITTED, TRUTH, strict=True)))
    for probe in fakes:
        probe.seconds *= 2  # a machine of half the speed
    factors = [1 if name in measuring.HELD else 2 for name in FITTED]
    doubled = dict(zip(FITTED, factors * TRUTH, strict=True))
    assert measuring.fitted(fakes) == pytest.approx(doubled, rel=0.1)


def test_the_fit_stays_within_its_bounds_whatever_the_times_are():
    for factor in (1e-6, 1e6):
        fakes = fake_probes()
        for probe in fakes:
            probe.seconds *= factor
        factors = np.array(list(measuring.fitted(fakes).values())) / TRUTH
        assert (factors >= 1 / LARGEST_FACTOR * 0.999).all()
        assert (factors <= LARGEST_FACTOR * 1.001).all()


def test_what_no_probe_contains_stays_at_its_default():
    fakes = fake_probes()
    for probe in fakes:
        probe.counts[0] = 0
        probe.seconds = float(probe.counts @ TRUTH) or 1.0
    assert measuring.fitted(fakes)[FITTED[0]] == pytest.approx(TRUTH[0])


@pytest.mark.parametrize(
    ("threads", "alone", "shared", "join"),
    [
        (1, 40e-6, 40e-6, None),
        (2, 40e-6, 25e-6, 5e-6),
        (2, 40e-6, 39e-6, None),  # nobody helped
        (8, 40e-6, 4e-6, 0.0),  # faster than it can be
    ],
)
def test_what_sharing_costs_is_known_only_where_somebody_helped(threads, alone, shared, join):
    sharing = Sharing.__new__(Sharing)
    sharing._n_threads, sharing._alone, sharing._shared = threads, alone, shared
    assert sharing.join_seconds == (None if join is None else pytest.approx(join))
