"""What was measured on this machine and has to stay: small files of JSON beside the cache of code.

A file has a name made of all that its content depends on, so versions and machines that share a
directory do not meet. It holds a line with a format, a line with a digest of what follows, and
JSON. It is written whole, beside its place, and linked there: of several processes that measure at
once the first one wins, and all of them go on with what it has written. What is broken counts as
missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from netts.compiler.cache import cache_directory

SUFFIX = ".netts-costs"
_UNFINISHED = ".netts-unfinished"
_FORMAT = b"netts-costs 1\n"

Content = TypeVar("Content")


def directory() -> Path:
    """Return where they are kept: apart from code, which is dropped when it gets too much."""
    return cache_directory() / "costs"


def path_of(name: str) -> Path:
    """Return the file of a name."""
    return directory() / f"{name}{SUFFIX}"


def read(name: str, parse: Callable[[Any], Content]) -> Content | None:
    """Return what a file holds; None where it is missing, broken, or not such as is written.

    Parameters
    ----------
    parse
        Makes something of the JSON; it raises ValueError, TypeError or KeyError where it cannot.
    """
    try:
        content = path_of(name).read_bytes()
    except OSError:
        return None
    head, _, body = content.partition(b"\n{")
    body = b"{" + body
    if head != header(body):
        return None
    try:
        return parse(json.loads(body))
    except (ValueError, TypeError, KeyError):
        return None


def write(name: str, content: Any, parse: Callable[[Any], Content], *, anew: bool) -> Content:
    """Keep something, and return what is kept: of another process, unless `anew`.

    Raises
    ------
    OSError
        Where the directory refuses it.
    """
    body = json.dumps(content, indent=1).encode()
    path = path_of(name)
    directory().mkdir(parents=True, exist_ok=True)
    temporary = directory() / f"{uuid.uuid4().hex}{_UNFINISHED}"
    try:
        temporary.write_bytes(header(body) + b"\n" + body)
        if anew or not (_is_linked(temporary, path) or read(name, parse) is not None):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    kept = read(name, parse)
    if kept is None:
        raise OSError(f"{path} does not hold what was written")
    return kept


def _is_linked(temporary: Path, path: Path) -> bool:
    """Give a file its name, unless another has it, or the file system has no links."""
    try:
        os.link(temporary, path)
    except OSError:
        return False
    return True


def header(body: bytes) -> bytes:
    """Return the lines before the JSON."""
    return _FORMAT + hashlib.sha256(body).hexdigest().encode()


def forget() -> int:
    """Delete everything, for every machine, and return of how many processors there were costs."""
    deleted = 0
    for path in _files():
        with contextlib.suppress(OSError):
            path.unlink()
            deleted += _is_of_processor(path)
    with contextlib.suppress(OSError):
        directory().rmdir()
    return deleted


def count() -> int:
    """Return of how many processors costs are kept."""
    return sum(map(_is_of_processor, _files()))


def _is_of_processor(path: Path) -> bool:
    """Whether a file holds the costs of a processor; names of others have a kind in front."""
    return path.suffix == SUFFIX and "-" not in path.stem


def _files() -> list[Path]:
    """Return every file of ours, those that a killed process left unfinished included."""
    try:
        return [one for one in directory().iterdir() if one.suffix in (SUFFIX, _UNFINISHED)]
    except OSError:
        return []
