"""`netts cache` shows and empties a cache; each test has its own."""

from __future__ import annotations

import pytest

from netts.cli import main
from netts.compiler.cache import cache_directory, cache_size_bytes, write


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Never empty the user's cache."""
    monkeypatch.setenv("NETTS_CACHE_DIR", str(tmp_path))
    assert cache_directory().is_relative_to(tmp_path)


def test_the_directory_and_its_size_are_shown(capsys):
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"{cache_directory()}: 0.0 MB\n"


def test_clear_empties_it(capsys):
    write("key", b"#" * 1_500_000)
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == f"emptied {cache_directory()}: 1 entries, 1.5 MB\n"
    assert cache_size_bytes() == 0
