"""The model file: a safetensors file whose metadata describe the model, and a checksum over all.

Bytes, as https://huggingface.co/docs/safetensors gives them: the length of the header, 64 bits,
little endian; the header, JSON; the arrays. Where safetensors keeps metadata, text under text, the
header has one text, "netts", which is JSON once more::

    {"sha256": "...", "format": 1, "kind": "network", "versions": {"netts": "0.1.0", ...},
     "content": ...}

`sha256` is that of the whole file, with zeros in its own place. Equal models give equal bytes:
there is one text because safetensors writes several in an order of chance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from netts.errors import BrokenModelError, NewerModelError, UnsavableError
from netts.persistence.annotations import conforms
from netts.persistence.forms import DTYPES
from netts.persistence.recognition import describe_format
from netts.persistence.strict_json import parse

FORMAT = 1
"""The newest that this netts reads, and the one that it writes."""

MAX_HEADER_BYTES = 100_000_000
"""What the safetensors library reads at most."""

_KEY = "netts"
_NO_CHECKSUM = "0" * 64
_DTYPE_NAMES = {
    "BOOL": "bool", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64", "U8": "uint8",
    "U16": "uint16", "U32": "uint32", "U64": "uint64", "F16": "float16", "F32": "float32",
    "F64": "float64",
}  # fmt: skip


@dataclass(frozen=True)
class ModelFile:
    """What a model file says.

    Attributes
    ----------
    kind : str
        Of the model: "network", "mlp_classifier", ...
    content
        The description of the model as JSON has it; `netts.persistence.forms` says how to read it.
    arrays : mapping of str to ndarray
        That `content` names.
    versions : mapping of str to str
        Of netts, Python and packages, where it was written.
    format : int
    checksum : str
        SHA-256 of the file with zeros in its place; "" before it is written.
    n_bytes : int
        The size of the file; 0 before it is written.
    """

    kind: str
    content: Any
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    versions: Mapping[str, str]
    format: int = FORMAT
    checksum: str = ""
    n_bytes: int = 0


def to_bytes(model: ModelFile) -> bytes:
    """Return the bytes of a model file.

    Raises
    ------
    UnsavableError
        Where the description is longer than a safetensors file may have it.
    """
    said = {
        "sha256": _NO_CHECKSUM,
        "format": model.format,
        "kind": model.kind,
        "versions": dict(model.versions),
        "content": model.content,
    }
    text = json.dumps(said, allow_nan=False, separators=(",", ":"))
    content = save(dict(model.arrays), {_KEY: text})
    if _header_length(content) > MAX_HEADER_BYTES:
        raise UnsavableError(
            f"the model takes {_header_length(content):,} bytes besides its arrays, of at most "
            f"{MAX_HEADER_BYTES:,}: is it the history of very many epochs, or very many texts?"
        )
    place = _place_of(content, _NO_CHECKSUM)
    checksum = _digest(content, place).encode()
    return b"".join([content[:place], checksum, memoryview(content)[place + 64 :]])


def from_bytes(content: bytes) -> ModelFile:
    """Read a model file.

    It takes memory and time in proportion to the number of bytes, whatever they say.

    Raises
    ------
    NewerModelError
        Where a newer netts wrote it in a format unknown here.
    BrokenModelError
        Where it is empty, no model file, cut off, changed, or contradicts itself.
    """
    header = _header(content)
    said = _metadata(header)
    _check_format(said)
    end = 8 + _header_length(content) + _check_tensors(header)
    if end != len(content):
        how = "cut off" if end > len(content) else "too long"
        raise BrokenModelError(f"is {how}: it has {len(content):,} bytes of {end:,}")
    _check_checksum(content, said)
    _check_entries(said)
    return ModelFile(
        said["kind"],
        said["content"],
        _arrays(content),
        said["versions"],
        said["format"],
        said["sha256"],
        len(content),
    )


def _header_length(content: bytes) -> int:
    return int.from_bytes(content[:8], "little")


def _header(content: bytes) -> dict[str, Any]:
    if not content:
        raise BrokenModelError("is empty")
    if len(content) < 9:
        raise BrokenModelError(f"is too short for a model file: it has {len(content)} bytes")
    # A header begins with a brace; any other file of text or numbers has one there by chance.
    length = _header_length(content)
    if content[8:9] != b"{" or length > MAX_HEADER_BYTES:
        raise BrokenModelError(f"is no model file: it is {describe_format(content)}")
    if len(content) < 8 + length:
        raise BrokenModelError(
            f"is cut off, or no model file: it has {len(content):,} bytes, and its header alone "
            f"would take {8 + length:,}"
        )
    return parse(content[8 : 8 + length], "has a header that")


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or set(metadata) != {_KEY}:
        raise BrokenModelError("is a safetensors file, but none that netts wrote")
    text = metadata[_KEY]
    if not isinstance(text, str):
        raise BrokenModelError("has a description that is no text")
    said = parse(text, "has a description that")
    if not isinstance(said, dict):
        raise BrokenModelError("has a description that is no JSON object")
    return said


def _check_format(said: dict[str, Any]) -> None:
    """Look at nothing that a newer format may do otherwise, its checksum included."""
    number = said.get("format")
    if type(number) is not int or number < 1:
        raise BrokenModelError(f"has no format number, but {str(number)[:100]!r}")
    if number > FORMAT:
        versions = said.get("versions")
        version = versions.get("netts", "?") if isinstance(versions, dict) else "?"
        raise NewerModelError(
            f"was written by netts {str(version)[:100]} in format {number}; this netts reads "
            f"formats up to {FORMAT}: install a newer one"
        )


def _check_tensors(header: dict[str, Any]) -> int:
    """Return how many bytes the arrays take, by what the header declares."""
    n_bytes = 0
    for name, declared in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(declared, dict) or set(declared) != {"dtype", "shape", "data_offsets"}:
            raise BrokenModelError(f"has an array {name[:100]!r} without dtype, shape and offsets")
        dtype, shape, offsets = declared["dtype"], declared["shape"], declared["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _DTYPE_NAMES:
            raise BrokenModelError(f"has an array {name[:100]!r} of dtype {str(dtype)[:100]!r}")
        if not (_are_extents(shape) and _are_extents(offsets) and len(offsets) == 2):
            raise BrokenModelError(f"has an array {name[:100]!r} of no possible shape or place")
        n_bytes = max(n_bytes, offsets[1])
    return n_bytes


def _are_extents(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 2**63 for n in numbers)


def _check_checksum(content: bytes, said: dict[str, Any]) -> None:
    checksum = said.get("sha256")
    if not (isinstance(checksum, str) and len(checksum) == 64 and checksum.isascii()):
        raise BrokenModelError("has no checksum")
    if _digest(content, _place_of(content, checksum)) != checksum:
        raise BrokenModelError("is damaged: its checksum does not fit its content")


def _place_of(content: bytes, checksum: str) -> int:
    """Return where the checksum stands, in a JSON text in a JSON text."""
    before = rb"\"sha256\":\""
    found = content.find(before + checksum.encode(), 8, 8 + _header_length(content))
    if found < 0:
        raise BrokenModelError("is damaged: its checksum does not stand where it belongs")
    return found + len(before)


def _digest(content: bytes, place: int) -> str:
    """Return the SHA-256 of a file with zeros for its checksum."""
    digest = hashlib.sha256(memoryview(content)[:place])
    digest.update(_NO_CHECKSUM.encode())
    digest.update(memoryview(content)[place + 64 :])
    return digest.hexdigest()


def _check_entries(said: dict[str, Any]) -> None:
    if set(said) != {"sha256", "format", "kind", "versions", "content"}:
        raise BrokenModelError(f"describes {str(sorted(said))[:200]}, not kind and content")
    if not (isinstance(said["kind"], str) and conforms(said["versions"], dict[str, str])):
        raise BrokenModelError("names no kind of model, or no versions")


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    """Return writable arrays over memory of their own."""
    try:
        tensors = deserialize(content)  # type: ignore[no-untyped-call]
        return {name: _array(tensor) for name, tensor in tensors}
    except (SafetensorError, ValueError, OverflowError) as error:
        raise BrokenModelError(f"has arrays that contradict each other: {error}") from None


def _array(tensor: dict[str, Any]) -> np.ndarray:
    array = np.frombuffer(tensor["data"], DTYPES[_DTYPE_NAMES[tensor["dtype"]]])
    if array.dtype == bool and (array.view(np.uint8) > 1).any():
        raise ValueError("a truth value is 0 or 1")
    return array.reshape(tensor["shape"])
