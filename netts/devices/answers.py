"""Results that stay on a GPU, and are given to the library that the input was of."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

from netts.devices import dlpack
from netts.devices.foreign import STREAMS_SINCE
from netts.devices.memory import BufferView
from netts.devices.mirrors import DeviceOriginal, device_beside
from netts.devices.names import ordinal_of


class DeviceAnswer:
    """A result that stays on a GPU, in C order, for other libraries to take without a copy.

    It has both protocols, `__dlpack__` and `__cuda_array_interface__`. Its memory is kept until
    everybody who took it is done. Nothing of it is under way any more when it is given to users.

    Attributes
    ----------
    view : BufferView
    shape, dtype
    """

    def __init__(self, view: BufferView) -> None:
        self.view, self.shape, self.dtype = view, view.shape, view.dtype
        mirror = view.buffer.mirror
        assert isinstance(mirror, DeviceOriginal)
        self._machine, self._address = mirror.machine, mirror.address
        self._ordinal = ordinal_of(mirror.device)

    @classmethod
    def beside(cls, other: BufferView, shape: tuple[int, ...]) -> DeviceAnswer:
        """Return one of undefined contents, of the dtype of an array on a device and there too.

        Raises
        ------
        DeviceMemoryError
            Where the device has no room for it.
        """
        buffer = device_beside(other, "answer", math.prod(shape) * other.dtype.itemsize)
        return cls(BufferView.over(buffer, shape, other.dtype))

    def wait(self) -> None:
        """Wait for what writes it."""
        with self._machine.enter():
            self._machine.synchronize()

    def __repr__(self) -> str:
        return f"DeviceAnswer(shape={self.shape}, dtype={self.dtype}, GPU {self._ordinal})"

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, self._ordinal

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Return a capsule, without a version; no stream has to wait for anything."""
        if copy or dl_device not in (None, self.__dlpack_device__()):
            raise BufferError(f"it lies on the GPU {self._ordinal}, and is given as it is")
        layout = dlpack.Layout(
            self._address, self.shape, self.dtype, self.view.strides, self.__dlpack_device__()
        )
        return dlpack.make(layout, self.view.buffer)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self._address if self.view.nbytes else 0, False),
            "strides": None,
            "version": STREAMS_SINCE,
            "stream": None,
        }


def in_kind(answer: DeviceAnswer, like: Any) -> Any:
    """Return an answer as an array of the library that another array is of, sharing the memory.

    The library is asked for its `from_dlpack`; where it has none, the answer is given as it is.
    """
    importer = _importer(like)
    return answer if importer is None else importer(answer)


def _importer(like: Any) -> Callable[[Any], Any] | None:
    """Return `from_dlpack` of an array's namespace, or of the package of its class."""
    if hasattr(like, "__array_namespace__"):
        return getattr(like.__array_namespace__(), "from_dlpack", None)
    packages = (one.__module__.partition(".")[0] for one in type(like).__mro__)
    importers = (getattr(sys.modules.get(name), "from_dlpack", None) for name in packages)
    return next(filter(None, importers), None)
