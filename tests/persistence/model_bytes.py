"""Model files taken apart and put together, as somebody would who means them to lie."""

from __future__ import annotations

import hashlib
import json
from typing import Any

ZEROS = "0" * 64


def take_apart(content: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """The header of a model file, its description, and the bytes of its arrays."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    return header, json.loads(header["__metadata__"]["netts"]), content[end:]


def assemble(header: Any, data: bytes, said: Any = None, *, is_honest: bool = True) -> bytes:
    """A file of these parts, with a checksum that fits unless it is not to be honest.

    The header is a dict or bytes, the description a dict, JSON text, or what the header has.
    """
    if isinstance(said, dict):
        said = said | ({"sha256": ZEROS} if is_honest and "sha256" in said else {})
        said = json.dumps(said, separators=(",", ":"))
    if said is not None:
        header = header | {"__metadata__": {"netts": said}}
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + data
    return repaired(content) if is_honest else content


def repaired(content: bytes) -> bytes:
    """The file with a checksum that fits, if there is a place for one."""
    mark = rb"\"sha256\""
    start = content.find(mark)
    place = content.find(rb"\"", start + len(mark)) + 2
    if start < 0 or not content[place : place + 64].isalnum():
        return content
    zeroed = content[:place] + ZEROS.encode() + content[place + 64 :]
    checksum = hashlib.sha256(zeroed).hexdigest().encode()
    return content[:place] + checksum + content[place + 64 :]
