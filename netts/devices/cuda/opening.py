"""The GPUs that this process has opened: one object for each, made when it is first asked for."""

from __future__ import annotations

import os
import threading

from netts.devices.cuda import failures, packages
from netts.devices.cuda.gpu import CudaDevice
from netts.devices.cuda_driver import check_available
from netts.errors import DeviceError

_devices: dict[int, CudaDevice] = {}
_lock = threading.RLock()


def opened(ordinal: int = 0) -> CudaDevice:
    """Return a GPU; a thread enters it to use it.

    Raises
    ------
    DeviceError
        Where CUDA cannot be used, has no GPU of that number, and in a process forked from one that
        used it.
    """
    with _lock:
        if any(not one.is_here for one in _devices.values()):
            raise DeviceError(failures.FORKED)
        if ordinal not in _devices:
            count = len(check_available())
            if ordinal >= count:
                raise DeviceError(f"there is no GPU {ordinal}: this process sees {count}")
            packages.numba_cuda()
            _devices[ordinal] = CudaDevice(ordinal)
        return _devices[ordinal]


def device(ordinal: int = 0) -> CudaDevice:
    """Return a GPU, made current for the calling thread from now on; see `opened`."""
    found = opened(ordinal)
    found.enter()
    return found


def _after_fork() -> None:
    """Give a forked child a lock of its own: a thread that it lacks may have held the other."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
