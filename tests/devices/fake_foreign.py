"""A library of arrays in the memory of fake GPUs, which netts has never heard of.

Its arrays have DLPack's protocol, `__cuda_array_interface__`, or both. What they hold is written by
a stream of the library's own, which runs only where somebody waits for it: who reads them without
waiting sees what was there before. No array comes to the host, but by `values`, for tests.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
from fake_gpu import LIFTED, FakeGpu

from netts.devices import dlpack

STREAM = 77
"""On which arrays are written."""


class FakeArray:
    """An array on a GPU: elements of a block of its memory."""

    def __init__(self, library: Library, host: np.ndarray, keeper: Any) -> None:
        self._library, self._host, self._keeper = library, host, keeper

    @property
    def shape(self) -> tuple[int, ...]:
        return self._host.shape

    @property
    def ndim(self) -> int:
        return self._host.ndim

    @property
    def dtype(self) -> np.dtype:
        return self._host.dtype

    @property
    def device(self) -> str:
        return f"fake:{self._library.ordinal}"

    @property
    def address(self) -> int:
        return int(self._host.__array_interface__["data"][0]) + LIFTED

    def __len__(self) -> int:
        return len(self._host)

    def __bool__(self) -> bool:
        return bool(self._read())

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_namespace__(self, **_: Any) -> ModuleType:
        return self._library

    def __getitem__(self, key: Any) -> FakeArray:
        key = key._read() if isinstance(key, FakeArray) else key
        return self._like(self._read()[key])

    def _like(self, host: np.ndarray) -> FakeArray:
        """Return a view of the memory, or an array of its own where there is none of it."""
        if np.shares_memory(host, self._host):
            return self._library.kind(self._library, host, self._keeper)
        return self._library.asarray(host)

    def reshape(self, *shape: int) -> FakeArray:
        return self._like(self._read().reshape(*shape))

    def __rsub__(self, other: float) -> FakeArray:
        return self._library.asarray((other - self._read()).astype(self.dtype))

    def __sub__(self, other: FakeArray) -> FakeArray:
        return self._library.asarray(self._read() - other._read())

    def __neg__(self) -> FakeArray:
        return self._library.asarray(-self._read())

    def __gt__(self, other: float) -> FakeArray:
        return self._library.asarray(self._read() > other)

    def _read(self) -> np.ndarray:
        return self._library.settled(self._host)


class DlpackArray(FakeArray):
    """An array with DLPack's protocol."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, self._library.ordinal

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        assert stream == self._library.gpu.stream_address
        self._library.gpu.follow(STREAM)  # the library makes that stream wait for its own
        layout = dlpack.Layout(
            self.address, self.shape, self.dtype, self._host.strides, self.__dlpack_device__()
        )
        return dlpack.make(layout, self)


class InterfaceArray(FakeArray):
    """An array with CUDA's array interface only."""

    version, stream, mask = 3, STREAM, None

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        found = {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, True),
            "strides": None if self._host.flags.c_contiguous else self._host.strides,
            "version": self.version,
            "mask": self.mask,
        }
        return found | ({"stream": self.stream} if self.version >= 3 else {})


class Library(ModuleType):
    """The namespace: NumPy's functions, on arrays of the device; `float32` and so on are dtypes."""

    __array_api_version__ = "2024.12"

    def __init__(self, gpu: FakeGpu, ordinal: int = 0, kind: type[FakeArray] = DlpackArray) -> None:
        super().__init__("fake_library")
        self.gpu, self.ordinal, self.kind = gpu, ordinal, kind

    def __getattr__(self, name: str) -> Any:
        if not hasattr(np, name):
            raise AttributeError(name)
        function = getattr(np, name)
        if isinstance(function, type):
            return function

        def call(*arguments: Any, **options: Any) -> FakeArray:
            plain = [_plain(one) for one in arguments]
            return self.asarray(np.asarray(function(*plain, **options)))

        return call

    def asarray(self, values: Any, dtype: Any = None, device: Any = None) -> FakeArray:
        """Return an array that holds values as soon as somebody waits for the library's stream."""
        if isinstance(values, FakeArray):
            return values
        values = np.asarray(values, dtype)
        with self.gpu.enter():
            block = self.gpu.allocate(values.nbytes)
        host = np.ndarray(values.shape, values.dtype, block.array)
        self.gpu.streams[STREAM].append(lambda: host.__setitem__(..., values))
        return self.kind(self, host, _Freed(block))

    def as_strided(self, values: np.ndarray) -> FakeArray:
        """Return an array whose elements lie as those of an array on the host."""
        base = values
        while isinstance(base.base, np.ndarray):
            base = base.base
        owner = self.asarray(base.ravel(order="K").view(np.uint8))
        start = values.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        memory = owner._host
        host = np.ndarray(values.shape, values.dtype, memory.data, start, values.strides)
        return self.kind(self, host, owner)

    def from_dlpack(self, other: Any) -> FakeArray:
        """Return an array over memory that another library gives."""
        assert other.__dlpack_device__() == (dlpack.CUDA, self.ordinal)
        capsule = other.__dlpack__(stream=STREAM)
        layout = dlpack.read(capsule)
        for block in self.gpu.blocks.values():
            start = layout.address - block.address
            if 0 <= start < len(block.array):
                host = np.ndarray(layout.shape, layout.dtype, block.array, start, layout.strides)
                return self.kind(self, host, capsule)
        raise AssertionError(f"nothing of the device lies at {layout.address}")

    def settled(self, host: np.ndarray) -> np.ndarray:
        """Return an array behind all that was asked for; what netts has asked for must be done."""
        assert not self.gpu._queue, "the answer was given before it was written"
        for act in self.gpu.streams.pop(STREAM, []):
            act()
        return host

    def values(self, array: FakeArray) -> np.ndarray:
        """Return what an array holds, for tests."""
        return array._read().copy()


class _Freed:
    """A block that is given back when nobody holds it."""

    def __init__(self, block: Any) -> None:
        self._block = block

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self._block.free()


def _plain(value: Any) -> Any:
    if isinstance(value, FakeArray):
        return value._read()
    if isinstance(value, list | tuple):
        return type(value)(_plain(one) for one in value)
    return value
