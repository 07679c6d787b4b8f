"""`netts cache` shows and empties a cache; each test has its own."""

from __future__ import annotations

import pytest

from netts.cli import main
from netts.compiler import calibration, records
from netts.compiler.cache import cache_directory, cache_size_bytes, write
from netts.compiler.cost_constants import DEFAULTS


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Never empty the user's cache."""
    monkeypatch.setenv("NETTS_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NETTS_COSTS")
    monkeypatch.setattr(calibration, "_process", {})
    assert cache_directory().is_relative_to(tmp_path)


def test_the_directory_its_size_and_the_costs_are_shown(capsys):
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == (
        f"{cache_directory()}: 0.0 MB\ncosts: defaults ({DEFAULTS.digest})\n"
    )


def test_calibrations_are_shown_those_of_other_machines_too(capsys):
    kept = calibration.record({"call": 100.0}, anew=False)
    (records.directory() / "another.netts-costs").touch()
    assert main(["cache"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        f"costs: {kept}; calibrations of 1 machine besides"
    )


def test_clear_empties_it(capsys):
    write("key", b"#" * 1_500_000)
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == f"emptied {cache_directory()}: 1 entries, 1.5 MB\n"
    assert cache_size_bytes() == 0


def test_clear_forgets_what_was_calibrated(capsys):
    calibration.record({"call": 100.0}, anew=False)
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out.endswith("; forgot the calibration of 1 machine\n")
    assert calibration.recorded() is None
    assert not records.directory().exists()
