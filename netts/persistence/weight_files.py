"""Arrays by name from files that other programs wrote: safetensors and NPZ, never a pickle."""

from __future__ import annotations

import os
import zipfile
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from netts.errors import DataFileError, DataFileNotFoundError, WeightsError
from netts.persistence.npz import check_is_file, read_npz
from netts.persistence.places import brief, in_short, shown
from netts.persistence.recognition import describe_format

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
"""Of safetensors that NumPy has; bfloat16, which it has not, becomes float32."""

MAX_HEADER_BYTES = 100_000_000
"""What the safetensors library reads at most."""

BEGINNING_BYTES = 4096

MOST_COMPRESSION, SPARE_BYTES = 32, 64 * 2**20
"""What an NPZ file may unpack to, in bytes for each of its own, and in any case.

Weights of 32 bits hardly compress; those of a network that was not trained may be zeros.
"""

CONVERT = (
    "in the program that has torch, write safetensors.torch.save_file(model.state_dict(), "
    "'weights.safetensors')"
)


def read_weights(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], bool]:
    """Return the arrays of a safetensors or NPZ file, and whether their order is the writer's.

    Parameters
    ----------
    path : str or path
        Told apart by how it begins, whatever its name.

    Returns
    -------
    dict of str to ndarray, bool
        Those of a safetensors file are sorted by name here, as it has no order.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        Where there is no such file, or it cannot be read.
    DataError, WeightsError
        Where it is damaged or of another format. A pickle is refused, as PyTorch's own files are.
    """
    source = Path(path)
    try:
        check_is_file(source)
        with source.open("rb") as file:
            beginning = file.read(BEGINNING_BYTES)
        if beginning.startswith(b"PK"):
            _refuse_torch(source)
            most = max(SPARE_BYTES, MOST_COMPRESSION * source.stat().st_size)
            return read_npz(source, max_bytes=most), True
        return _safetensors(source.read_bytes(), beginning), False
    except (DataFileError, DataFileNotFoundError):
        raise
    except WeightsError as error:
        raise WeightsError(f"{path} {error}") from error
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror or error}") from error


def _refuse_torch(source: Path) -> None:
    """Refuse the ZIP archive that `torch.save` writes: a pickle, and arrays beside it."""
    try:
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise WeightsError(f"is a damaged ZIP archive: {in_short(error)}") from error
    if any(name.endswith(".pkl") for name in names):
        raise WeightsError(
            "is a file of torch.save, a pickle, which can run any code when it is opened: "
            + CONVERT
        )


def _safetensors(content: bytes, beginning: bytes) -> dict[str, np.ndarray]:
    length = int.from_bytes(content[:8], "little")
    if beginning[8:9] != b"{" or length > MAX_HEADER_BYTES:
        raise WeightsError(
            f"is neither a safetensors nor an NPZ file: it is {describe_format(beginning)}; for "
            f"weights of PyTorch, {CONVERT}"
        )
    try:
        tensors = deserialize(content)  # type: ignore[no-untyped-call]
        # They come in an order of chance.
        return {name: _array(name, tensor) for name, tensor in sorted(tensors, key=itemgetter(0))}
    except (SafetensorError, ValueError, OverflowError, UnicodeError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"is a damaged safetensors file: {in_short(error)}") from error


def _array(name: str, tensor: dict[str, Any]) -> np.ndarray:
    data, dtype = tensor["data"], tensor["dtype"]
    if dtype == "BF16":
        # The upper half of a float32: https://en.wikipedia.org/wiki/Bfloat16_floating-point_format.
        wide = np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)
        return wide.view(np.float32).reshape(tensor["shape"])
    if dtype not in DTYPES:
        raise WeightsError(
            f"has {brief(shown(name))} in {dtype[:20]}, which netts does not read: convert it to "
            "float32 before you save it"
        )
    return np.frombuffer(data, DTYPES[dtype]).reshape(tensor["shape"])
