"""What the driver and CUDA's packages say where they fail, as errors of netts."""

from __future__ import annotations

import re
from collections.abc import Callable

from netts.errors import DeviceError, DeviceLostError, DeviceMemoryError

FORKED = (
    "this process was forked from one that uses CUDA, which CUDA does not survive: start processes "
    "with the method 'spawn', or use CUDA in the children only; what runs on the CPU runs here too"
)

LOST = frozenset(
    f"CUDA_ERROR_{name}"
    for name in (
        "ASSERT", "CONTAINED", "CONTEXT_IS_DESTROYED", "DEINITIALIZED", "DEVICE_UNAVAILABLE",
        "ECC_UNCORRECTABLE", "EXTERNAL_DEVICE", "HARDWARE_STACK_ERROR", "ILLEGAL_ADDRESS",
        "ILLEGAL_INSTRUCTION", "INVALID_ADDRESS_SPACE", "INVALID_PC", "LAUNCH_FAILED",
        "LAUNCH_TIMEOUT", "MISALIGNED_ADDRESS", "MPS_CLIENT_TERMINATED", "NVLINK_UNCORRECTABLE",
        "TENSOR_MEMORY_LEAK",
    )
)  # fmt: skip
"""After these "the process must be terminated and relaunched" (CUDA's driver API, CUresult)."""

OUT_OF_MEMORY = "CUDA_ERROR_OUT_OF_MEMORY"

REFUSED_CODE = frozenset(
    f"CUDA_ERROR_{name}"
    for name in (
        "INVALID_IMAGE", "INVALID_PTX", "INVALID_SOURCE", "NO_BINARY_FOR_GPU",
        "UNSUPPORTED_PTX_VERSION",
    )
)  # fmt: skip
"""What a driver says of machine code that is not for it, or not for its GPU."""

_STATUS = re.compile(r"\bCUDA_ERROR_\w+")


def status_of(error: BaseException) -> str:
    """Return the driver's name of what is wrong, as an error of CUDA's packages tells it, or ""."""
    found = _STATUS.search(str(error))
    return found[0] if found else ""


def mebibytes(nbytes: int) -> str:
    """Return a number of bytes in MiB, rounded."""
    return f"{nbytes / 2**20:,.0f} MiB"


def lost(device: str, why: str) -> DeviceLostError:
    """Return the error of every use of a device behind one that it did not survive."""
    return DeviceLostError(
        f"{device} is lost to this process: {why}. What was in its memory only is gone. On the CPU "
        "work can go on, device='cpu'; to use the GPU again start a new process"
    )


def no_room(device: str, what: int | str, memory: tuple[int, int] | None) -> DeviceMemoryError:
    """Return the error of a device that has no memory left for so many bytes, or for something.

    `memory` is what is free of its memory and all of it, None where it does not even say that.
    """
    asked = f"{what:,} bytes" if isinstance(what, int) else what
    size = f"{mebibytes(what)} asked for, " if isinstance(what, int) else ""
    found = "nor for saying how much is free"
    if memory is not None:
        free, total = memory
        found = f"{free:,} of its {total:,} bytes are free ({size}{mebibytes(free)} free)"
    return DeviceMemoryError(
        f"{device} has no room for {asked}: {found}; pass less at a time, or end other programs "
        "that use it"
    )


def explained(
    device: str, what: str, status: str, text: str, memory: Callable[[], tuple[int, int] | None]
) -> DeviceError:
    """Return the error of something that failed on a device, the device not lost.

    Parameters
    ----------
    what
        Failed, such as "cuMemAlloc" or "launching kernel 'relu_forward'".
    status, text
        The driver's name of it, and a description.
    memory
        Gives what is free of the device's memory, and all of it; None where that is not known.
    """
    if status == OUT_OF_MEMORY:
        return no_room(device, what, memory())
    return DeviceError(f"{what} fails on {device}: {status or 'no status'}, {text}")
