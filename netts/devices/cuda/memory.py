"""Memory of a GPU, and memory of the host that it reaches; given back when that is said.

Whoever gives memory back, the collector in any thread say, need not have waited for the work that
uses it. The driver's calls are known to wait, but no document of it promises that; so we do.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING

import numpy as np

from netts.errors import DeviceLostError

if TYPE_CHECKING:
    from netts.devices.cuda.gpu import CudaDevice

_MAPPED = 2  # CU_MEMHOSTALLOC_DEVICEMAP


class DeviceMemory:
    """Bytes of a GPU's memory, from one call of the driver; aligned to 256 bytes.

    They are given back by `free`, or at the end of a `with` block, and at no other moment.

    Attributes
    ----------
    address, nbytes : int
    """

    def __init__(self, device: CudaDevice, address: int, nbytes: int) -> None:
        self._device, self.address, self.nbytes = device, address, nbytes

    def __enter__(self) -> DeviceMemory:
        return self

    def __exit__(self, *_error: object) -> None:
        self.free()

    def free(self) -> None:
        """Give the memory back; a second time does nothing, nor does a forked child.

        A device that is lost has taken its memory along.
        """
        if self.nbytes and self._device.is_here:
            self.nbytes = 0
            with contextlib.suppress(DeviceLostError), self._device.enter():
                self._device.settle()
                self._device.call("cuMemFree", self.address)


class PinnedMemory:
    """Memory of the host that does not move, zeroed; the GPU reads and writes it too.

    Attributes
    ----------
    array : ndarray of uint8
    address : int
        Where the GPU finds it.
    """

    def __init__(self, device: CudaDevice, nbytes: int) -> None:
        self._device = device
        self._place: int | None = int(device.call("cuMemHostAlloc", nbytes, _MAPPED))
        self.address = int(device.call("cuMemHostGetDevicePointer", self._place, 0))
        self.array = np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(self._place))
        self.array[...] = 0

    def free(self) -> None:
        """Give the memory back, which nobody may use then; a forked child does nothing."""
        if self._place is not None and self._device.is_here:
            place, self._place = self._place, None
            with contextlib.suppress(DeviceLostError), self._device.enter():
                self._device.settle()
                self._device.call("cuMemFreeHost", place)
