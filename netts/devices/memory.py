"""Memory that netts owns: buffers, typed views of them, and arenas that hold many at fixed places.

A `Buffer` is a named range of bytes with a lifetime class. It may exist before its memory does: a
transient of a task graph gets its place only when the graph is planned. A `BufferView` is what
kernels are given, a shape, dtype and strides over a buffer; on the host it reads as a NumPy array.

A buffer may have a mirror, its copy on a device. Whoever is about to use the host's memory says so:
`fetch` before reading, `touch` before writing; then what is newer on the device comes down first,
and what the host has written goes up before the device runs again.
"""

from __future__ import annotations

import enum
import math
import operator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from netts.errors import DeviceLostError, GraphError, KernelTypeError, ShapeError

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
    start = -_first_byte(block) % ALIGNMENT_BYTES
    return block[start : start + n_bytes]


def _first_byte(memory: np.ndarray) -> int:
    return int(memory.__array_interface__["data"][0])


@lru_cache(maxsize=4096)
def packed_strides(shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, ...]:
    """Return the strides, in bytes, of elements side by side in C order."""
    strides: list[int] = []
    step = dtype.itemsize
    for extent in reversed(shape):
        strides.insert(0, step)
        step *= max(extent, 1)
    return tuple(strides)


class Mirror(Protocol):
    """The copy of a buffer on a device."""

    @property
    def is_ahead(self) -> bool:
        """Whether it has been written since the host had the same."""
        ...

    def fetch(self) -> None:
        """Bring to the host what is newer on the device."""
        ...

    def touch(self) -> None:
        """Do the same, and take the host's memory for newer from now on."""
        ...


@dataclass(eq=False, slots=True, weakref_slot=True)
class Buffer:
    """A range of memory with a name and a lifetime class.

    `memory` is None until the buffer is attached; from then on its address never changes, which is
    what lets a plan keep raw addresses. `mirror` is its copy on a device, None where it has none; a
    buffer that lies on a device only (`mirrors.DeviceOriginal`) is attached when the host reads it.
    `is_blank` says that nobody has written its zeros yet, so that a device need not be sent them.
    """

    name: str
    nbytes: int
    lifetime: Lifetime
    memory: np.ndarray | None = field(default=None, repr=False)
    _address: int = field(default=0, repr=False)
    mirror: Mirror | None = field(default=None, repr=False)
    is_blank: bool = field(default=False, repr=False)

    def attach(self, memory: np.ndarray) -> None:
        """Give the buffer its memory: a one-dimensional uint8 array of `nbytes` bytes."""
        if self.memory is not None:
            raise GraphError(f"buffer {self.name!r} has memory already and cannot move")
        if memory.nbytes != self.nbytes:  # kernels are given addresses, which know no end
            raise GraphError(f"buffer {self.name!r} has {self.nbytes} bytes, not {memory.nbytes}")
        self.memory = memory
        self._address = _first_byte(memory)

    def fetch(self) -> None:
        """Make the host's memory current, for reading it."""
        if self.mirror is not None:
            self.mirror.fetch()

    def touch(self) -> None:
        """Make the host's memory current, for writing it."""
        self.is_blank = False
        if self.mirror is not None:
            self.mirror.touch()

    @property
    def is_current(self) -> bool:
        """Whether the host's memory holds what was written last."""
        return self.mirror is None or not self.mirror.is_ahead

    def rescue(self) -> bool:
        """Part from a device that may be lost; what the host has, however old, holds from now on.

        Returns
        -------
        bool
            Whether nothing is lost.
        """
        try:
            self.fetch()
        except DeviceLostError:
            return False
        finally:
            self.mirror = None
        return True

    def __getstate__(self) -> tuple[str, int, Lifetime, np.ndarray | None]:
        self.fetch()
        return self.name, self.nbytes, self.lifetime, self.memory

    def __setstate__(self, state: tuple[str, int, Lifetime, np.ndarray | None]) -> None:
        # A copy has memory of its own, aligned and writable whatever memory it was pickled to.
        self.name, self.nbytes, self.lifetime, memory = state
        self.memory, self._address, self.mirror, self.is_blank = None, 0, None, False
        if memory is not None:
            own = allocate(self.nbytes)
            own[...] = memory
            self.attach(own)

    @property
    def is_attached(self) -> bool:
        """Whether the buffer has its memory."""
        return self.memory is not None

    @property
    def is_somewhere(self) -> bool:
        """Whether it has memory, of the host or of a device."""
        return self.memory is not None or self.mirror is not None

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

    Once the buffer has memory, `view.read()` and `numpy.asarray(view)` give the elements to read,
    `view.array` to read and write, all sharing that memory; ask again after a plan has run, as it
    may have run on a device with memory of its own. Slicing with integers and positive steps and
    `reshape` give further views.
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
        if min(shape, default=0) < 0:
            raise ShapeError(f"a view of buffer {buffer.name!r} cannot have shape {shape}")
        shape, dtype = tuple(map(int, shape)), np.dtype(dtype)
        return cls(buffer, offset, shape, dtype, packed_strides(shape, dtype))

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
        """The elements as a NumPy array that shares the memory, to read and write.

        A device that has a copy of the buffer is sent all of it before it runs again: use `read`
        where nothing is written.
        """
        self.buffer.touch()
        return self._host()

    def read(self) -> np.ndarray:
        """Return the elements as a NumPy array that shares the memory and cannot be written."""
        self.buffer.fetch()
        array = self._host()
        array.flags.writeable = False
        return array

    def _host(self) -> np.ndarray:
        if self.buffer.memory is None:
            raise self.buffer.missing()
        return np.ndarray(self.shape, self.dtype, self.buffer.memory, self.offset, self.strides)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.read(), dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> BufferView:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) > self.ndim:
            raise ShapeError(f"{len(keys)} subscripts for a view of shape {self.shape}")
        n_keys = len(keys)
        offset, shape, strides = self.offset, [], []
        for one, extent, stride in zip(keys, self.shape, self.strides, strict=False):
            if isinstance(one, slice):
                start, stop, step = one.indices(extent)
                if step < 1:
                    raise ShapeError("a view is sliced with positive steps only")
                shape.append(len(range(start, stop, step)))
                strides.append(stride * step)
                offset += start * stride
            else:
                index = operator.index(one)
                if not -extent <= index < extent:
                    raise IndexError(f"index {index} is out of bounds for an axis of {extent}")
                offset += (index % extent) * stride
        shape += self.shape[n_keys:]
        strides += self.strides[n_keys:]
        if 0 in shape:  # no element, so no place either: it could lie beyond the buffer
            offset = self.offset
        return BufferView(self.buffer, offset, tuple(shape), self.dtype, tuple(strides))

    def __setitem__(self, key: Any, value: Any) -> None:
        raise KernelTypeError(
            f"a view of buffer {self.buffer.name!r} is written by kernels, so that devices and "
            "task graphs know of it: call a kernel; outside of a recording, write view.array[...]"
        )

    def reshape(self, *shape: int) -> BufferView:
        """Return the same elements, which must be contiguous, under another shape.

        One extent may be -1: what the others leave.
        """
        whole = shape
        if shape.count(-1) == 1:
            known = math.prod(n for n in shape if n != -1)
            whole = tuple(self.size // known if n == -1 and known else n for n in shape)
        if min(whole, default=0) < 0 or math.prod(whole) != self.size:
            raise ShapeError(f"a view of shape {self.shape} cannot be reshaped to {shape}")
        if not self.is_contiguous:
            raise ShapeError(
                f"a view with gaps, of shape {self.shape} and strides of {self.strides} bytes, "
                f"cannot be reshaped to {shape}"
            )
        return BufferView.over(self.buffer, whole, self.dtype, self.offset)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie side by side in order; the stride of one element is nothing."""
        packed = packed_strides(self.shape, self.dtype)
        if self.strides == packed:
            return True
        axes = zip(self.shape, self.strides, packed, strict=True)
        return self.size == 0 or all(n == 1 or one == other for n, one, other in axes)


class Arena:
    """Many pieces of one lifetime at fixed places in one allocation.

    Pieces are reserved first; `allocate` then gives all of them zeroed memory at once. The pieces
    lie in the order of their reservation, with zeros between where alignment asks for it, so one
    kernel can walk over all of them through `flat`.
    """

    def __init__(self, name: str, lifetime: Lifetime = Lifetime.VARIABLE) -> None:
        self.buffer = Buffer(name, 0, lifetime)

    def __repr__(self) -> str:
        state = "allocated" if self.buffer.is_attached else "open"
        return f"Arena({self.buffer.name!r}, {self.nbytes} bytes, {state})"

    @property
    def nbytes(self) -> int:
        """The bytes reserved so far, alignment included."""
        return self.buffer.nbytes

    def reserve(self, shape: tuple[int, ...], dtype: DTypeLike) -> BufferView:
        """Reserve a C-contiguous piece and return the view of it."""
        if self.buffer.is_attached:
            raise GraphError(f"arena {self.buffer.name!r} is allocated; reserve before that")
        view = BufferView.over(self.buffer, shape, dtype, self.nbytes)
        self.buffer.nbytes = align(self.nbytes + view.nbytes, PIECE_ALIGNMENT_BYTES)
        return view

    def allocate(self) -> Arena:
        """Give every piece its zeroed memory; the addresses are fixed from now on."""
        self.buffer.attach(allocate(self.nbytes))
        self.buffer.is_blank = True
        return self

    def flat(self, dtype: DTypeLike, start: int = 0, stop: int | None = None) -> BufferView:
        """Return bytes `start` to `stop` (the end) as one vector of `dtype`.

        Raises
        ------
        ShapeError
            Where they are not bytes of the arena, or no whole number of elements.
        """
        dtype, stop = np.dtype(dtype), self.nbytes if stop is None else stop
        if not 0 <= start <= stop <= self.nbytes or start % dtype.itemsize or stop % dtype.itemsize:
            raise ShapeError(
                f"bytes {start} to {stop} of arena {self.buffer.name!r}, which has {self.nbytes}, "
                f"are no vector of {dtype}"
            )
        return BufferView.over(self.buffer, ((stop - start) // dtype.itemsize,), dtype, start)


def constant(array: Any) -> BufferView:
    """Return an array for kernels that only read it: devices keep their copy from run to run.

    Arrays that a task graph is given as they are go to a device at every run, as NumPy cannot tell
    whether they have changed.

    Parameters
    ----------
    array : array-like
        Kept alive, and read where it lies if it is C-contiguous and aligned; copied otherwise. It
        must not change as long as a plan uses it; to change it, write `view.array`.

    Returns
    -------
    BufferView

    Raises
    ------
    KernelTypeError
        Where its elements are Python objects.

    Examples
    --------
    >>> import numpy as np
    >>> from netts import TaskGraph, accelerate, constant, parallel
    >>> @accelerate
    ... def doubled(x, out):
    ...     for i in parallel(out.shape[0]):
    ...         out[i] = 2 * x[i]
    >>> out, graph = np.zeros(3), TaskGraph()
    >>> with graph.recording():
    ...     doubled(constant(np.arange(3.0)), out)
    >>> plan = graph.compile()
    >>> plan.run()
    1
    >>> out
    array([0., 2., 4.])
    """
    plain = np.require(array, requirements=["C", "ALIGNED"])
    if plain.dtype.hasobject:
        raise KernelTypeError(f"kernels take numbers, and the array has dtype {plain.dtype}")
    buffer = Buffer("constant", plain.nbytes, Lifetime.CONSTANT)
    buffer.attach(plain.reshape(-1).view(np.uint8))
    return BufferView.over(buffer, plain.shape, plain.dtype)
