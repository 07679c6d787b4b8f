"""Tasks: recorded kernel calls, and the order that their memory forces on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netts.compiler.kernel import Kernel
from netts.devices.memory import Buffer, BufferView, Lifetime


def view_of(array: Any) -> BufferView:
    """Return `array` as a view: itself, or a view of the caller's memory, which is kept alive."""
    if isinstance(array, BufferView):
        return array
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected a NumPy array or a netts buffer view, got {type(array)}")
    low, high = np.lib.array_utils.byte_bounds(array)
    buffer = _ExternalBuffer(array, low, high - low)
    return BufferView(
        buffer, array.ctypes.data - low, array.shape, array.dtype, array.strides
    )


class _ExternalBuffer(Buffer):
    """Memory of the caller: an address range, and the array that keeps it alive."""

    __slots__ = ("_low", "owner")

    def __init__(self, owner: np.ndarray, low: int, n_bytes: int) -> None:
        super().__init__("external", n_bytes, Lifetime.EXTERNAL)
        self.owner = owner
        self._low = low

    @property
    def is_attached(self) -> bool:
        return True

    @property
    def address(self) -> int:
        return self._low


@dataclass(frozen=True)
class Task:
    """One recorded kernel call: arrays as views, scalars frozen at their recorded value."""

    kernel: Kernel
    arguments: tuple[Any, ...]
