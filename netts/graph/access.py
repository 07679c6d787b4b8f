"""What a recording touches on a device with memory of its own, and the copies that asks for.

Before a run goes up what the device lacks; behind it comes down what the caller is to see.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from netts.compiler.arguments import describe
from netts.devices.memory import Buffer
from netts.devices.mirrors import DeviceMirror, DeviceOriginal, adopt
from netts.devices.transfers import Copy, Machine


@dataclass(frozen=True)
class Span:
    """Bytes of the caller's memory, and their place on the device; see `Copy` for the rest."""

    start: int
    stop: int
    address: int = 0
    room: int = 0
    block: int = 0

    def upload(self) -> Copy:
        """Return the copy of the caller's memory itself."""
        memory = (ctypes.c_uint8 * (self.stop - self.start)).from_address(self.start)
        return Copy(np.ctypeslib.as_array(memory), self.address, self.room, self.block)

    def download(self) -> Copy:
        """Return a copy to other memory: what lies between the elements is not ours to write."""
        return Copy(np.empty(self.stop - self.start, np.uint8), self.address, self.room, self.block)


@dataclass(frozen=True)
class Written:
    """An array of the caller's that a recording writes."""

    array: np.ndarray
    span: Span

    def take(self, memory: np.ndarray) -> None:
        """Write the elements, out of the span's bytes."""
        array, first = self.array, first_element(self.array) - self.span.start
        array[...] = np.ndarray(array.shape, array.dtype, memory.data, first, array.strides)


@dataclass(frozen=True)
class Copies:
    """What goes up before a run, or comes down behind it.

    Attributes
    ----------
    is_upload
    what
        In words.
    buffers
        Copied where that is needed: what the host has written, what is read.
    ranges
        Of the caller's memory, first byte and end: copied at every run.
    """

    is_upload: bool
    what: str
    buffers: tuple[Buffer, ...]
    ranges: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        return f"before: upload {self.what}" if self.is_upload else f"behind: download {self.what}"


@dataclass(frozen=True)
class Access:
    """What a recording touches, and what that asks for before and behind a run.

    Attributes
    ----------
    touched, written
        Buffers with their mirrors.
    held
        Buffers of which the caller passed an array: their memory may change without notice.
    spans
        The caller's memory.
    results
        The caller's arrays that are written.
    """

    machine: Machine
    touched: tuple[tuple[Buffer, DeviceMirror], ...]
    written: tuple[DeviceMirror, ...]
    held: tuple[Buffer, ...]
    spans: tuple[Span, ...]
    results: tuple[Written, ...]

    def before(self) -> None:
        """Send what the device lacks, and note what it is about to write."""
        for buffer in self.held:
            buffer.touch()
        for buffer, mirror in self.touched:
            adopt(buffer, mirror)
        stale = [mirror for _, mirror in self.touched if mirror.is_behind]
        copies = [span.upload() for span in self.spans] + [one.copy for one in stale]
        for mirror in stale:  # first: what another thread writes meanwhile goes up the next time
            mirror.is_behind = False
        try:
            self.machine.transfers.upload(copies)
        except BaseException:
            for mirror in stale:
                mirror.is_behind = True
            raise
        self.note()

    def note(self) -> None:
        """Note what the device writes, or was asked to write.

        Before a run, so that nothing is lost if that is interrupted; and behind it, as another
        thread that forks meanwhile fetches what was written up to then.
        """
        for mirror in self.written:
            mirror.note_writing()

    def behind(self) -> None:
        """Bring down what the caller is to see when `run` returns."""
        self.note()
        for buffer in self.held:
            buffer.fetch()
        if self.results:
            copies = {one.span: one.span.download() for one in self.results}
            self.machine.transfers.download(list(copies.values()))
            for one in self.results:
                one.take(copies[one.span].host)

    def copies(self) -> tuple[Copies, ...]:
        """Return what goes up and comes down."""
        # What lies on the device only never goes up.
        touched = tuple(
            one for one, mirror in self.touched if not isinstance(mirror, DeviceOriginal)
        )
        written = tuple(one for one, mirror in self.touched if mirror in self.written)
        given = tuple((one.start, one.stop) for one in self.spans)
        back = tuple((one.start, one.stop) for one in (describe(r.array) for r in self.results))
        sent = sum(stop - start for start, stop in given)
        brought = sum(one.array.nbytes for one in self.results)
        names = ", ".join(f"{one.name} ({one.nbytes} bytes)" for one in touched)
        found = (
            Copies(True, f"what the host has written of {names}", touched, ()),
            Copies(True, f"{sent} bytes of arrays that are not constant", (), given),
            Copies(False, f"when read {', '.join(one.name for one in written)}", written, ()),
            Copies(False, f"{brought} bytes of arrays that are written", (), back),
        )
        return tuple(one for one in found if one.buffers or one.ranges)


def first_element(array: np.ndarray) -> int:
    """Return the address of the element that subscripts count from; strides may be negative."""
    return int(array.__array_interface__["data"][0])
