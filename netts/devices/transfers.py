"""Copies between host and device: gathered in pinned memory, neighbours on the device in one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple, dataclass
from typing import Any, Protocol

import numpy as np

from netts.devices.memory import PIECE_ALIGNMENT_BYTES, align

STAGING_BYTES = 8 * 2**20
"""Pinned memory of a device; what is larger is copied from where it lies.

So much holds the order of a million samples, what an epoch sends.
"""


class Memory(Protocol):
    """Memory of a device."""

    address: int

    def free(self) -> None:
        """Give it back, behind all that was asked for: in any thread, within any call."""
        ...


class Pinned(Protocol):
    """Memory of the host that does not move and that the device can reach too.

    Attributes
    ----------
    array
        Its bytes, zero at first.
    address
        Where the device finds them.
    """

    array: np.ndarray
    address: int

    def free(self) -> None:
        """Give it back, as `Memory` does."""
        ...


class Event(Protocol):
    """A mark in the order of what a device does: see `Machine.record`."""

    def wait(self) -> None:
        """Wait on the host until it is reached."""
        ...

    def seconds_since(self, earlier: Any) -> float:
        """Return how much later it was reached than another one, both being reached."""
        ...


class Machine(Protocol):
    """A device with memory of its own: `devices.cuda.CudaDevice`, or what tests put in its place.

    Copies and launches run in the order in which they were asked for; `synchronize` waits for them.
    What is asked for aside runs beside them, in an order of its own; events tie the two orders.
    """

    name: str
    transfers: Transfers

    def enter(self) -> AbstractContextManager[None]:
        """Prepare the calling thread for the other calls, at most for a `with` block."""
        ...

    def free_bytes(self) -> int:
        """Return how much memory is free."""
        ...

    def allocate(self, nbytes: int) -> Memory:
        """Return memory with undefined contents."""
        ...

    def clear(self, address: int, nbytes: int) -> None:
        """Set bytes to zero."""
        ...

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """Copy bytes from one place on the device to another."""
        ...

    @property
    def stream_address(self) -> int:
        """What other libraries call the order in which copies and launches run."""
        ...

    def follow(self, stream: int) -> None:
        """Let what is asked from now on begin behind what a stream of another library was asked."""
        ...

    def pin(self, nbytes: int) -> Pinned:
        """Return zeroed memory of the host that the device reaches."""
        ...

    def upload(self, address: int, source: np.ndarray) -> None:
        """Copy a contiguous array to the device."""
        ...

    def download(self, target: np.ndarray, address: int) -> None:
        """Fill a contiguous array from the device."""
        ...

    def synchronize(self) -> None:
        """Wait for everything."""
        ...

    def upload_aside(self, address: int, source: np.ndarray) -> None:
        """Copy contiguous pinned memory to the device, beside what runs there."""
        ...

    def record(self, event: Any = None, *, aside: bool = False) -> Event:
        """Return an event, a new one or one to use again, that is reached behind what was asked."""
        ...

    def hold(self, event: Any, *, aside: bool = False) -> None:
        """Let what is asked from now on begin after an event that was recorded."""
        ...

    def launch(self, launch: Any) -> None:
        """Run a kernel."""
        ...

    def capture(self, launches: Sequence[Any]) -> Any:
        """Return launches as one graph, which runs them in order."""
        ...

    def launch_graph(self, graph: Any) -> None:
        """Run what was captured."""
        ...

    def timed(self, launches: Sequence[Any]) -> list[float]:
        """Run launches one by one and return the seconds that each took on the device."""
        ...


@dataclass(frozen=True)
class Traffic:
    """What went to and from a device.

    Attributes
    ----------
    uploads, downloads : int
        Copies of contiguous bytes.
    upload_bytes, download_bytes : int
    launches : int
        Of graphs: one for each step but the first of a recording.
    """

    uploads: int = 0
    upload_bytes: int = 0
    downloads: int = 0
    download_bytes: int = 0
    launches: int = 0

    def plus(self, other: Traffic) -> Traffic:
        """Return both together."""
        return Traffic(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def since(self, before: Traffic) -> Traffic:
        """Return what came after an earlier count."""
        return Traffic(*(a - b for a, b in zip(astuple(self), astuple(before), strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.uploads} uploads of {self.upload_bytes:,} bytes, {self.downloads} downloads "
            f"of {self.download_bytes:,} bytes, {self.launches} graph launches"
        )


@dataclass(frozen=True)
class Copy:
    """Bytes of the host, and where they lie on the device.

    Attributes
    ----------
    room
        The bytes from `address` on that belong to nobody else: `host` and what pads it. Two copies
        are neighbours where the room of one ends at the address of the other.
    block
        Where the allocation starts that it is of. No copy may cross from one into another, though
        a driver likes to put one behind the other.
    """

    host: np.ndarray
    address: int
    room: int
    block: int


class Transfers:
    """The copies to and from one device, which may be asked for by several threads.

    Attributes
    ----------
    traffic : Traffic
        Of the device since the process began.
    lock : RLock
        Held while copies are asked for; who holds it is not overtaken by those of other threads.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._staging: Pinned | None = None
        self._used, self._is_copying = 0, False
        self.lock = threading.RLock()
        self.traffic = Traffic()

    def count(self, traffic: Traffic) -> None:
        """Add to the traffic."""
        with self.lock:
            self.traffic = self.traffic.plus(traffic)

    def upload(self, copies: Sequence[Copy]) -> None:
        """Copy to the device; the host may write its memory at once."""
        with self._turn():
            for group in _neighbours(copies):
                nbytes = _extent(group)
                self.count(Traffic(uploads=1, upload_bytes=nbytes))
                if nbytes > STAGING_BYTES:
                    self._machine.upload(group[0].address, group[0].host)
                    self._machine.synchronize()
                    continue
                if not self._has_room(nbytes):
                    self._wait()
                staged = self._stage(nbytes)
                for copy, place in _places(group):
                    staged[place : place + copy.host.nbytes] = copy.host
                self._machine.upload(group[0].address, staged)

    def download(self, copies: Sequence[Copy]) -> None:
        """Copy from the device, and wait until it is done."""
        with self._turn():
            landing: list[tuple[np.ndarray, list[Copy]]] = []
            for group in _neighbours(copies):
                nbytes = _extent(group)
                self.count(Traffic(downloads=1, download_bytes=nbytes))
                if nbytes > STAGING_BYTES:
                    self._machine.download(group[0].host, group[0].address)
                    continue
                if not self._has_room(nbytes):
                    self._land(landing)
                staged = self._stage(nbytes)
                self._machine.download(staged, group[0].address)
                landing.append((staged, group))
            self._land(landing)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let a thread copy; within a copy of its own, a signal's handler, by memory of its own."""
        with self.lock:
            if not self._is_copying:
                self._is_copying = True
                try:
                    yield
                finally:
                    self._is_copying = False
                return
            outer = self._exchange(None, 0)
            try:
                yield
            finally:
                own, _ = self._exchange(*outer)
                if own is not None:
                    own.free()

    def _exchange(self, staging: Pinned | None, used: int) -> tuple[Pinned | None, int]:
        """Take other pinned memory to copy by, and return what there was."""
        before = self._staging, self._used
        self._staging, self._used = staging, used
        return before

    def _has_room(self, nbytes: int) -> bool:
        return self._used + nbytes <= STAGING_BYTES

    def _stage(self, nbytes: int) -> np.ndarray:
        """Return pinned memory that no copy uses."""
        if self._staging is None:
            self._staging = self._machine.pin(STAGING_BYTES)
        start = self._used
        self._used = align(start + nbytes, PIECE_ALIGNMENT_BYTES)
        return self._staging.array[start : start + nbytes]

    def _land(self, landing: list[tuple[np.ndarray, list[Copy]]]) -> None:
        """Wait, and write to its place what has come down."""
        self._wait()
        for staged, group in landing:
            for copy, place in _places(group):
                copy.host[...] = staged[place : place + copy.host.nbytes]
        landing.clear()

    def _wait(self) -> None:
        self._machine.synchronize()
        self._used = 0


def _neighbours(copies: Sequence[Copy]) -> Iterator[list[Copy]]:
    """Yield groups of copies that lie side by side on the device and fit the staging together."""
    group: list[Copy] = []
    for copy in sorted(copies, key=lambda one: one.address):
        if not copy.host.nbytes:
            continue
        last = group[-1] if group else None
        touches = (
            last is not None
            and last.block == copy.block
            and last.address + last.room == copy.address
        )
        if touches and _extent([group[0], copy]) <= STAGING_BYTES:
            group.append(copy)
            continue
        if group:
            yield group
        group = [copy]
    if group:
        yield group


def _extent(group: Sequence[Copy]) -> int:
    """Return the bytes from the start of the first to the end of the last."""
    return group[-1].address + group[-1].host.nbytes - group[0].address


def _places(group: Sequence[Copy]) -> Iterator[tuple[Copy, int]]:
    """Yield copies with how far each lies behind the first."""
    for copy in group:
        yield copy, copy.address - group[0].address
