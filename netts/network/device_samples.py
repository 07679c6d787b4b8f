"""Samples that lie on a GPU, as a network takes them: checked and converted there.

What has the network's dtype and lies in C order is used where it lies. Anything else is copied on
the device, by a kernel. Of the samples nothing comes to the host, but the number of those values
that are not finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from netts.compiler import checking
from netts.compiler.scalars import ELEMENT_TYPES
from netts.devices.foreign import WAY_OUT, DeviceArray
from netts.devices.memory import Arena, BufferView, constant
from netts.devices.mirrors import DeviceOriginal, device_beside
from netts.errors import DataError, DeviceError
from netts.graph import TaskGraph
from netts.losses.quantities import copy_values
from netts.network.inputs import check_shape
from netts.network.kernels import add_not_finite, take_rows
from netts.network.nodes import checking_nodes

if TYPE_CHECKING:
    from netts.network.network import Network


def device_samples(network: Network, array: DeviceArray) -> BufferView:
    """Return samples as a C-contiguous matrix (n_samples, features) of a network's dtype.

    The memory is the owner's where nothing has to change. Whether values are finite is not asked.

    Raises
    ------
    ShapeError
        Where a sample has another shape than the network was built for.
    DataError
        Where the elements are nothing that kernels take, or lie so that none can read them; where
        a layer can only check samples on the host.
    DeviceError
        Where the GPU cannot be used, or has no room for a copy.
    """
    check_shape(array.shape, network.shapes[0], array.name)
    for node in checking_nodes(network.nodes):
        raise DataError(
            f"{node} checks its samples on the host, and {array.name} lies on the GPU "
            f"{array.device!r}: bring it to the host, {WAY_OUT}"
        )
    if checking.is_on():
        raise DeviceError(
            f"netts.checked() runs kernels on the host, and {array.name} lies on the GPU "
            f"{array.device!r}: bring it to the host, {WAY_OUT}"
        )
    matrix = _flat(array.view(), array.name)
    if array.rows is None and matrix.dtype == network.dtype and matrix.is_contiguous:
        return matrix
    return _copied(matrix, network.dtype, array.rows)


def _flat(view: BufferView, name: str) -> BufferView:
    """Return an array as a matrix, a row for each of its samples."""
    if view.dtype not in ELEMENT_TYPES:
        names = ", ".join(dtype.name for dtype in ELEMENT_TYPES)
        raise DataError(
            f"{name} has dtype {view.dtype}, and on a GPU netts reads {names}: convert it to one "
            "of these"
        )
    n_features = math.prod(view.shape[1:])
    if view.ndim == 2:
        return view
    if len(view) and not view[0].is_contiguous:
        raise DataError(
            f"{name} has samples of shape {view.shape[1:]} whose elements do not lie side by side "
            f"(strides {view.strides} bytes): pass a copy in C order"
        )
    return BufferView(
        view.buffer, view.offset, (len(view), n_features), view.dtype,
        (view.strides[0], view.dtype.itemsize),
    )  # fmt: skip


def taken(matrix: BufferView, rows: np.ndarray) -> BufferView:
    """Return some rows of a matrix on a device, copied there."""
    return _copied(matrix, matrix.dtype, rows)


def _copied(matrix: BufferView, dtype: np.dtype, rows: np.ndarray | None = None) -> BufferView:
    """Return a copy on the same device, of all rows or of some."""
    shape = (len(matrix) if rows is None else len(rows), matrix.shape[1])
    nbytes = math.prod(shape) * dtype.itemsize
    buffer = device_beside(matrix, matrix.buffer.name, nbytes)
    copy, device = BufferView.over(buffer, shape, dtype), _device_of(matrix)
    if copy.size and rows is None:
        _run(device, lambda: copy_values(matrix, copy))
    elif copy.size:
        numbers = constant(np.ascontiguousarray(rows, np.int64))
        _run(device, lambda: take_rows(matrix, numbers, copy))
    return copy


def _run(device: str, record: Callable[[], None]) -> None:
    """Run kernels on a device, and wait for them."""
    graph = TaskGraph()
    with graph.recording():
        record()
    plan = graph.compile(device=device)
    plan.run()
    plan.wait()


class FiniteCheck:
    """Counts values that are not finite, on a device; the host reads the number.

    `record` is called while a graph records, once or more often; `take` when it has run.
    """

    def __init__(self) -> None:
        counts = Arena("not finite")
        self._count = counts.reserve((1,), np.int64)
        counts.allocate()

    def record(self, matrix: BufferView) -> None:
        """Record the counting of a matrix's values."""
        add_not_finite(matrix.reshape(matrix.size), self._count)

    def take(self) -> int:
        """Return how many were found since this was asked last."""
        found = int(self._count.read()[0])
        if found:
            self._count.array[...] = 0
        return found


def refuse_not_finite(found: int, name: str, dtype: np.dtype) -> None:
    """Raise an error where values were found that are not finite.

    Raises
    ------
    DataError
    """
    if found:
        raise DataError(
            f"{name} has {found} values that are not finite (or too large for {dtype}): fill or "
            "drop them first"
        )


def check_finite_there(matrix: BufferView, name: str) -> None:
    """Raise an error where a matrix on a device has values that are not finite.

    Raises
    ------
    DataError
    """
    if matrix.size:
        check = FiniteCheck()
        _run(_device_of(matrix), lambda: check.record(matrix))
        refuse_not_finite(check.take(), name, matrix.dtype)


def _device_of(matrix: BufferView) -> str:
    """Return the name of the device on which a matrix lies."""
    mirror = matrix.buffer.mirror
    assert isinstance(mirror, DeviceOriginal)
    return mirror.device
