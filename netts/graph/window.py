"""Windows: what a plan reads part by part, one half filled while the other is read.

Who fills it and who reads it are two threads. For each half they take turns::

    filling thread: claim, write the arrays, send      reading thread: expect, receive, run, release

A half is claimed again only behind its release. Whoever drives the window sees to it that it is
received only behind its sending. Where the plan runs on a device with memory of its own, "sent" and
"released" mean "asked for": events keep the device's copies and kernels in that order, and the host
goes on at once.
"""

from __future__ import annotations

import threading
import time
import weakref

import numpy as np
from numpy.typing import DTypeLike

from netts.devices.cuda import opened
from netts.devices.memory import Arena, BufferView
from netts.devices.mirrors import DeviceMirror
from netts.devices.names import NUMBERED, kind_of, ordinal_of
from netts.devices.transfers import Event, Traffic

HALVES = 2


class Window:
    """Rows of several arrays, in two halves; for devices that run on the host's memory.

    Parameters
    ----------
    rows
        Of a half.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._arena = Arena("window")
        self._views: list[BufferView] = []
        self._free = [threading.Semaphore() for _ in range(HALVES)]
        self._stalled_seconds, self._since = 0.0, 0.0

    def reserve(self, width: tuple[int, ...], dtype: DTypeLike) -> BufferView:
        """Return an array (HALVES * rows, *width) for kernels to read."""
        self._views.append(self._arena.reserve((HALVES * self.rows, *width), dtype))
        return self._views[-1]

    def allocate(self) -> None:
        """Give the arrays their memory."""
        self._arena.allocate()
        assert self._arena.buffer.memory is not None
        self._arrays = self._arrays_in(self._arena.buffer.memory)

    def _arrays_in(self, memory: np.ndarray) -> list[np.ndarray]:
        """Return the arrays as they lie in memory itself: no mirror is to hear of every writing."""
        return [
            np.ndarray(one.shape, one.dtype, memory, one.offset, one.strides) for one in self._views
        ]

    def arrays(self, half: int, rows: int) -> list[np.ndarray]:
        """Return the first rows of a half, to be written between `claim` and `send`."""
        start = half * self.rows
        return [array[start : start + rows] for array in self._arrays]

    def claim(self, half: int, seconds: float) -> bool:
        """Wait until the host's memory of a half may be written; False where it takes longer."""
        if not self._free[half].acquire(timeout=seconds):
            return False
        self._settle(half)
        return True

    def reset(self) -> None:
        """Let both halves be claimed, whoever had them; nobody fills or reads the window then."""
        for half in range(HALVES):
            self._settle(half)
        self._free = [threading.Semaphore() for _ in range(HALVES)]

    def _settle(self, half: int) -> None:
        """Wait until nothing reads the host's memory of a half that was sent."""

    def send(self, half: int, rows: int) -> None:
        """Have what was written of a half go where the plan reads it."""

    def expect(self) -> None:
        """Note that the plan has nothing to do before it has the next half."""
        self._since = time.perf_counter()

    def receive(self, half: int) -> None:
        """Let what the plan runs from now on see what was sent of a half."""
        self._stalled_seconds += time.perf_counter() - self._since

    def release(self, half: int) -> None:
        """Note that the plan has been asked for all that it is to do with a half."""
        self._free[half].release()

    def stalled_seconds(self) -> float:
        """Return how long the plan has waited for halves since this was asked last.

        To be asked when everything is done.
        """
        seconds, self._stalled_seconds = self._stalled_seconds, 0.0
        return seconds


class DeviceWindow(Window):
    """A window whose plan runs on a GPU: rows are written to pinned memory, and copied from there.

    The host's own memory of the window stays untouched.

    Raises
    ------
    DeviceError
        Where the system has no memory that the device reaches.
    """

    def __init__(self, window: Window, device: str) -> None:
        super().__init__(window.rows)
        self._arena, self._views = window._arena, window._views
        self._machine = opened(ordinal_of(device))
        with self._machine.enter():
            pinned = self._machine.pin(self._arena.nbytes)
        weakref.finalize(self, pinned.free).atexit = False
        self._arrays = self._arrays_in(pinned.array)
        self._mirror.is_behind = False  # it gets all by sending, and nothing of the host's memory
        self._sent: list[Event | None] = [None] * HALVES
        self._released: list[Event | None] = [None] * HALVES
        self._waits: list[tuple[Event, Event]] = []
        self._spare: list[Event] = []

    @property
    def _mirror(self) -> DeviceMirror:
        mirror = self._arena.buffer.mirror
        assert isinstance(mirror, DeviceMirror)
        return mirror

    def reset(self) -> None:
        """Let both halves be claimed; what is sent waits for all that the plan was asked for."""
        super().reset()
        self._released = [None] * HALVES

    def _settle(self, half: int) -> None:
        sent = self._sent[half]
        if sent is not None:
            with self._machine.enter():
                sent.wait()

    def send(self, half: int, rows: int) -> None:
        """Copy a half, behind what the plan has been asked to do with it, aside."""
        machine, mirror = self._machine, self._mirror
        with machine.enter():
            # Before the first release what comes first is the clearing of the device's memory, or
            # what reads a half that was never released.
            machine.hold(self._released[half] or machine.record(), aside=True)
            for view, array in zip(self._views, self.arrays(half, rows), strict=True):
                start = view[half * self.rows :].offset
                machine.upload_aside(mirror.address + start, array)
                machine.transfers.count(Traffic(uploads=1, upload_bytes=array.nbytes))
            self._sent[half] = machine.record(self._sent[half], aside=True)

    def expect(self) -> None:
        """Mark where the device has done all that it was asked to."""
        with self._machine.enter():
            self._expected = self._machine.record(self._spare.pop() if self._spare else None)

    def receive(self, half: int) -> None:
        """Let the device wait for the copy, and mark when it need not any more."""
        with self._machine.enter():
            self._machine.hold(self._sent[half])
            arrived = self._machine.record(self._spare.pop() if self._spare else None)
        self._waits.append((self._expected, arrived))

    def release(self, half: int) -> None:
        """Mark behind what the device was asked to do."""
        with self._machine.enter():
            self._released[half] = self._machine.record(self._released[half])
        super().release(half)

    def stalled_seconds(self) -> float:
        """Return the time between such marks."""
        waits, self._waits = self._waits, []
        self._spare += [event for pair in waits for event in pair]
        with self._machine.enter():
            return sum(arrived.seconds_since(expected) for expected, arrived in waits)


def window_on(device: str, window: Window) -> Window:
    """Return a window that was allocated, as it is filled for a plan that runs on a device."""
    return DeviceWindow(window, device) if kind_of(device) == NUMBERED else window
