"""Arrays of other libraries in the memory of a GPU: found, and read where they lie.

Two protocols tell of such arrays. DLPack is asked first: the library that has the array knows its
streams, and makes ours wait for what it was asked. `__cuda_array_interface__` gives a stream, which
we wait for; before its version 3 it gives none, and the legacy default stream is taken.

- DLPack: https://data-apis.org/array-api/latest/design_topics/data_interchange.html
- https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from netts.devices import dlpack
from netts.devices.cuda import opened
from netts.devices.cuda_driver import ordinal_at
from netts.devices.memory import Buffer, BufferView, Lifetime, packed_strides
from netts.devices.mirrors import DeviceOriginal
from netts.devices.names import NUMBERED, name_of
from netts.devices.transfers import Machine
from netts.errors import DataError, DeviceError

LEGACY_STREAM = 1
STREAMS_SINCE = 3
"""The version of `__cuda_array_interface__` from which on it tells the stream."""

WAY_OUT = "`.get()` in CuPy, `.cpu()` in PyTorch"
"""What brings an array to the host."""


@dataclass(frozen=True, eq=False)
class DeviceArray:
    """An array that lies in the memory of a GPU and belongs to another library.

    Making one reads nothing and starts no GPU.

    Attributes
    ----------
    owner
        The other library's object; kept as long as its memory is used.
    name
        What messages call it.
    shape
    dtype
        What kernels are to have; that of the owner's elements, unless `astype` said otherwise.
    ordinal : int
        The number of the GPU.
    rows : int array, optional
        Which rows of the owner's it stands for; all of them by default.
    """

    owner: Any
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    ordinal: int
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> DeviceArray:
        """Return some of the rows, to be copied when they are used."""
        chosen = np.asarray(rows) if self.rows is None else self.rows[rows]
        return replace(self, rows=chosen, shape=(len(chosen), *self.shape[1:]))

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def device(self) -> str:
        """The name of the GPU: "cuda", "cuda:1"."""
        return name_of(NUMBERED, self.ordinal)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(f"{self.name} lies on the GPU {self.device!r}, and is not copied by itself")

    def astype(self, dtype: DTypeLike) -> DeviceArray:
        """Return the array as one of another dtype, to be converted on the device when used."""
        return replace(self, dtype=np.dtype(dtype))

    def view(self) -> BufferView:
        """Return the owner's memory as kernels take it: as it is, all rows, nothing copied.

        What the GPU does with it begins behind what the owner's library was asked to do.

        Raises
        ------
        DeviceError
            Where netts cannot use the GPU.
        DataError
            Where the library does not give the array away.
        """
        machine = opened(self.ordinal)
        with machine.enter():
            layout, keeper = _lent(self, machine)
        if layout.address % layout.dtype.itemsize:
            raise DataError(f"{self.name} is not aligned to its dtype: pass a copy")
        steps = [(n - 1) * step for n, step in zip(layout.shape, layout.strides, strict=True)]
        empty = 0 in layout.shape
        low = 0 if empty else sum(min(step, 0) for step in steps)
        high = 0 if empty else sum(max(step, 0) for step in steps) + layout.dtype.itemsize
        buffer = Buffer(self.name, high - low, Lifetime.CONSTANT)
        release = functools.partial(_let_go, machine, keeper)
        DeviceOriginal(buffer, machine, self.device, layout.address + low, release)
        return BufferView(buffer, -low, layout.shape, layout.dtype, layout.strides)


def _let_go(machine: Machine, _keeper: Any) -> None:
    """Wait for what may still read memory, before its owner may give it back."""
    # A device that is lost, or that of another process, reads nothing.
    with contextlib.suppress(DeviceError), machine.enter():
        machine.synchronize()


def device_array(X: Any, name: str = "X") -> DeviceArray | None:
    """Return what lies in the memory of a GPU; None for all that the host can read.

    Raises
    ------
    DataError
        Where it lies on another kind of device, or has elements that NumPy has no dtype for.
    """
    if isinstance(X, DeviceArray):
        return X
    if isinstance(X, np.ndarray | BufferView | Mapping):
        return None
    if callable(getattr(type(X), "__dlpack_device__", None)):
        ordinal = _ordinal(X, name)
        if ordinal is None:
            return None
        return DeviceArray(X, name, tuple(map(int, X.shape)), _dtype(X, name), ordinal)
    interface = getattr(X, "__cuda_array_interface__", None)
    if not isinstance(interface, Mapping):
        return None
    return DeviceArray(
        X, name, tuple(map(int, interface["shape"])), np.dtype(interface["typestr"]),
        ordinal_at(interface["data"][0]),
    )  # fmt: skip


def _ordinal(X: Any, name: str) -> int | None:
    """Return the number of the GPU that an array says it lies on; None where the host can read it.

    None also where it cannot say: `numpy.asarray` then tells why.
    """
    try:
        kind, ordinal = map(int, X.__dlpack_device__())
    except (BufferError, NotImplementedError, RuntimeError, ValueError):
        return None
    if kind in (dlpack.CPU, dlpack.CUDA_HOST):
        return None
    if kind not in (dlpack.CUDA, dlpack.CUDA_MANAGED):
        raise DataError(
            f"{name} is a {_kind(X)} on a device that is no NVIDIA GPU (DLPack's kind {kind}), "
            f"whose memory netts does not read: bring it to the host, {WAY_OUT}"
        )
    return ordinal


def _kind(X: Any) -> str:
    return f"{type(X).__module__.partition('.')[0]}.{type(X).__name__}"


def _dtype(X: Any, name: str) -> np.dtype:
    """Return the dtype of an array, by its name: libraries have classes of their own for it."""
    called = str(X.dtype).rpartition(".")[2]
    try:
        return np.dtype(called)
    except TypeError:
        raise DataError(
            f"{name} has dtype {X.dtype}, which netts does not read: convert it to float32"
        ) from None


def _lent(array: DeviceArray, machine: Machine) -> tuple[dlpack.Layout, Any]:
    """Return where an array lies, and what to keep; the machine waits for it to be written."""
    X = array.owner
    if hasattr(type(X), "__dlpack__"):
        try:
            capsule = X.__dlpack__(stream=machine.stream_address)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            # PyTorch's, of tensors that require a gradient, names the way out.
            raise DataError(f"{array.name} is not given away by its library: {error}") from error
        return dlpack.read(capsule), capsule
    interface = X.__cuda_array_interface__
    if interface.get("mask") is not None:
        raise DataError(f"{array.name} has a mask, which netts does not read: fill it first")
    if interface["version"] < STREAMS_SINCE:
        machine.follow(LEGACY_STREAM)
    elif interface.get("stream") is not None:
        machine.follow(int(interface["stream"]))
    strides = interface.get("strides") or packed_strides(array.shape, array.dtype)
    return dlpack.Layout(
        int(interface["data"][0] or 0), array.shape, np.dtype(interface["typestr"]),
        tuple(strides), (dlpack.CUDA, array.ordinal),
    ), X  # fmt: skip


def on_host(X: Any, name: str) -> Any:
    """Return something as it is, unless it lies on a GPU: then a copy of it on the host."""
    found = device_array(X, name)
    return X if found is None else found.view().read()
