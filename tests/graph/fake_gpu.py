"""A device with memory of its own, without a GPU: it keeps a log, and runs kernels as the CPU does.

What is asked of it is done only when somebody waits for it, as late as a real device may do it: a
copy whose memory was used again meanwhile is seen. What is asked aside is done likewise, or, if it
is hasty, as soon as a real device may. Memory that was not written, or was given back, holds NaN;
what lies outside of an allocation cannot be reached.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from netts.compiler.cuda.specialise import CudaSpecialisation
from netts.compiler.loops import Loops
from netts.devices import foreign, registry
from netts.devices.cuda import failures
from netts.devices.cuda_driver import Gpu
from netts.devices.memory import BufferView, allocate
from netts.devices.names import name_of
from netts.devices.transfers import Transfers
from netts.errors import DeviceError, DeviceMemoryError, KernelError
from netts.graph import cuda_replay, trial, window

LIFTED = 1 << 52
"""Device addresses are those of the host plus this: one taken for the other is a segfault away."""


class Layout(NamedTuple):
    """What an array looks like; arrays themselves would keep memory alive."""

    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...]


class Turn(AbstractContextManager[None]):
    """A device being current for the thread, as CUDA has it: the one before is so again behind."""

    threads: ClassVar[threading.local] = threading.local()

    def __init__(self, gpu: FakeGpu) -> None:
        self._before, Turn.threads.gpu = Turn.current(), gpu

    def __exit__(self, *_error: object) -> None:
        Turn.threads.gpu = self._before

    @classmethod
    def current(cls) -> FakeGpu | None:
        return getattr(cls.threads, "gpu", None)


class Block:
    """An allocation."""

    def __init__(self, gpu: FakeGpu, nbytes: int, fill: int, *, is_pinned: bool = False) -> None:
        self._gpu, self.is_pinned = gpu, is_pinned
        self.array = allocate(max(nbytes, 1))
        self.array[...] = fill
        self.address = self.array.ctypes.data + LIFTED
        gpu.blocks[self.address] = self

    def free(self) -> None:
        if not self._gpu.lost and self._gpu.process == os.getpid():
            with self._gpu.enter():
                self._gpu.settle()
        del self._gpu.blocks[self.address]
        if not self._gpu.is_working:
            self.array[...] = 255


@dataclass(eq=False)
class FakeEvent:
    """How often it was recorded, and how many of these records were reached."""

    gpu: FakeGpu
    records: int = 0
    reached: int = 0
    seconds: float = 0.0

    def reach(self, record: int) -> None:
        self.reached, self.seconds = max(self.reached, record), time.perf_counter()

    def wait(self) -> None:
        self.gpu.work_until(lambda: self.reached == self.records)

    def seconds_since(self, earlier: FakeEvent) -> float:
        assert self.reached == self.records
        assert earlier.reached == earlier.records
        return self.seconds - earlier.seconds


@dataclass(frozen=True)
class Held:
    """An entry of a queue: what follows waits for a record of an event."""

    event: FakeEvent
    record: int


@dataclass
class FakeGpu:
    """Records what it is asked for in `log`: ("upload", bytes), ("graph", launches), ...

    Once installed, it refuses what is asked of it while it is not the thread's turn to.
    """

    nbytes: int = 2**30
    name: str = "a fake GPU"
    capability: tuple[int, int] = (9, 0)
    log: list[tuple[str, int]] = field(default_factory=list)
    blocks: dict[int, Block] = field(default_factory=dict)
    is_hasty: bool = False
    is_installed: bool = False
    is_broken: bool = False
    lost: str = ""

    def __post_init__(self) -> None:
        self.transfers = Transfers(self)
        self._queue: deque[Callable[[], None] | Held] = deque()
        self._aside: deque[Callable[[], None] | Held] = deque()
        self.streams: defaultdict[int, list[Callable[[], None]]] = defaultdict(list)
        self._lock = threading.RLock()
        self.is_working = False
        self.process = os.getpid()

    # ------------------------------------------------------------ memory and copies

    @property
    def allocated_bytes(self) -> int:
        return sum(len(one.array) for one in self._blocks())

    def _blocks(self) -> list[Block]:
        """Return the allocations there are; the collector, or another thread, may free some."""
        return list(self.blocks.values())

    def enter(self) -> AbstractContextManager[None]:
        if self.process != os.getpid():
            raise DeviceError(failures.FORKED)
        if self.lost:
            raise failures.lost(self.name, self.lost)
        return Turn(self)

    def _take_turn(self) -> None:
        assert not self.is_installed or Turn.current() is self, f"{self.name} is not current"
        if self.lost:
            raise failures.lost(self.name, self.lost)

    def free_bytes(self) -> int:
        return self.nbytes - sum(len(one.array) for one in self._blocks() if not one.is_pinned)

    def allocate(self, nbytes: int) -> Block:
        self._take_turn()
        if nbytes > self.free_bytes():
            raise DeviceMemoryError(f"{self.name} has no room for {nbytes:,} bytes")
        return Block(self, nbytes, 255)

    def pin(self, nbytes: int) -> Block:
        self._take_turn()
        return Block(self, nbytes, 0, is_pinned=True)

    def clear(self, address: int, nbytes: int) -> None:
        target = self._bytes(address, nbytes)
        self._queue.append(lambda: target.fill(0))

    def upload(self, address: int, source: np.ndarray) -> None:
        self.log.append(("upload", source.nbytes))
        target = self._bytes(address, source.nbytes)
        self._queue.append(lambda: target.__setitem__(..., source))

    def download(self, target: np.ndarray, address: int) -> None:
        self.log.append(("download", target.nbytes))
        source = self._bytes(address, target.nbytes)
        self._queue.append(lambda: target.__setitem__(..., source))

    def copy(self, target: int, source: int, nbytes: int) -> None:
        self.log.append(("copy", nbytes))
        there, here = self._bytes(target, nbytes), self._bytes(source, nbytes)
        self._queue.append(lambda: there.__setitem__(..., here))

    @property
    def stream_address(self) -> int:
        return id(self._queue)

    def follow(self, stream: int) -> None:
        """Do what `streams` holds of another library's stream before all that is asked from now."""
        self._take_turn()
        self.log.append(("follow", stream))
        self._queue.extend(self.streams.pop(stream, []))

    def upload_aside(self, address: int, source: np.ndarray) -> None:
        self.log.append(("aside", source.nbytes))
        pinned = [one.array for one in self._blocks() if one.is_pinned]
        assert any(np.shares_memory(source, one) for one in pinned)
        target = self._bytes(address, source.nbytes)
        data = source.reshape(-1).view(np.uint8)
        self._ask_aside(lambda: target.__setitem__(..., data))

    def record(self, event: FakeEvent | None = None, *, aside: bool = False) -> FakeEvent:
        with self._lock:
            found = event or FakeEvent(self)
            found.records += 1
            record = found.records
            if aside:
                self._ask_aside(lambda: found.reach(record))
            else:
                self._queue.append(lambda: found.reach(record))
            return found

    def hold(self, event: FakeEvent, *, aside: bool = False) -> None:
        with self._lock:
            assert event.records
            (self._aside if aside else self._queue).append(Held(event, event.records))

    def _ask_aside(self, act: Callable[[], None]) -> None:
        with self._lock:
            self._aside.append(act)
            while self.is_hasty and self._step(self._aside):
                pass

    def synchronize(self) -> None:
        self._take_turn()
        if self.is_broken:
            self.lost = "a test broke it"
            self._take_turn()
        self.work_until(lambda: not self._queue)

    def settle(self) -> None:
        self.synchronize()
        self.work_until(lambda: not self._aside)

    def work_until(self, is_done: Callable[[], bool]) -> None:
        """Do what was asked, aside only what cannot wait, until something is true.

        Where the collector gives memory back within a step, nothing: what follows that step would
        be done before it. A real device waits there, and goes on with the step meanwhile.
        """
        with self._lock:
            while not (self.is_working or is_done()):
                if not (self._step(self._queue) or self._step(self._aside)):
                    raise AssertionError("two streams wait for one another")

    def _step(self, queue: deque[Callable[[], None] | Held]) -> bool:
        """Do the first entry of a queue; False where there is none, or it has to wait."""
        if not queue:
            return False
        first = queue[0]
        if isinstance(first, Held):
            if first.event.reached < first.record:
                return False
            queue.popleft()
            return True
        queue.popleft()
        self.is_working = True
        try:
            first()
        finally:
            self.is_working = False
        return True

    def _bytes(self, address: int, nbytes: int) -> np.ndarray:
        self._take_turn()
        for block in self._blocks():
            start = address - block.address
            if 0 <= start <= start + nbytes <= len(block.array):
                return block.array[start : start + nbytes]
        raise AssertionError(f"nothing of the device lies at {address}")

    # ------------------------------------------------------------ kernels

    def prepared(self, operation, addresses, scratch, fault, numbers):
        """Return a launch: the last operation of a task does all of it, by the CPU's code."""
        _, loops, layouts, is_last = KNOWN[id(operation)]
        arguments = tuple(
            self._array(addresses[name], layouts[name]) if name in layouts else numbers[name]
            for name in loops.parameters
        )

        def launch() -> None:
            if not is_last:
                return
            try:
                loops.specialise(arguments).run(arguments)
            except KernelError:
                marks = self._bytes(fault, 8 * operation.fault_words).view(np.int64)
                marks[:2] = 1, -1

        return launch

    def _array(self, address: int, like: Layout) -> np.ndarray:
        if 0 in like.shape:
            return np.empty(like.shape, like.dtype)
        for block in self._blocks():
            start = address - block.address
            if 0 <= start < len(block.array):  # NumPy refuses what goes beyond
                return np.ndarray(like.shape, like.dtype, block.array, start, like.strides)
        raise AssertionError(f"nothing of the device lies at {address}")

    def launch(self, launch: Callable[[], None]) -> None:
        self._take_turn()
        self.log.append(("launch", 1))
        self._queue.append(launch)

    def capture(self, launches: Sequence[Callable[[], None]]) -> tuple[Callable[[], None], ...]:
        self.log.append(("capture", len(launches)))
        return tuple(launches)

    def launch_graph(self, graph: tuple[Callable[[], None], ...]) -> None:
        self._take_turn()
        self.log.append(("graph", len(graph)))
        self._queue.extend(graph)

    def timed(self, launches: Sequence[Callable[[], None]]) -> list[float]:
        self.log.append(("timed", len(launches)))
        self._queue.extend(launches)
        self.synchronize()
        return [1e-6 * (number + 1) for number in range(len(launches))]

    # ------------------------------------------------------------ what tests ask

    def taken(self, *kinds: str) -> list[tuple[str, int]]:
        """Return the log, or some kinds of its entries, and begin a new one."""
        log, self.log = self.log, []
        return [one for one in log if not kinds or one[0] in kinds]


def specialised(
    lower: Callable[..., CudaSpecialisation],
) -> Callable[..., CudaSpecialisation]:
    """Return `Loops.specialise_cuda`, watched: what its operations belong to."""

    def specialise(loops: Loops, arguments: tuple[Any, ...], *further: Any) -> CudaSpecialisation:
        special = lower(loops, arguments, *further)
        layouts = {
            name: Layout(one.shape, one.dtype, one.strides)
            for name, one in zip(loops.parameters, arguments, strict=True)
            if isinstance(one, np.ndarray | BufferView)
        }
        for one in special.operations:
            KNOWN[id(one)] = one, loops, layouts, one is special.operations[-1]
        return special

    return specialise


KNOWN: dict[int, tuple[Any, Loops, dict[str, Layout], bool]] = {}
"""Operations that were lowered while a fake was installed, by their ids."""


def install(patch: pytest.MonkeyPatch, nbytes: int = 2**30) -> FakeGpu:
    """Put a fake in the place of the first GPU."""
    return install_several(patch, 1, nbytes)[0]


def install_several(
    patch: pytest.MonkeyPatch, count: int, nbytes: int = 2**30
) -> tuple[FakeGpu, ...]:
    """Put fakes in the place of the first GPUs, of `nbytes` each."""
    names = ("a fake GPU", *(f"fake GPU {ordinal}" for ordinal in range(1, count)))
    gpus = tuple(FakeGpu(nbytes, name, is_installed=True) for name in names)
    for module in (cuda_replay, foreign, trial, window):
        patch.setattr(module, "opened", lambda ordinal=0: gpus[ordinal])
    patch.setattr(
        cuda_replay, "prepared", lambda operation, gpu, *rest: gpu.prepared(operation, *rest)
    )
    patch.setattr(Loops, "specialise_cuda", specialised(Loops.specialise_cuda))
    described = tuple(Gpu(one.name, one.nbytes, one.capability, (13, 0)) for one in gpus)
    info = registry.DeviceInfo(name_of("cuda", 0), True, gpus[0].name, gpus=described)
    patch.setitem(registry._DEVICES, "cuda", lambda: info)
    patch.setattr(Turn, "threads", threading.local())
    patch.setattr(sys.modules[__name__], "KNOWN", {})
    return gpus
