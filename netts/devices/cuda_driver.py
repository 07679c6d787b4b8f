"""Whether CUDA can be used, and if not, what is missing: asked without importing its packages.

The driver's own C library is asked, so that a machine without a GPU can be told from one where only
a package is missing, and asking costs milliseconds.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass

from netts.devices import nvml
from netts.errors import DeviceError

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"

OLDEST = (12, 0)
"""The CUDA version that numba-cuda 0.30 needs the driver to support."""

PACKAGES = ("numba_cuda", "cuda.bindings", "cuda.core")
CUBLAS_PACKAGE = "nvmath"
"""Needed for speed only: without it, sums of products run as their loops."""

SIMULATOR_VARIABLE = "NUMBA_ENABLE_CUDASIM"

_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
_REASONS = {
    3: "this process was forked from one that uses CUDA, which CUDA does not survive: start "
    "processes with the method 'spawn'",
    803: "the driver's library and its kernel module are of different versions: restart the "
    "machine after an update of the driver",
    804: "the driver is older than the CUDA compatibility library that is loaded in its place: "
    "update the driver, or remove that library from LD_LIBRARY_PATH",
}
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


_POINTER_ORDINAL = 9  # CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL


@dataclass(frozen=True)
class Gpu:
    """A GPU as the driver describes it.

    Attributes
    ----------
    capability, driver
        The compute capability, and the version of CUDA that the driver supports.
    bus_id
        Where it is on the PCI bus; "" where the driver does not say.
    """

    name: str
    memory_bytes: int
    capability: tuple[int, int]
    driver: tuple[int, int]
    bus_id: str = ""

    @property
    def free_bytes(self) -> int | None:
        """How much of its memory is free now, None where that cannot be found out."""
        return nvml.free_bytes(self.bus_id, self.memory_bytes) if self.bus_id else None

    def __str__(self) -> str:
        major, minor = self.capability
        return (
            f"{self.name}, {self.memory_bytes / 2**30:.0f} GiB, compute capability "
            f"{major}.{minor}, driver for CUDA {self.driver[0]}.{self.driver[1]}"
        )


def missing() -> str | None:
    """Return what keeps this process from using CUDA and how to get it, None where nothing does."""
    try:
        check_available()
    except DeviceError as error:
        return str(error)
    return None


def check_available() -> tuple[Gpu, ...]:
    """Return the GPUs that can be used.

    Raises
    ------
    DeviceError
        Where CUDA cannot be used; the message says what is missing and how to get it.
    """
    return _available(os.getpid())


@functools.cache  # what is there stays; what is missing is looked for again, and by a forked child
def _available(_process: int) -> tuple[Gpu, ...]:
    if os.environ.get(SIMULATOR_VARIABLE, "0") not in ("", "0"):
        raise DeviceError(
            f"{SIMULATOR_VARIABLE} is set, so that numba interprets kernels instead of compiling "
            "them: unset it to use a GPU"
        )
    gpus = find_gpus()
    extra = f"cuda{min(gpus[0].driver[0], 13)}"
    absent = [name for name in PACKAGES if not _is_installed(name)]
    if absent:
        raise DeviceError(
            f"a GPU is there ({gpus[0].name}), but {' and '.join(absent)} cannot be imported: "
            f"install netts with its extra {extra!r}, `pip install '.[{extra}]'`"
        )
    # Imported here, as it costs more than all else that a process without CUDA imports of this.
    toolkit = importlib.import_module("importlib.metadata").version("cuda-bindings")
    if int(toolkit.partition(".")[0]) > gpus[0].driver[0]:
        raise DeviceError(
            f"the NVIDIA driver is too old for the installed packages: it supports CUDA "
            f"{gpus[0].driver[0]}.{gpus[0].driver[1]}, and cuda-bindings is {toolkit}: install "
            f"netts with its extra {extra!r} instead, or update the driver"
        )
    return gpus


def cublas_missing() -> str | None:
    """Return why cuBLAS cannot be called and how to get it, None where it can.

    Asked of the package alone: whether its library is found shows when it is first used.
    """
    if _is_installed(CUBLAS_PACKAGE):
        return None
    return (
        f"{CUBLAS_PACKAGE} cannot be imported: install netts with its extra 'cuda12' or 'cuda13', "
        "after the driver's major version of CUDA"
    )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is not
        return False


def find_gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that this process may use, one or more.

    Raises
    ------
    DeviceError
        Where there is none: without a driver, with one that is too old, or with all GPUs hidden.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise DeviceError(
            f"no NVIDIA driver: {LIBRARY} is not found. On a machine with an NVIDIA GPU, install "
            "the system's driver package; in a container, start it with access to the GPUs"
        ) from None
    status = library.cuInit(0)
    if status:
        raise DeviceError(_refusal(status))
    driver = _driver_version(library)
    if driver < OLDEST:
        raise DeviceError(
            f"the NVIDIA driver is too old: it supports CUDA {driver[0]}.{driver[1]}, and CUDA "
            f"{OLDEST[0]}.{OLDEST[1]} is needed: update the driver"
        )
    count = ctypes.c_int()
    library.cuDeviceGetCount(ctypes.byref(count))
    if count.value == 0:
        raise DeviceError(_refusal(_NO_DEVICE))
    return tuple(_described(library, ordinal, driver) for ordinal in range(count.value))


def ordinal_at(address: int) -> int:
    """Return the number of the GPU in whose memory an address lies; 0 where the driver cannot tell.

    Nothing lies at the address of an empty array, 0, which may be anywhere.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return 0  # whoever uses it is told that there is no driver
    ordinal = ctypes.c_int(0)
    library.cuPointerGetAttribute(
        ctypes.byref(ordinal), _POINTER_ORDINAL, ctypes.c_uint64(address or 0)
    )
    return ordinal.value


def _refusal(status: int) -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if status == _NO_DEVICE and visible is not None:
        return (
            f"CUDA_VISIBLE_DEVICES={visible!r} leaves no GPU visible: unset it, or name one that "
            "`nvidia-smi -L` lists"
        )
    if status == _NO_DEVICE:
        return "the NVIDIA driver finds no GPU; `nvidia-smi` should list one"
    reason = _REASONS.get(status, "`nvidia-smi` may say more")
    return f"the NVIDIA driver does not start (cuInit gives {status}): {reason}"


def _driver_version(library: ctypes.CDLL) -> tuple[int, int]:
    version = ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    return version.value // 1000, version.value % 1000 // 10


def _described(library: ctypes.CDLL, ordinal: int, driver: tuple[int, int]) -> Gpu:
    handle, name, memory = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_size_t()
    library.cuDeviceGet(ctypes.byref(handle), ordinal)
    library.cuDeviceGetName(name, len(name), handle)
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    capability = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int()
        library.cuDeviceGetAttribute(ctypes.byref(value), attribute, handle)
        capability.append(value.value)
    return Gpu(
        name.value.decode(), memory.value, (capability[0], capability[1]), driver,
        _bus_id(library, handle),
    )  # fmt: skip


def _bus_id(library: ctypes.CDLL, handle: ctypes.c_int) -> str:
    text = ctypes.create_string_buffer(32)
    failed = library.cuDeviceGetPCIBusId(text, len(text), handle)
    return "" if failed else text.value.decode()
