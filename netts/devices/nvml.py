"""How much of a GPU's memory is free, asked of NVML, which comes with the driver.

CUDA itself can only be asked in a context, which takes half a second and hundreds of megabytes of
the memory that is asked about.
"""

from __future__ import annotations

import ctypes
import sys

LIBRARY = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"


class _Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


def free_bytes(bus_id: str, memory_bytes: int) -> int | None:
    """Return how much memory of a GPU is free, None where NVML cannot say.

    Parameters
    ----------
    bus_id
        Of the GPU on the PCI bus, as the driver gives it.
    memory_bytes
        Of the GPU. Where NVML counts otherwise by a tenth, as for one that is divided (MIG), it
        speaks of another.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
        if library.nvmlInit_v2():
            return None
    except (OSError, AttributeError):  # no library, or one from before these functions
        return None
    try:
        handle, memory = ctypes.c_void_p(), _Memory()
        if library.nvmlDeviceGetHandleByPciBusId_v2(bus_id.encode(), ctypes.byref(handle)):
            return None
        if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
            return None
        return int(memory.free) if abs(memory.total - memory_bytes) < memory_bytes / 10 else None
    finally:
        library.nvmlShutdown()
