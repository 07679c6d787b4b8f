"""Mirrors: copies of buffers on a device, and which of the two is newer.

A buffer and its mirror hold the same bytes, or one of them is newer. A mirror belongs to its
buffer, not to a plan: plans that share an arena share its copy, so that a network that was trained
on a device predicts there without a transfer. It gives its memory back when the buffer goes.

Before a process forks, what is newer on a device comes down: the child can use the host's memory,
but no device. The thread that forks need not be the one whose plan runs: so a run says that it
writes before and behind what it asks of the device, and what came down in between does not count.
"""

from __future__ import annotations

import contextlib
import os
import weakref

from netts.devices.memory import Buffer
from netts.devices.transfers import Copy, Machine
from netts.errors import DeviceError


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
