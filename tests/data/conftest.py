"""A file in a fresh directory, and a table read from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netts.data import read_table
from netts.errors import DataError


@pytest.fixture
def write(tmp_path):
    """Write a file and return its path."""

    def write_file(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def read(write):
    """Write a CSV file called table.csv and read it as a table."""

    def read_content(content: str | bytes, *args, **kwargs):
        return read_table(write(content), *args, **kwargs)

    return read_content


@pytest.fixture
def refused(tmp_path):
    """Expect an error whose message is the path of table.csv and this."""

    def expect(message: str, error: type[Exception] = DataError):
        path = tmp_path / "table.csv"
        return pytest.raises(error, match=f"^{re.escape(f'{path}{message}')}$")

    return expect
