"""Events of CUDA: marks in a stream, which the host and other streams can wait for."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from netts.errors import DeviceLostError

if TYPE_CHECKING:
    from netts.devices.cuda.gpu import CudaDevice

_BLOCKING = 1
"""CU_EVENT_BLOCKING_SYNC: a thread that waits sleeps, and leaves its core to others."""


class CudaEvent:
    """A mark in a stream; `CudaDevice.record` sets it, again and again if asked to."""

    def __init__(self, device: CudaDevice) -> None:
        self._device = device
        self.handle = device.call("cuEventCreate", _BLOCKING)
        weakref.finalize(self, _destroy, device, self.handle).atexit = False

    def wait(self) -> None:
        """Wait on the host until it is reached.

        Raises
        ------
        DeviceError
            Where something before it failed.
        """
        self._device.call("cuEventSynchronize", self.handle)

    def seconds_since(self, earlier: CudaEvent) -> float:
        """Return how much later it was reached than another one, to half a microsecond."""
        return float(self._device.call("cuEventElapsedTime", earlier.handle, self.handle)) * 1e-3


def _destroy(device: CudaDevice, handle: Any) -> None:
    if device.is_here:
        with contextlib.suppress(DeviceLostError), device.enter():
            device.call("cuEventDestroy", handle)
