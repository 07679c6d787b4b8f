"""Mirrors: copies of buffers on a device, and which of the two is newer.

A buffer and its mirror hold the same bytes, or one of them is newer. A mirror belongs to its
buffer, not to a plan: plans that share an arena share its copy, so that a network that was trained
on a device predicts there without a transfer. It gives its memory back when the buffer goes.

Some buffers are the other way round: a `DeviceOriginal` is all there is of them, such as another
library's array, and the host gets a copy if it reads.

Before a process forks, what is newer on a device comes down: the child can use the host's memory,
but no device. The thread that forks need not be the one whose plan runs: so a run says that it
writes before and behind what it asks of the device, and what came down in between does not count.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable, Iterator

from netts.devices.memory import Buffer, BufferView, Lifetime, allocate
from netts.devices.transfers import Copy, Machine
from netts.errors import DeviceError, GraphError, ShapeError


class DeviceMirror:
    """The copy of a buffer on a device; at first it is behind the host, or both hold zeros.

    Attributes
    ----------
    machine
    address : int
        On the device.
    is_behind : bool
        Whether the host's memory has been written since the device had the same.
    copy : Copy
        Of all of it.
    """

    def __init__(self, buffer: Buffer, machine: Machine) -> None:
        if buffer.memory is None:
            raise buffer.missing()
        memory = machine.allocate(buffer.nbytes)
        # Not at exit: the process returns its memory as it ends, when the driver may be gone.
        weakref.finalize(self, memory.free).atexit = False
        self.machine, self.address = machine, memory.address
        self.is_behind = True
        self._writings = self._fetched = 0  # on the device; how many of them the host has seen
        if buffer.is_blank:
            machine.clear(memory.address, buffer.nbytes)
            self.is_behind = buffer.is_blank = False
        self.copy = Copy(buffer.memory, memory.address, buffer.nbytes, memory.address)
        _mirrors[id(self)] = self

    @property
    def is_ahead(self) -> bool:
        """Whether it has been written since the host had the same."""
        return self._writings > self._fetched

    def note_writing(self) -> None:
        """Note that a run is about to write it, or has been asked to."""
        self._writings += 1

    def fetch(self) -> None:
        """Bring to the host what is newer on the device."""
        if not self.is_ahead:
            return
        transfers = self.machine.transfers
        with self.machine.enter(), transfers.lock:
            if self.is_ahead:  # still: another thread may have fetched it, and be writing by now
                writings = self._writings
                transfers.download([self.copy])
                self._fetched = writings

    def touch(self) -> None:
        """Do the same, and take the host's memory for newer from now on."""
        self.fetch()
        self.fall_behind()

    def fall_behind(self) -> None:
        """Take the host's memory for newer, whatever the device has."""
        self._fetched, self.is_behind = self._writings, True


class DeviceOriginal(DeviceMirror):
    """A buffer's own memory, on a device; the host has none, until it reads.

    Nobody but the device writes it, so nothing ever goes up.

    Parameters
    ----------
    buffer
        Without memory.
    machine
    device
        The name of the machine.
    address
    release
        Called when the buffer goes: it lets go of what the memory belongs to.

    Attributes
    ----------
    device : str
    """

    def __init__(
        self,
        buffer: Buffer,
        machine: Machine,
        device: str,
        address: int,
        release: Callable[[], None],
    ) -> None:
        self.machine, self.device, self.address = machine, device, address
        self.is_behind, self._writings, self._fetched = False, 1, 0
        self._buffer = weakref.ref(buffer)  # no cycle: memory goes when the buffer goes
        weakref.finalize(self, release).atexit = False
        buffer.mirror = self

    def fetch(self) -> None:
        """Bring to the host what it has not read yet."""
        buffer = self._buffer()
        if buffer is None or not self.is_ahead:
            return
        transfers = self.machine.transfers
        with self.machine.enter(), transfers.lock:
            if buffer.memory is None:
                buffer.attach(allocate(buffer.nbytes))
            assert buffer.memory is not None
            writings = self._writings
            transfers.download([Copy(buffer.memory, self.address, buffer.nbytes, self.address)])
            self._fetched = writings

    def touch(self) -> None:
        """Refuse: the host only reads it."""
        raise GraphError(
            f"what lies on {self.device!r} only cannot be written by the host: use `read()`"
        )


def device_beside(view: BufferView, name: str, nbytes: int) -> Buffer:
    """Return a buffer of undefined contents on the device of another, without memory of the host.

    Raises
    ------
    DeviceMemoryError
        Where the device has no room for it.
    """
    mirror = view.buffer.mirror
    assert isinstance(mirror, DeviceOriginal)
    with mirror.machine.enter():
        memory = mirror.machine.allocate(nbytes)
    buffer = Buffer(name, nbytes, Lifetime.VARIABLE)
    DeviceOriginal(buffer, mirror.machine, mirror.device, memory.address, memory.free)
    return buffer


def copy_on_device(source: BufferView, target: BufferView) -> None:
    """Copy elements between buffers that both are on one device, without waiting for it.

    Raises
    ------
    ShapeError
        Where they are not as many bytes side by side.
    """
    one, other = source.buffer.mirror, target.buffer.mirror
    assert isinstance(one, DeviceMirror)
    assert isinstance(other, DeviceMirror)
    assert one.machine is other.machine
    if source.nbytes != target.nbytes or not (source.is_contiguous and target.is_contiguous):
        raise ShapeError(f"{source.shape} of {source.dtype} cannot be copied to {target.shape}")
    with _writing(other):
        at = other.address + target.offset
        other.machine.copy(at, one.address + source.offset, source.nbytes)


def clear_on_device(view: BufferView) -> None:
    """Set contiguous elements to zero on the device that has a copy of their buffer."""
    mirror = view.buffer.mirror
    assert isinstance(mirror, DeviceMirror)
    with _writing(mirror):
        mirror.machine.clear(mirror.address + view.offset, view.nbytes)


@contextlib.contextmanager
def _writing(mirror: DeviceMirror) -> Iterator[None]:
    """Enter the device, and say before and behind what is asked that the mirror is written."""
    with mirror.machine.enter():
        mirror.note_writing()
        yield
        mirror.note_writing()


def mirror_of(buffer: Buffer, machine: Machine) -> DeviceMirror:
    """Return the mirror of a buffer on a device, made if it has none there.

    Raises
    ------
    DeviceError
        Where the device has no room for it; nothing has changed then.
    """
    mirror = buffer.mirror
    if isinstance(mirror, DeviceMirror) and mirror.machine is machine:
        return mirror
    made = DeviceMirror(buffer, machine)
    buffer.fetch()
    buffer.mirror = made
    return made


def adopt(buffer: Buffer, mirror: DeviceMirror) -> None:
    """Make a mirror that of its buffer; another one, on another device, brings down what it has."""
    if buffer.mirror is not mirror:
        buffer.fetch()
        mirror.fall_behind()
        buffer.mirror = mirror


_mirrors: weakref.WeakValueDictionary[int, DeviceMirror] = weakref.WeakValueDictionary()


def _before_fork() -> None:
    """Bring down what is newer on a device; of one that is lost nothing comes."""
    for reference in _mirrors.valuerefs():
        mirror = reference()
        if mirror is not None:
            with contextlib.suppress(DeviceError):
                mirror.fetch()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
