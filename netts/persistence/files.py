"""Read a file whole, and replace one so that there is the old content or the new, never a part."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from netts.choices import did_you_mean_file
from netts.errors import ModelFileError, ModelFileNotFoundError

CHUNK_BYTES = 2**20
"""How much is unpacked at a time, so that memory grows with what a file has, not promises."""


class Readable(Protocol):
    """What bytes are read from, packed or not."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most `size`."""


def read_exactly(file: Readable, n_bytes: int) -> bytearray:
    """Return the next bytes, fewer where the file ends."""
    content = bytearray()
    while len(content) < n_bytes:
        chunk = file.read(min(n_bytes - len(content), CHUNK_BYTES))
        if not chunk:
            break
        content += chunk
    return content


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file.

    Raises
    ------
    ModelFileNotFoundError, ModelFileError
        Where there is none, or it cannot be read: a directory, a device, no permission.
    """
    with _named_errors(path, "cannot be read"):
        source = Path(path)
        try:
            status = source.stat()
        except FileNotFoundError as error:
            hint = did_you_mean_file(source)
            raise ModelFileNotFoundError(f"there is no file {source}{hint}") from error
        _require_regular(source, status.st_mode)
        return source.read_bytes()


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file beside the path, and give it the path's name once it is on disk.

    Whatever happens meanwhile, an error, a signal or a loss of power, the path leads to its old
    content or to the new one. A process that is killed may leave `.netts-*.tmp` behind. A symbolic
    link stays, and the file that it points to is replaced; permission bits stay too.

    Raises
    ------
    ModelFileError
        Where that is impossible: no space, no permission, no such directory, no regular file. What
        was there is untouched.
    """
    with _named_errors(path, "cannot be written"):
        target, permissions = _target(path)
        temporary = target.parent / f".netts-{uuid.uuid4().hex}.tmp"
        try:
            _write(temporary, content, permissions)
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _flush_directory(target.parent)


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Raise what `replace_file` would, as far as that can be told without writing.

    Raises
    ------
    ModelFileError
    """
    with _named_errors(path, "cannot be written"):
        _target(path)


def _target(path: str | os.PathLike[str]) -> tuple[Path, int | None]:
    """Return the file to replace, links followed, and its permission bits, None if it is new."""
    target = Path(os.path.realpath(path))
    directory = target.parent
    if not directory.is_dir():
        raise ModelFileError(f"{path} cannot be written: there is no directory {directory}")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ModelFileError(f"{path} cannot be written: no permission to write in {directory}")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target, None
    _require_regular(Path(path), mode)
    if not os.access(target, os.W_OK):  # a rename would not ask
        raise ModelFileError(f"{path} cannot be written: it is read-only; it is untouched")
    return target, stat.S_IMODE(mode)


def _require_regular(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise ModelFileError(f"{path} is a directory: give a file")
    if not stat.S_ISREG(mode):
        raise ModelFileError(f"{path} is a device or a pipe: give a file")


def _write(temporary: Path, content: bytes, permissions: int | None) -> None:
    # Mode 0o666 less the umask, as `open` has it, where there is no file whose bits to keep.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        if permissions is not None:
            os.fchmod(descriptor, permissions)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _flush_directory(directory: Path) -> None:
    """Put the new name on disk; the file itself is there, so what cannot do this need not."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _named_errors(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Turn errors of the operating system into ones that name the path and the reason."""
    try:
        yield
    except ModelFileError:
        raise
    except OSError as error:
        kept = _what_is_kept(path) if what == "cannot be written" else ""
        raise ModelFileError(f"{path} {what}: {error.strerror}{kept}") from error
    except MemoryError as error:
        raise ModelFileError(f"{path} {what}: it does not fit into memory") from error
    except (TypeError, ValueError) as error:  # 3, or a name with a zero character
        raise ModelFileError(f"{path!r} {what}: {error}") from error


def _what_is_kept(path: str | os.PathLike[str]) -> str:
    # A path that is too long, or leads in circles, does not exist; to pathlib it is an error.
    is_there = os.path.exists(path)  # noqa: PTH110 - see above
    return "; the file that was there is untouched" if is_there else ""
