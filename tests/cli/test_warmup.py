"""`netts warmup` leaves nothing for a training to compile."""

from __future__ import annotations

import pytest

from netts.cli import main, warmup
from netts.compiler import calibration, measuring
from netts.compiler.cache import count_entries
from netts.data import dataset_names


@pytest.mark.slow
def test_after_it_no_bundled_table_compiles_anything(netts, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NETTS_CACHE_DIR", str(tmp_path / "cache"))
    done = netts("warmup")
    assert (done.returncode, done.stderr) == (0, "")
    n_entries = count_entries()
    assert n_entries > 20
    for name in dataset_names():
        netts("train", name, "--epochs", "2")
        netts("predict", f"{name}.netts", name)
    assert count_entries() == n_entries


def test_it_says_what_it_did(capsys):
    assert main(["warmup"]) == 0
    compiled, costs = capsys.readouterr().out.splitlines()
    assert compiled.startswith("compiled ")
    assert costs.startswith("costs: defaults")  # as the environment of tests asks for


def test_it_calibrates_before_it_compiles(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NETTS_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NETTS_COSTS")
    monkeypatch.setattr(calibration, "_process", {})
    monkeypatch.setattr(measuring, "measured_costs", lambda: {"call": 100.0})
    seen = []
    monkeypatch.setattr(warmup, "_fits", lambda: seen.append(calibration.current().call) or ())
    assert main(["warmup"]) == 0
    assert seen == [100.0]
    assert capsys.readouterr().out.splitlines()[1].startswith("costs: calibrated on ")
