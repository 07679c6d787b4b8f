"""Memory that netts owns: buffers, typed views of them, and arenas that hold many at fixed places.

A `Buffer` is a named range of bytes with a lifetime class. It may exist before its memory does: a
transient of a task graph gets its place only when the graph is planned. A `BufferView` is what
kernels are given, a shape, dtype and strides over a buffer; on the host it reads as a NumPy array.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from netts.errors import GraphError, ShapeError

ALIGNMENT_BYTES = 256
"""Where each allocation starts: the alignment cudaMalloc promises, four cache lines on a CPU."""

PIECE_ALIGNMENT_BYTES = 64
"""Where each piece of an arena starts: one cache line, one AVX-512 register."""


class Lifetime(enum.Enum):
    """How long the contents of a buffer matter.

    A constant is written before the first run and only read after it (the data set); a variable
    keeps its contents from run to run (parameters, optimiser state); a transient is dead between
    its last read and its next write (activations, gradients), so transients share memory; external
    memory belongs to the caller.
    """

    CONSTANT = "constant"
    VARIABLE = "variable"
    TRANSIENT = "transient"
    EXTERNAL = "external"


def align(n_bytes: int, alignment: int) -> int:
    """Return `n_bytes` rounded up to a multiple of `alignment`."""
    return -(-n_bytes // alignment) * alignment


def allocate(n_bytes: int) -> np.ndarray:
    """Return `n_bytes` zeroed bytes that start at a multiple of `ALIGNMENT_BYTES`."""
    block = np.zeros(n_bytes + ALIGNMENT_BYTES, np.uint8)
    start = -block.ctypes.data % ALIGNMENT_BYTES
    return block[start : start + n_bytes]


@dataclass(eq=False, slots=True)
class Buffer:
    """A range of memory with a name and a lifetime class.

    `memory` is None until the buffer is attached; from then on its address never changes, which is
    what lets a plan keep raw addresses.
    """

    name: str
    nbytes: int
    lifetime: Lifetime
    memory: np.ndarray | None = field(default=None, repr=False)
    _address: int = field(default=0, repr=False)

    def attach(self, memory: np.ndarray) -> None:
        """Give the buffer its memory: a one-dimensional uint8 array of `nbytes` bytes."""
        if self.memory is not None:
            raise GraphError(f"buffer {self.name!r} has memory already and cannot move")
        self.memory = memory
        self._address = int(memory.ctypes.data)

    def __getstate__(self) -> tuple[str, int, Lifetime, np.ndarray | None]:
        return self.name, self.nbytes, self.lifetime, self.memory

    def __setstate__(self, state: tuple[str, int, Lifetime, np.ndarray | None]) -> None:
        # A copy has memory of its own, so an address of its own.
        self.name, self.nbytes, self.lifetime, memory = state
        self.memory, self._address = None, 0
        if memory is not None:
            self.attach(memory)

    @property
    def is_attached(self) -> bool:
        """Whether the buffer has its memory."""
        return self.memory is not None

    @property
    def address(self) -> int:
        """The host address of the first byte."""
        if self.memory is None:
            raise self.missing()
        return self._address

    def missing(self) -> GraphError:
        """Return the error of a buffer that is used before it has memory."""
        return GraphError(
            f"buffer {self.name!r} has no memory yet; it gets it when its arena is allocated or "
            "its task graph compiled"
        )


@dataclass(frozen=True, eq=False, slots=True)
class BufferView:
    """A shape, dtype and strides over a buffer: what a kernel takes for an array.

    Reads as a NumPy array once the buffer has memory (`numpy.asarray(view)`, `view.array`), sharing
    that memory. Slicing with integers and positive steps and `reshape` give further views.
    """

    buffer: Buffer
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...]

    @classmethod
    def over(
        cls, buffer: Buffer, shape: tuple[int, ...], dtype: DTypeLike, offset: int = 0
    ) -> BufferView:
        """Return a C-contiguous view of `buffer` from byte `offset` on."""
        dtype = np.dtype(dtype)
        strides: list[int] = []
        step = dtype.itemsize
        for extent in reversed(shape):
            strides.insert(0, step)
            step *= max(extent, 1)
        return cls(buffer, offset, tuple(int(n) for n in shape), dtype, tuple(strides))

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of the elements, gaps between them not counted."""
        return self.size * self.dtype.itemsize

    @property
    def address(self) -> int:
        """The host address of the first element."""
        return self.buffer.address + self.offset

    @property
    def array(self) -> np.ndarray:
        """The elements as a NumPy array that shares the memory."""
        if self.buffer.memory is None:
            raise self.buffer.missing()
        return np.ndarray(self.shape, self.dtype, self.buffer.memory, self.offset, self.strides)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> BufferView:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) > self.ndim:
            raise ShapeError(f"{len(keys)} subscripts for a view of shape {self.shape}")
        keys += (slice(None),) * (self.ndim - len(keys))
        offset, shape, strides = self.offset, [], []
        for one, extent, stride in zip(keys, self.shape, self.strides, strict=True):
            if isinstance(one, slice):
                start, stop, step = one.indices(extent)
                if step < 1:
                    raise ShapeError("a view is sliced with positive steps only")
                shape.append(len(range(start, stop, step)))
                strides.append(stride * step)
                offset += start * stride if shape[-1] else 0
            else:
                if not -extent <= one < extent:
                    raise IndexError(f"index {one} is out of bounds for an axis of {extent}")
                offset += (one % extent) * stride
        return BufferView(self.buffer, offset, tuple(shape), self.dtype, tuple(strides))

    def reshape(self, *shape: int) -> BufferView:
        """Return the same elements, which must be contiguous, under another shape."""
        contiguous = BufferView.over(self.buffer, self.shape, self.dtype, self.offset)
        known = math.prod(n for n in shape if n >= 0)
        if -1 in shape and known:
            shape = tuple(self.size // known if n == -1 else n for n in shape)
        if contiguous.strides != self.strides or math.prod(shape) != self.size:
            raise ShapeError(f"a view of shape {self.shape} cannot be reshaped to {shape}")
        return BufferView.over(self.buffer, shape, self.dtype, self.offset)


class Arena:
    """Many pieces of one lifetime at fixed places in one allocation.

    Pieces are reserved first; `allocate` then gives all of them zeroed memory at once. The pieces
    lie in the order of their reservation, with zeros between where alignment asks for it, so one
    kernel can walk over all of them through `flat`.
    """

    def __init__(self, name: str, lifetime: Lifetime = Lifetime.VARIABLE) -> None:
        self.buffer = Buffer(name, 0, lifetime)
        self._end = 0

    def __repr__(self) -> str:
        state = "allocated" if self.buffer.is_attached else "open"
        return f"Arena({self.buffer.name!r}, {self._end} bytes, {state})"

    @property
    def nbytes(self) -> int:
        """The bytes reserved so far, alignment included."""
        return self._end

    def reserve(self, shape: tuple[int, ...], dtype: DTypeLike) -> BufferView:
        """Reserve a C-contiguous piece and return the view of it."""
        if self.buffer.is_attached:
            raise GraphError(f"arena {self.buffer.name!r} is allocated; reserve before that")
        view = BufferView.over(self.buffer, shape, dtype, self._end)
        self._end = align(self._end + view.nbytes, PIECE_ALIGNMENT_BYTES)
        return view

    def allocate(self) -> Arena:
        """Give every piece its zeroed memory; the addresses are fixed from now on."""
        self.buffer.nbytes = self._end
        self.buffer.attach(allocate(self._end))
        return self

    def flat(self, dtype: DTypeLike, start: int = 0, stop: int | None = None) -> BufferView:
        """Return bytes `start` to `stop` (the end) as one vector of `dtype`."""
        dtype = np.dtype(dtype)
        length = ((self._end if stop is None else stop) - start) // dtype.itemsize
        return BufferView.over(self.buffer, (length,), dtype, start)
