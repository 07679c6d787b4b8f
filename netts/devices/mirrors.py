"""Mirrors: copies of buffers on a device, and which of the two is newer.

A buffer and its mirror hold the same bytes, or one of them is newer. A mirror belongs to its
buffer, not to a plan: plans that share an arena share its copy, so that a network that was trained
on a device predicts there without a transfer. It gives its memory back when the buffer goes.

Before a process forks, what is newer on a device comes down: the child can use the host's memory,
but no device.
"""

from __future__ import annotations

import contextlib
import enum
import os
import weakref

from netts.devices.memory import Buffer
from netts.devices.transfers import Copy, Machine
from netts.errors import DeviceError


class Newer(enum.Enum):
    """Which of a buffer's two places has been written since they were the same."""

    NEITHER = "neither"
    HOST = "host"
    DEVICE = "device"


class DeviceMirror:
    """The copy of a buffer on a device; at first the host is newer, or both hold zeros.

    Attributes
    ----------
    machine
    address : int
        On the device.
    newer : Newer
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
        self.newer = Newer.HOST
        if buffer.is_blank:
            machine.clear(memory.address, buffer.nbytes)
            self.newer, buffer.is_blank = Newer.NEITHER, False
        self.copy = Copy(buffer.memory, memory.address, buffer.nbytes, memory.address)
        _mirrors[id(self)] = self

    @property
    def is_ahead(self) -> bool:
        """Whether it has been written since the host had the same."""
        return self.newer is Newer.DEVICE

    def fetch(self) -> None:
        """Bring to the host what is newer on the device."""
        if self.is_ahead:
            with self.machine.enter():
                self.machine.transfers.download([self.copy])
            self.newer = Newer.NEITHER

    def touch(self) -> None:
        """Do the same, and take the host's memory for newer from now on."""
        self.fetch()
        self.newer = Newer.HOST


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
        mirror.newer = Newer.HOST
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
