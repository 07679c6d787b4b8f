"""Compiled code on disk: found by the next process, harmless where it is broken or in the way."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from processes import finish, run, start

from netts import accelerate, parallel
from netts.compiler import cache, loading, native
from netts.errors import ParameterError

# A plan with a contraction, an epilogue of vector functions, a reduction and a scatter-add.
SCRIPT = """\
import json
import math
import sys
import numpy as np
from netts import TaskGraph, accelerate, parallel, tanh
from netts.compiler import native

@accelerate
def dense(x, weight, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k] * weight[k, j]
        out[i, j] = tanh(total)

@accelerate
def factorials(x, out):
    for i in parallel(out.shape[0]):
        out[i] = math.gamma(x[i] + 1)

@accelerate
def count(x, bins, out):
    total = 0
    for i in parallel(bins.shape[0]):
        total += bins[i]
        x[bins[i], 0] += 1
    out[0] = total

x, weight = np.ones((5, 3)), np.full((3, 2), 0.25)
bins, out, total = np.array([0, 4, 4]), np.zeros((5, 2)), np.zeros(1, np.int64)
graph = TaskGraph()
with graph.recording():
    dense(x, weight, out)
    count(x, bins, total)
plan = graph.compile(device="cpu")
plan.run(3)
plan.profile(1)
cached = [one.was_cached for one in native._loaded.values()]
arrays = [out.tolist(), x.tolist(), total.tolist()]
found = {"cached": cached, "arrays": arrays, "numba": "numba" in sys.modules}
# numba's gamma function is in no other library.
factorials(np.arange(4.0), values := np.zeros(4))
found["factorials"] = np.round(values, 9).tolist()
found["was_cached"] = factorials.last.operations[0].native.was_cached
print(json.dumps(found))
"""


@accelerate
def tripled(x, out):
    for i in parallel(out.shape[0]):
        out[i] = 3 * x[i] + 1


@pytest.fixture(scope="module", autouse=True)
def _replay_loop_is_loaded():
    """Load what every kernel needs from the user's cache, so that each test counts its own code."""
    tripled(np.zeros(1), np.zeros(1))


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "script.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def filled(script, tmp_path_factory):
    """Return a cache that two processes filled at once, and what they found."""
    directory = tmp_path_factory.mktemp("filled")
    both = [start(script, NETTS_CACHE_DIR=str(directory)) for _ in range(2)]
    return directory, [json.loads(finish(one)) for one in both]


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Return a cache directory that does not exist yet."""
    directory = tmp_path / "a" / "cache"
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(directory))
    monkeypatch.delenv(cache.LIMIT_VARIABLE, raising=False)
    assert cache.cache_directory() == directory
    return directory


@pytest.fixture
def runs(monkeypatch):
    """Return a function that runs a kernel as a fresh process would: was its code cached?"""

    def run_once():
        monkeypatch.setattr(native, "_loaded", {})
        kernel, out = accelerate(tripled.function), np.zeros(3)
        kernel(np.arange(3.0), out)
        assert out.tolist() == [1, 4, 7]
        (operation,) = kernel.last.operations
        return operation.native.was_cached

    return run_once


def entries(directory):
    return sorted(directory.glob("*.netts-code*"))


# ------------------------------------------------------------ processes


def test_processes_that_fill_a_cache_at_once_agree_and_leave_whole_entries(filled, monkeypatch):
    directory, (first, second) = filled
    assert first["arrays"] == second["arrays"]
    assert first["arrays"][1:] == [[[5.0, 1, 1], *[[1.0] * 3] * 3, [9.0, 1, 1]], [8]]
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(directory))
    names = [path.name for path in directory.iterdir()]
    assert names
    assert all(name.endswith(".netts-code") for name in names)
    assert all(cache.read(name.removesuffix(".netts-code")) is not None for name in names)


def test_the_next_process_compiles_nothing(filled, script):
    directory, (first, _) = filled
    names = entries(directory)
    found = json.loads(run(script, NETTS_CACHE_DIR=str(directory)))
    assert found["cached"] == [True] * (len(names) - 1)
    assert found["arrays"] == first["arrays"]
    assert (found["was_cached"], found["factorials"]) == (True, [1, 1, 2, 6])
    assert entries(directory) == names


def test_a_process_that_compiles_nothing_does_without_numba(filled, script):
    directory, (first, _) = filled
    assert first["numba"]
    assert not json.loads(run(script, NETTS_CACHE_DIR=str(directory)))["numba"]


def test_code_that_needs_what_this_process_lacks_is_compiled_again(own_cache, runs, monkeypatch):
    assert not runs()
    monkeypatch.setattr(loading, "missing", lambda symbols: ["numba_gone"])
    assert not runs()


def test_a_process_without_a_cache_compiles_everything(filled, script, tmp_path):
    (tmp_path / "file").touch()
    _, (first, _) = filled
    found = json.loads(run(script, NETTS_CACHE_DIR=str(tmp_path / "file" / "below")))
    assert found["cached"] == [False] * len(first["cached"])
    assert found["arrays"] == first["arrays"]


# ------------------------------------------------------------ directories


def test_a_missing_directory_is_made(own_cache, runs):
    assert not runs()
    assert len(entries(own_cache)) == 1
    assert runs()


def test_the_directory_is_the_users_unless_one_is_named(monkeypatch):
    monkeypatch.delenv(cache.DIRECTORY_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.cache_directory() == Path("/somewhere/netts")
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, "")
    assert cache.cache_directory() == Path("/somewhere/netts")


def test_a_read_only_cache_is_read(own_cache, runs, monkeypatch):
    """Every way of changing a directory fails, as it does on a read-only file system."""
    assert not runs()

    def refuse(*_arguments, **_keywords):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        for name in ("mkdir", "write_bytes", "replace", "unlink"):
            patch.setattr(Path, name, refuse)
        patch.setattr(os, "utime", refuse)
        assert runs()
        assert not cache.write("0" * 64, b"code")
        assert cache.clear_cache() == 0
    assert len(entries(own_cache)) == 1


def test_a_disk_that_fills_while_writing_leaves_nothing(own_cache, runs, monkeypatch):
    def fill(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fill)
        assert not runs()
    assert list(own_cache.iterdir()) == []


def test_a_directory_that_cannot_be_made_only_costs_time(tmp_path, runs, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path / "file" / "below"))
    assert [runs(), runs()] == [False, False]
    assert not cache.write("0" * 64, b"code")
    assert cache.read("0" * 64) is None
    assert cache.cache_size_bytes() == 0
    assert cache.clear_cache() == 0


def test_a_cache_filled_by_one_user_can_be_read_by_others(own_cache):
    before = os.umask(0o022)
    try:
        cache.write("0" * 64, b"code")
    finally:
        os.umask(before)
    (path,) = entries(own_cache)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


# ------------------------------------------------------------ broken entries


def flipped(content, place):
    place %= len(content)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


BREAKAGES = {
    "empty": lambda content: b"",
    "truncated in the first line": lambda content: content[:7],
    "truncated in the digest": lambda content: content[:30],
    "truncated in the code": lambda content: content[: len(content) // 2],
    "without its last byte": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "another version": lambda content: content.replace(b"netts-code 1", b"netts-code 2", 1),
    "a flipped bit in the digest": lambda content: flipped(content, 20),
    "a flipped bit in the header": lambda content: flipped(content, 50),
    "a flipped bit in the code": lambda content: flipped(content, len(content) // 2),
    "a flipped bit at the end": lambda content: flipped(content, -1),
    "text": lambda content: b"not code at all\n" * 100,
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_entry_is_compiled_again_and_repaired(breakage, own_cache, runs):
    assert not runs()
    (path,) = entries(own_cache)
    path.write_bytes(BREAKAGES[breakage](path.read_bytes()))
    assert not runs()
    assert runs()
    assert entries(own_cache) == [path]


def test_an_entry_that_is_a_directory_only_costs_time(own_cache, runs):
    runs()
    (path,) = entries(own_cache)
    path.unlink()
    path.mkdir()
    assert [runs(), runs()] == [False, False]
    assert list(own_cache.iterdir()) == [path]


def test_an_entry_that_vanishes_is_compiled_again(own_cache, runs):
    assert not runs()
    cache.clear_cache()
    assert not runs()
    assert runs()


# ------------------------------------------------------------ size


def aged_entries(directory, *names, size=10_000):
    """Write entries of so many bytes, the first named the longest unused."""
    for age, name in enumerate(reversed(names)):
        cache.write(name, bytes(size))
        os.utime(directory / f"{name}.netts-code", (1e9 - age, 1e9 - age))


def test_beyond_the_limit_the_longest_unused_entries_go(own_cache, monkeypatch):
    aged_entries(own_cache, "c", "a", "d", "b")
    monkeypatch.setenv(cache.LIMIT_VARIABLE, "0.035")
    cache.write("e", bytes(10_000))
    assert [path.stem for path in entries(own_cache)] == ["b", "d", "e"]


def test_reading_an_entry_keeps_it(own_cache, monkeypatch):
    aged_entries(own_cache, "a", "b", "c")
    assert cache.read("a") == bytes(10_000)
    monkeypatch.setenv(cache.LIMIT_VARIABLE, "0.035")
    cache.write("d", bytes(10_000))
    assert [path.stem for path in entries(own_cache)] == ["a", "c", "d"]


def test_below_the_limit_nothing_goes(own_cache, monkeypatch):
    aged_entries(own_cache, "a", "b", "c")
    monkeypatch.setenv(cache.LIMIT_VARIABLE, "0.05")
    cache.write("d", bytes(10_000))
    assert len(entries(own_cache)) == 4


def test_a_limit_of_zero_keeps_nothing(own_cache, runs, monkeypatch):
    monkeypatch.setenv(cache.LIMIT_VARIABLE, "0")
    assert [runs(), runs()] == [False, False]
    assert entries(own_cache) == []


@pytest.mark.usefixtures("own_cache")
def test_a_limit_that_is_no_number_is_named(runs, monkeypatch):
    monkeypatch.setenv(cache.LIMIT_VARIABLE, "256 MB")
    with pytest.raises(
        ParameterError, match="NETTS_CACHE_LIMIT_MB is a number of megabytes, got '256 MB'"
    ):
        runs()


def test_the_size_is_that_of_the_files(own_cache):
    assert cache.cache_size_bytes() == 0
    aged_entries(own_cache, "a", "b")
    (own_cache / "not ours").write_bytes(bytes(1000))
    assert cache.cache_size_bytes() == sum(path.stat().st_size for path in entries(own_cache))


def test_clearing_deletes_the_entries_and_nothing_else(own_cache):
    aged_entries(own_cache, "a", "b")
    (own_cache / "not ours").touch()
    (own_cache / "c.netts-code.0123").touch()  # of a process that was killed
    assert cache.clear_cache() == 3
    assert [path.name for path in own_cache.iterdir()] == ["not ours"]
    assert cache.clear_cache() == 0


# ------------------------------------------------------------ keys


def test_code_is_named_by_all_that_made_it(own_cache, runs, monkeypatch):
    assert not runs()
    monkeypatch.setattr(native, "fingerprint", lambda: "another processor")
    assert not runs()
    assert len(entries(own_cache)) == 2


def test_the_fingerprint_names_versions_and_the_processor():
    text = native.fingerprint()
    for part in ("numba ", "llvmlite ", "Python ", native.llvm.get_host_cpu_name()):
        assert part in text
