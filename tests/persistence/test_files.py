"""Reading and replacing files: whole or not at all, and errors that name file and reason."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from netts.errors import ModelFileError, ModelFileNotFoundError
from netts.persistence.files import check_replaceable, read_file, replace_file

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.netts"


def names(directory):
    return sorted(one.name for one in directory.iterdir())


def test_what_was_written_is_read(path):
    for content in (b"old", b"new, and longer", b""):
        replace_file(path, content)
        assert read_file(path) == path.read_bytes() == content
    assert names(path.parent) == ["model.netts"]


def test_a_new_file_has_the_permissions_of_any_new_file(path):
    before = os.umask(0o027)
    try:
        replace_file(path, b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_an_old_file_keeps_its_permissions(path):
    path.write_bytes(b"old")
    path.chmod(0o604)
    replace_file(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_link_stays_and_its_file_is_replaced(path, tmp_path):
    (tmp_path / "deep").mkdir()
    path.symlink_to("deep/real.netts")
    for content in (b"new", b"newer"):
        replace_file(path, content)
        assert path.is_symlink()
        assert (tmp_path / "deep" / "real.netts").read_bytes() == content


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    replace_file(tmp_path / ("a" * 255), b"x")


def test_leftovers_of_a_killed_process_are_no_obstacle(path):
    (path.parent / ".netts-0.tmp").write_bytes(b"a part")
    replace_file(path, b"x")
    assert path.read_bytes() == b"x"


@pytest.fixture
def odd(tmp_path):
    """Paths that are no file."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("directory", "directory is a directory: give a file"),
        ("pipe", "pipe is a device or a pipe: give a file"),
        ("/dev/null", "/dev/null is a device or a pipe"),
        ("loop", "loop cannot be written: Too many levels of symbolic links"),
        ("nowhere/a.netts", "a.netts cannot be written: there is no directory .*nowhere"),
        ("a" * 256, "cannot be written: File name too long"),
        ("a\0b", "cannot be written: embedded null"),
    ],
)
def test_what_cannot_be_written_is_named(odd, name, message):
    before = names(odd)
    for act in (lambda path: replace_file(path, b"x"), check_replaceable):
        with pytest.raises(ModelFileError, match=message):
            act(odd / name)
    assert names(odd) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("directory", "directory is a directory: give a file"),
        ("pipe", "pipe is a device or a pipe: give a file"),
        ("/dev/zero", "/dev/zero is a device or a pipe"),
        ("loop", "loop cannot be read: Too many levels of symbolic links"),
        ("a" * 256, "cannot be read: File name too long"),
        ("a\0b", "cannot be read: embedded null"),
        ("directory/a/b", "there is no file .*b: there is no directory .*a either"),
        ("direktory", r"there is no file .*direktory \(did you mean 'directory'\?\)"),
        ("other", "there is no file .*other$"),
    ],
)
def test_what_cannot_be_read_is_named(odd, name, message):
    with pytest.raises(ModelFileError, match=message) as caught:
        read_file(odd / name)
    assert isinstance(caught.value, FileNotFoundError) is message.startswith("there is no")


@pytest.mark.parametrize("act", [read_file, lambda path: replace_file(path, b"x")])
def test_a_path_is_a_text_or_a_path(act):
    with pytest.raises(ModelFileError, match=r"3\.5 cannot be"):
        act(3.5)


def test_a_missing_file_is_a_file_not_found_error(path):
    with pytest.raises(ModelFileNotFoundError):
        read_file(path)
    with pytest.raises(FileNotFoundError):
        read_file(path)


WITHOUT_PERMISSION = """\
import os, sys
from netts.errors import ModelFileError
from netts.persistence.files import check_replaceable, read_file, replace_file
if os.geteuid() == 0:
    os.setuid(65534)
for act, name in [
    (read_file, "secret"), (lambda path: replace_file(path, b"new"), "read_only"),
    (check_replaceable, "read_only"), (lambda path: replace_file(path, b"new"), "closed/new"),
    (check_replaceable, "closed/new"), (read_file, "secret/inside"),
]:
    try:
        act(f"{sys.argv[1]}/{name}")
    except ModelFileError as error:
        print(str(error).replace(sys.argv[1], ""))
    else:
        print("no error")
"""


def test_missing_permission_is_named():
    # Not in tmp_path, which root, as which this may run, shares with nobody.
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        for file in ("secret", "read_only"):
            (directory / file).write_bytes(b"old")
        (directory / "secret").chmod(0)
        (directory / "read_only").chmod(0o444)
        (directory / "closed").mkdir(mode=0o555)
        if IS_ROOT:  # nobody owns the files, so that it is their bits which count
            directory.chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_PERMISSION, name],
            capture_output=True,
            text=True,
            check=True,
        )
        assert (directory / "read_only").read_bytes() == b"old"
    assert done.stdout.splitlines() == [
        "/secret cannot be read: Permission denied",
        "/read_only cannot be written: it is read-only; it is untouched",
        "/read_only cannot be written: it is read-only; it is untouched",
        "/closed/new cannot be written: no permission to write in /closed",
        "/closed/new cannot be written: no permission to write in /closed",
        "/secret/inside cannot be read: Not a directory",
    ]


# A write beyond the limit fails with EFBIG where the signal is ignored, as on a full disk.
ON_A_FULL_DISK = """\
import resource, signal, sys
from netts.errors import ModelFileError
from netts.persistence.files import replace_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    replace_file(sys.argv[1], bytes(10**6))
except ModelFileError as error:
    print(error)
"""


def test_a_write_that_fails_half_way_leaves_the_old_file(path):
    replace_file(path, b"old")
    done = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        f"{path} cannot be written: File too large; the file that was there is untouched\n"
    )
    assert names(path.parent) == ["model.netts"]
    assert path.read_bytes() == b"old"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no right to mount a file system")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_leaves_the_old_file_and_is_named(small_disk):
    path = small_disk / "model.netts"
    old = b"old" * 20_000
    replace_file(path, old)
    with pytest.raises(ModelFileError, match="cannot be written: No space left on device; the f"):
        replace_file(path, bytes(10**6))
    assert names(small_disk) == ["model.netts"]
    assert read_file(path) == old
    replace_file(path, b"new")
    assert read_file(path) == b"new"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_nothing_changes_before_the_new_file_is_on_disk(path, monkeypatch, failing):
    def fail(*arguments):
        raise OSError(5, "Input/output error")

    replace_file(path, b"old")
    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "replace")), fail)
    with pytest.raises(ModelFileError, match="Input/output error; the file that was there is unt"):
        replace_file(path, b"new")
    assert names(path.parent) == ["model.netts"]
    assert path.read_bytes() == b"old"


def test_ctrl_c_leaves_no_temporary_file(path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace_file(path, b"new")
    assert names(path.parent) == []


def test_a_file_larger_than_memory_is_named(path, monkeypatch):
    def fail(path):
        raise MemoryError

    path.write_bytes(b"x")
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(ModelFileError, match="cannot be read: it does not fit into memory"):
        read_file(path)
