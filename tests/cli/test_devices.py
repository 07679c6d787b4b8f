"""`netts devices` names what there is, and calibrates when asked."""

from __future__ import annotations

import platform
import sys

import pytest

from netts.cli import main
from netts.compiler import calibration, measuring
from netts.compiler.cost_constants import DEFAULTS
from netts.devices import available

pytestmark = pytest.mark.usefixtures("no_gpu")  # whose costs would be printed too


@pytest.fixture
def own_costs(tmp_path, monkeypatch):
    """Measure 100 ns for a call of BLAS, 10 more every time, and keep that apart."""
    monkeypatch.setenv("NETTS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NETTS_COSTS")
    monkeypatch.setattr(calibration, "_process", {})
    calls = iter(range(100, 200, 10))
    monkeypatch.setattr(measuring, "measured_costs", lambda: {"call": next(calls)})
    return tmp_path / "cache"


def test_every_device_is_listed_with_its_state(capsys):
    assert main(["devices"]) == 0
    *lines, costs = capsys.readouterr().out.splitlines()
    assert costs == f"costs on the cpu: defaults ({DEFAULTS.digest})"
    assert len(lines) == len(available())
    for line, device in zip(lines, available(), strict=True):
        state = "available" if device.is_available else "not available"
        assert line.split()[0] == device.name
        assert f"  {state} " in line
        assert line.endswith(device.description)


@pytest.mark.parametrize("width", [40, 80])
def test_at_a_terminal_descriptions_are_broken_under_themselves(capsys, monkeypatch, width):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["devices"]) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert max(map(len, lines)) <= width
    column = min(lines[0].index(platform.machine()), width // 2)
    continued = [line for line in lines if line.startswith(" ")]
    assert continued
    assert all(len(line) - len(line.lstrip()) == column for line in continued)
    for device in available():
        assert device.description in " ".join(printed.split())


def test_the_cpu_is_always_available(capsys):
    assert main(["devices"]) == 0
    assert any(
        line.startswith("cpu") and "not available" not in line
        for line in capsys.readouterr().out.splitlines()
    )


@pytest.mark.usefixtures("own_costs")
def test_it_calibrates_once_and_anew_when_asked(capsys):
    measured = []
    for options in ([], ["--calibrate"], ["--calibrate"], ["--calibrate", "anew"], []):
        assert main(["devices", *options]) == 0
        measured.append(calibration.current().call)
        assert capsys.readouterr().out.endswith(f"costs on the cpu: {calibration.current()}\n")
    assert measured == [DEFAULTS.call, 100, 100, 110, 110]


def test_it_says_why_a_calibration_was_in_vain(own_costs, capsys):
    own_costs.touch()
    assert main(["devices", "--calibrate"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("netts: warning: the calibration cannot be kept in ")
    assert said.out.endswith(f"costs on the cpu: defaults ({DEFAULTS.digest})\n")
