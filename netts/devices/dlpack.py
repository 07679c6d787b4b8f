"""DLPack's capsules, read and made: how libraries hand arrays to one another.

The structures are those of `dlpack.h`: https://dmlc.github.io/dlpack/latest/c_api.html.
Capsules have no version, as before DLPack 1.0: every library still takes and gives these.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from netts.devices.memory import packed_strides
from netts.errors import DataError

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
"""Kinds of devices: DLDeviceType."""

_KINDS = {0: "int", 1: "uint", 2: "float", 5: "complex", 6: "bool"}
"""Of elements, by DLDataTypeCode; others are no dtype of NumPy."""

_NAME = b"dltensor"
"""Of a capsule that nobody has taken yet."""


class _Device(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("ordinal", ctypes.c_int32)]


class _Type(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("type", _Type),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter)]


# By address and not as an object: a destructor is given a capsule that nobody may hold any more.
_is_named = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_pointer_at = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_pointer_in = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)(
    ("PyCapsule_New", ctypes.pythonapi)
)


@dataclass(frozen=True)
class Layout:
    """Where the elements of an array lie.

    Attributes
    ----------
    address
        Of the element that subscripts count from.
    strides
        In bytes; may be zero or negative.
    device
        Its kind and number.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...]
    device: tuple[int, int]


def read(capsule: Any) -> Layout:
    """Return what a capsule says; it goes on to own the array, so keep it as long as that is used.

    Raises
    ------
    DataError
        Where the elements have no dtype of NumPy.
    """
    tensor = _Managed.from_address(_pointer_in(capsule, _NAME)).tensor
    dtype = _dtype(tensor.type)
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    if tensor.strides:
        strides = tuple(dtype.itemsize * tensor.strides[axis] for axis in range(tensor.ndim))
    else:
        strides = packed_strides(shape, dtype)
    address = (tensor.data or 0) + tensor.byte_offset
    return Layout(address, shape, dtype, strides, (tensor.device.kind, tensor.device.ordinal))


def _dtype(kind: _Type) -> np.dtype:
    name = _KINDS.get(kind.code)
    try:
        if name is None or kind.lanes != 1:
            raise TypeError
        return np.dtype("bool" if name == "bool" else f"{name}{kind.bits}")
    except TypeError:
        raise DataError(
            f"an array has elements of {kind.bits} bits of DLPack's kind {kind.code}, which NumPy "
            "has no dtype for: convert it to float32"
        ) from None


_lent: dict[int, tuple[Any, ...]] = {}
"""What capsules refer to, by their addresses, until whoever took them is done."""


@_Deleter
def _give_back(managed: int) -> None:
    _lent.pop(managed, None)


@_Destructor
def _forget(capsule: int) -> None:
    """Give back what a capsule refers to that nobody has taken: who takes it renames it."""
    if _is_named(capsule, _NAME):
        _lent.pop(_pointer_at(capsule, _NAME), None)


def make(layout: Layout, owner: Any) -> Any:
    """Return a capsule of an array; its owner is kept until whoever takes it is done with it."""
    (code,) = [code for code, name in _KINDS.items() if layout.dtype.name.startswith(name)]
    extents = ctypes.c_int64 * len(layout.shape)
    shape = extents(*layout.shape)
    strides = extents(*(stride // layout.dtype.itemsize for stride in layout.strides))
    bits = 8 * layout.dtype.itemsize
    tensor = _Tensor(
        layout.address, _Device(*layout.device), len(layout.shape), _Type(code, bits, 1), shape,
        strides, 0,
    )  # fmt: skip
    managed = _Managed(tensor, None, _give_back)
    address = ctypes.addressof(managed)
    _lent[address] = managed, shape, strides, owner
    return _new(address, _NAME, _forget)
