"""What a file is that is no model, by how it begins."""

from __future__ import annotations

BEGINNINGS = {
    b"PK\x03\x04": "a ZIP archive, as .npz, .keras, .pt and Excel files are",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\x89HDF": "an HDF5 file, as Keras wrote",
    b"\x1f\x8b": "compressed by gzip",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"\x78\x01": "compressed by zlib, as joblib does",
    b"\x78\x5e": "compressed by zlib, as joblib does",
    b"\x78\x9c": "compressed by zlib, as joblib does",
    b"\x78\xda": "compressed by zlib, as joblib does",
    b"\xd0\xcf\x11\xe0": "an old Office document, as .xls files are",
    b"ARROW1": "an Arrow file",
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"GGUF": "a GGUF file",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF document",
}

_TEXT_BYTES = {*range(0x20, 0x7F), *range(0x80, 0x100), *b"\t\n\r\f"}


def describe_format(content: bytes) -> str:
    """Say what the first bytes of a file look like: "a ZIP archive ..."."""
    known = describe_binary(content)
    if known is not None:
        return known
    if not set(content[:4096]) - _TEXT_BYTES:
        return "text, such as a CSV file or a script"
    return "of a format that netts does not know"


def describe_binary(content: bytes) -> str | None:
    """Say what a file of bytes is whose beginning is known, None for text and all else."""
    if not set(content) - _TEXT_BYTES:
        return None
    for beginning, description in BEGINNINGS.items():
        if content.startswith(beginning):
            return description
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a pickle, which netts never opens, as a pickle can run any code"
    return None
