"""A messy table, and commands in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from messy_tables import messy_rows, write_csv


@pytest.fixture
def flats(tmp_path) -> Path:
    """Write 400 messy rows."""
    return write_csv(tmp_path / "flats.csv", messy_rows(400, seed=0))


@pytest.fixture
def new_flats(tmp_path) -> Path:
    """Write 60 other rows without price and class."""
    rows = [row[:6] for row in messy_rows(60, seed=1)]
    return write_csv(tmp_path / "new flats.csv", rows)


@pytest.fixture
def netts(tmp_path):
    """Run a command in a process of its own, in a directory of its own."""

    def run(
        *arguments: object, directory: Path = tmp_path, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "netts", *map(str, arguments)],
            cwd=directory, input=stdin, capture_output=True, text=True, check=False,
            env=dict(os.environ),
        )  # fmt: skip

    return run
