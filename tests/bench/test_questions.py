"""What a question runs: pytest with a suite, or a script with its arguments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import questions
from bench.__main__ import main
from bench.size import SMOKE, VARIABLE, installed, is_smoke, sized


class Ran:
    """Stands for subprocess.run: keeps the command, and writes what pytest-benchmark would."""

    def __init__(self, status: int = 0, written: str = "{}") -> None:
        self.status, self.written = status, written

    def __call__(self, command, *, env, **_options):
        self.command, self.environment = command, env
        for word in command:
            if word.startswith("--benchmark-json="):
                Path(word.partition("=")[2]).write_text(self.written)
        return subprocess.CompletedProcess(command, self.status)


@pytest.fixture
def ran(monkeypatch) -> Ran:
    found = Ran()
    monkeypatch.setattr(questions.subprocess, "run", found)
    monkeypatch.delenv(VARIABLE, raising=False)
    return found


def test_a_suite_is_run_by_pytest_with_the_options_that_follow(ran, tmp_path):
    json = tmp_path / "fits.json"
    main(["run", "fits", "memory", "--json", str(json), "-k", "iris or digits", "-x"])
    files = [str(questions.FOLDER / name) for name in ("test_fits.py", "test_memory.py")]
    assert ran.command[:5] == [sys.executable, "-m", "pytest", "-m", "bench"]
    assert [word for word in ran.command if word.endswith(".py")] == files
    assert ran.command[-3:] == ["-k", "iris or digits", "-x"]
    assert VARIABLE not in ran.environment
    assert json.read_text() == "{}"


def test_a_script_gets_the_arguments_that_follow_its_name(ran):
    assert main(["run", "graph_networks", "cpu", "5", "10"]) == 0
    assert ran.command == [sys.executable, "-m", "bench.graph_networks", "cpu", "5", "10"]
    assert main(["run", "streaming_images", "--epochs", "2"]) == 0
    assert ran.command[2:] == ["bench.streaming_images", "--epochs", "2"]


def test_all_is_every_suite_and_smoke_is_told_by_the_environment(ran, tmp_path):
    main(["run", "all", "--smoke", "--json", str(tmp_path / "all.json")])
    assert len([word for word in ran.command if word.endswith(".py")]) == len(questions.SUITES)
    assert ran.environment[VARIABLE] == SMOKE


def test_a_run_that_writes_nothing_leaves_the_file_that_was_there(ran, tmp_path):
    json = tmp_path / "fits.json"
    json.write_text("earlier")
    ran.status, ran.written = 4, ""
    assert main(["run", "fits", "--json", str(json)]) == 4
    assert json.read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["fits.json"]


@pytest.mark.parametrize("status", [0, 5])
def test_a_run_of_no_case_is_an_error(ran, tmp_path, capsys, status):
    ran.status, ran.written = status, ""
    assert main(["run", "fits", "--json", str(tmp_path / "fits.json"), "-k", "nothing"]) == 2
    assert "no case of fits has run: all were skipped or deselected" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_smoke_test_has_small_sizes_and_the_peers_that_netts_needs(monkeypatch):
    everyone = ("netts", "netts, one core", "scikit-learn", "PyTorch eager", "JAX scan")
    monkeypatch.setenv(VARIABLE, SMOKE)
    assert is_smoke()
    assert sized(5, smoke=1) == 1
    assert installed(everyone) == ["netts", "netts, one core", "scikit-learn"]
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr("bench.size.find_spec", lambda name: None if name == "jax" else object())
    assert sized(5, smoke=1) == 5
    assert installed(everyone) == list(everyone[:-1])
