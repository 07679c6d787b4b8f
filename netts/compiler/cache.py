"""Compiled code on disk: one file for each generated function, named by a hash of what made it.

The name covers the generated text, every text that it calls, the versions of netts, numba and
llvmlite, and the processor, so an entry is never stale: a changed kernel is another entry. Entries
are written to a temporary file and renamed; a directory that cannot be written is read only, a
missing or broken entry is compiled again. When the files outgrow the limit, the longest unused go.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from pathlib import Path

import platformdirs

from netts.errors import ParameterError

DIRECTORY_VARIABLE = "NETTS_CACHE_DIR"
LIMIT_VARIABLE = "NETTS_CACHE_LIMIT_MB"
DEFAULT_LIMIT_MB = 256
"""Room for tens of thousands of entries, which are 2 to 20 kB each."""

_SUFFIX = ".netts-code"
_MAGIC = b"netts-code 1\n"


def cache_directory() -> Path:
    """Return the directory of compiled code: `NETTS_CACHE_DIR`, or the user's cache directory."""
    chosen = os.environ.get(DIRECTORY_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("netts", appauthor=False)


def cache_size_bytes() -> int:
    """Return the bytes of all entries, those that a killed process left unfinished included."""
    return sum(size for _, size, _ in _entries())


def count_entries() -> int:
    """Return the number of entries."""
    return len(_entries())


def clear_cache() -> int:
    """Delete every entry and return how many were deleted."""
    deleted = 0
    for path, _, _ in _entries():
        with contextlib.suppress(OSError):
            path.unlink()
            deleted += 1
    return deleted


def read(key: str) -> bytes | None:
    """Return the content of an entry, None where there is none that is whole."""
    path = cache_directory() / f"{key}{_SUFFIX}"
    try:
        content = path.read_bytes()
    except OSError:
        return None
    header = len(_MAGIC) + 32
    body = content[header:]
    if content[: len(_MAGIC)] != _MAGIC or content[len(_MAGIC) : header] != _digest(body):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # so that the longest unused entry is the oldest file
    return body


def write(key: str, content: bytes) -> bool:
    """Write an entry; return False, with nothing changed, where the directory refuses it."""
    directory = cache_directory()
    temporary = None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # Readable to whom the directory is, as one that is filled once and then shared must be.
        temporary = directory / f"{key}{_SUFFIX}.{uuid.uuid4().hex}"
        temporary.write_bytes(_MAGIC + _digest(content) + content)
        temporary.replace(directory / f"{key}{_SUFFIX}")
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        return False
    _enforce_limit()
    return True


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _entries() -> list[tuple[Path, int, float]]:
    """Return path, bytes and time of last use of each entry."""
    found = []
    with contextlib.suppress(OSError):
        for path in cache_directory().glob(f"*{_SUFFIX}*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((path, status.st_size, status.st_mtime))
    return found


def _enforce_limit() -> None:
    """Delete the longest unused entries until the rest fits."""
    entries = sorted(_entries(), key=lambda entry: entry[2])
    excess = sum(size for _, size, _ in entries) - _limit_bytes()
    for path, size, _ in entries:
        if excess <= 0:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        excess -= size


def _limit_bytes() -> float:
    text = os.environ.get(LIMIT_VARIABLE) or str(DEFAULT_LIMIT_MB)
    try:
        return float(text) * 1e6
    except ValueError:
        raise ParameterError(f"{LIMIT_VARIABLE} is a number of megabytes, got {text!r}") from None
