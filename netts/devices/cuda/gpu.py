"""A GPU with what belongs to it: memory, copies, loaded kernels, and the stream they run on.

Loading and launching go through cuda.core, memory through the driver, matrix products through
cuBLAS: numba-cuda's launches cost tens of microseconds, and it frees memory in batches with calls
that wait for the device.
"""

from __future__ import annotations

import gc
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netts.devices.cublas import WORKSPACE_BYTES, Cublas, GemmLaunch
from netts.devices.cuda import failures, packages
from netts.devices.cuda.compilation import KernelImage
from netts.devices.cuda.events import CudaEvent
from netts.devices.cuda.kernels import Kernels, Launch
from netts.devices.cuda.memory import DeviceMemory, PinnedMemory
from netts.devices.gemm import Gemm
from netts.devices.transfers import Transfers
from netts.errors import DeviceError, DeviceMemoryError

BUSY_BYTES = 2**28
"""What is cleared to keep a device busy: 0.1 ms at 2.3 TB/s."""

LAUNCHES_PER_CLEARING = 2
"""Launches that a host asks for in that time, with an event behind each: at most 50 us for one."""


@dataclass(frozen=True)
class CapturedGraph:
    """Launches captured as one graph; the builder is kept, as it owns what was captured."""

    graph: Any = field(repr=False)
    builder: Any = field(repr=False)


class _Entered(AbstractContextManager[None]):
    """Makes the context current again that was so before, at the end of a `with` block."""

    def __init__(self, device: CudaDevice, before: Any) -> None:
        self._device, self._before = device, before

    def __exit__(self, *_error: object) -> None:
        self._device.leave(self._before)


class CudaDevice:
    """A GPU: memory, copies, kernels, and one stream that they run on in order.

    Copies and launches return at once; `synchronize` waits for them. All that CUDA gives belongs to
    one GPU, so all is kept here: stream, pinned memory, loaded kernels, cuBLAS's handle. A thread
    calls `enter` before anything else. Get one by `opened()` or `device()`.

    Attributes
    ----------
    ordinal : int
        Its number, of those that this process may use.
    name : str
    capability : tuple of two int
    stream
        Of cuda.core.
    process : int
        The process that opened it.
    transfers : Transfers
    kernels : Kernels
    lost : str
        What it did not survive; "" as long as it can be used.
    """

    def __init__(self, ordinal: int) -> None:
        self._core, self._driver = packages.core(), packages.driver()
        self._error_classes = packages.error_classes()
        self.ordinal, self.name, self.lost = ordinal, f"GPU {ordinal}", ""
        self.process = os.getpid()
        with self.enter(), self.reported("starting"):
            device = self._core.Device(ordinal)
            capability = device.compute_capability
            self.capability = (int(capability.major), int(capability.minor))
            self.name = str(device.name)
            self.stream, self._aside = device.create_stream(), device.create_stream()
        self.transfers = Transfers(self)
        self._lock = threading.RLock()
        self.kernels = Kernels(self, self._core)
        self._cublas: Cublas | None = None

    @property
    def is_here(self) -> bool:
        """Whether this is the process that opened it, and no fork of that."""
        return self.process == os.getpid()

    def enter(self) -> AbstractContextManager[None]:
        """Make this the device that the calling thread's calls of the driver are about.

        At the end of a `with` block the one is so again that was before: another GPU's, or that of
        another library.

        Raises
        ------
        DeviceLostError
            Where it has failed before.
        DeviceError
            In a process forked from the one that opened it.
        """
        if not self.is_here:
            raise DeviceError(failures.FORKED)
        if self.lost:
            raise failures.lost(self.name, self.lost)
        before = self.call("cuCtxGetCurrent")
        with self.reported("making it current"):
            self._core.Device(self.ordinal).set_current()  # each thread has a Device of its own
        return _Entered(self, before)

    def leave(self, before: Any) -> None:
        """Make a context current; none where that is 0."""
        self._driver.cuCtxSetCurrent(before)  # of a device that is lost, too

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the driver; return what it returns besides its status.

        Raises
        ------
        DeviceError
            Where the status is an error; `failures` knows which.
        """
        status, *results = getattr(self._driver, function)(*arguments)
        if status != self._driver.CUresult.CUDA_SUCCESS:
            _, text = self._driver.cuGetErrorString(status)
            what = text.decode() if text else "no description"
            raise self._failure(function, status.name, what)
        return results[0] if len(results) == 1 else tuple(results)

    def _failure(self, what: str, status: str, text: str) -> DeviceError:
        """Return the error of something that failed, and remember what the device is lost by."""
        if status in failures.LOST and not self.lost:
            self.lost = f"{what} fails with {status} ({text})"
        if self.lost:
            return failures.lost(self.name, self.lost)
        return failures.explained(self.name, what, status, text, self._memory)

    def translated(self, what: str, error: Exception) -> DeviceError:
        """Return an error of CUDA's packages as one of netts."""
        return self._failure(what, failures.status_of(error), str(error).strip())

    @contextmanager
    def reported(self, what: str) -> Iterator[None]:
        """Raise what CUDA's packages raise in this block as errors of netts."""
        try:
            yield
        except DeviceError:
            raise
        except self._error_classes as error:
            raise self.translated(what, error) from error

    # ------------------------------------------------------------ memory

    def _memory(self) -> tuple[int, int] | None:
        """Return the bytes that are free, and all; None where the driver does not say."""
        status, *sizes = self._driver.cuMemGetInfo()
        if status != self._driver.CUresult.CUDA_SUCCESS:
            return None
        free, total = sizes
        return int(free), int(total)

    def free_bytes(self) -> int:
        """Return how much of the GPU's memory no program has."""
        free, _ = self.call("cuMemGetInfo")
        return int(free)

    def allocate(self, nbytes: int) -> DeviceMemory:
        """Return memory with undefined contents.

        Raises
        ------
        DeviceMemoryError
            Where there is not enough; nothing has changed then.
        """
        nbytes = max(nbytes, 1)
        try:
            address = self.call("cuMemAlloc", nbytes)
        except DeviceMemoryError:
            gc.collect()  # plans in reference cycles keep their memory until then
            address = self._allocated_at_last(nbytes)
        return DeviceMemory(self, int(address), nbytes)

    def _allocated_at_last(self, nbytes: int) -> int:
        try:
            return int(self.call("cuMemAlloc", nbytes))
        except DeviceMemoryError:
            raise failures.no_room(self.name, nbytes, self._memory()) from None

    def pin(self, nbytes: int) -> PinnedMemory:
        """Return zeroed memory of the host that the device reaches.

        Raises
        ------
        DeviceError
            Where the system gives none.
        """
        return PinnedMemory(self, max(nbytes, 1))

    def upload(self, address: int, source: np.ndarray) -> None:
        """Copy a contiguous array to the device; it must not change before `synchronize`."""
        if source.nbytes:
            self.call(
                "cuMemcpyHtoDAsync", address, source.ctypes.data, source.nbytes, self.stream.handle
            )

    def download(self, target: np.ndarray, address: int) -> None:
        """Fill a contiguous array from the device; it is filled after `synchronize`."""
        if target.nbytes:
            self.call(
                "cuMemcpyDtoHAsync", target.ctypes.data, address, target.nbytes, self.stream.handle
            )

    def upload_aside(self, address: int, source: np.ndarray) -> None:
        """Copy contiguous pinned memory on the second stream; it must not change before that."""
        self.call(
            "cuMemcpyHtoDAsync", address, source.ctypes.data, source.nbytes, self._aside.handle
        )

    def record(self, event: Any = None, *, aside: bool = False) -> CudaEvent:
        """Return an event that is reached when a stream has done all that it was asked so far."""
        found: CudaEvent = event or CudaEvent(self)
        self.call("cuEventRecord", found.handle, (self._aside if aside else self.stream).handle)
        return found

    def hold(self, event: Any, *, aside: bool = False) -> None:
        """Let a stream wait for what an event was recorded behind."""
        stream = self._aside if aside else self.stream
        self.call("cuStreamWaitEvent", stream.handle, event.handle, 0)

    def clear(self, address: int, nbytes: int) -> None:
        """Set bytes to zero."""
        if nbytes:
            self.call("cuMemsetD8Async", address, 0, nbytes, self.stream.handle)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """Copy bytes of the device's own memory."""
        if nbytes:
            self.call("cuMemcpyDtoDAsync", target, source, nbytes, self.stream.handle)

    @property
    def stream_address(self) -> int:
        """The stream, as DLPack and `__cuda_array_interface__` name it."""
        _, address = self.stream.__cuda_stream__()
        return int(address)

    def follow(self, stream: int) -> None:
        """Wait, on the device, for what another library's stream was asked so far.

        1 and 2 are CUDA's default streams, the legacy one and that of the calling thread.
        """
        event = CudaEvent(self)
        self.call("cuEventRecord", event.handle, stream)
        self.hold(event)

    def synchronize(self) -> None:
        """Wait for all copies and launches.

        Raises
        ------
        DeviceError
            Where one of them failed.
        """
        self.call("cuStreamSynchronize", self.stream.handle)

    def settle(self) -> None:
        """Wait for all of that and for what was asked for aside: memory may be given back then."""
        self.synchronize()
        self.call("cuStreamSynchronize", self._aside.handle)

    # ------------------------------------------------------------ kernels

    def prepare(
        self,
        image: KernelImage,
        blocks: int,
        threads: int,
        parameters: Sequence[bool | int | float],
    ) -> Launch:
        """Return a launch of a kernel; see `Kernels`."""
        return self.kernels.prepare(image, blocks, threads, parameters)

    def prepare_product(self, gemm: Gemm, addresses: tuple[int, int, int]) -> GemmLaunch:
        """Return a product of the left and right factor into the result at three addresses.

        Raises
        ------
        DeviceError
            Where cuBLAS is not found.
        """
        return self._blas().prepare(gemm, addresses)

    def launch(self, launch: Launch | GemmLaunch, stream: Any = None) -> None:
        """Run a kernel on the device's stream, or add it to what a graph builder captures."""
        stream = stream or self.stream
        if isinstance(launch, GemmLaunch):
            _, address = stream.__cuda_stream__()  # of a graph builder, too
            self._blas().launch(launch, int(address))
            return
        try:
            self._core.launch(stream, launch.configuration, launch.kernel, *launch.parameters)
        except self._error_classes as error:
            raise self.translated(f"launching kernel {launch.name!r}", error) from error

    def _blas(self) -> Cublas:
        """Return cuBLAS, started if it is not yet: never while a graph is captured."""
        with self._lock:
            if self._cublas is None:
                self._cublas = self._start_cublas()
            return self._cublas

    def _start_cublas(self) -> Cublas:
        workspace = self.allocate(WORKSPACE_BYTES)  # for as long as the process lasts
        try:
            return Cublas(packages.cublas(), workspace.address)
        except DeviceError:
            workspace.free()
            raise
        except (ImportError, RuntimeError) as error:  # the package, or the library that it loads
            workspace.free()
            raise DeviceError(
                f"cuBLAS cannot be loaded ({error}): install netts with its extra 'cuda12' or "
                "'cuda13', after the driver's major version of CUDA"
            ) from error

    def capture(self, launches: Sequence[Launch | GemmLaunch]) -> CapturedGraph:
        """Return launches as one graph, which runs them in order.

        On a stream of its own, so that what other threads launch meanwhile is not captured.
        """
        with self.reported(f"capturing {len(launches)} launches"):
            builder = self._core.Device(self.ordinal).create_stream().create_graph_builder()
            builder.begin_building()
            for one in launches:
                self.launch(one, builder)
            return CapturedGraph(builder.end_building().complete(), builder)

    def launch_graph(self, graph: CapturedGraph) -> None:
        """Run what was captured on the device's stream."""
        try:
            graph.graph.launch(self.stream)
        except self._error_classes as error:
            raise self.translated("launching a graph", error) from error

    def timed(self, launches: Sequence[Launch | GemmLaunch]) -> list[float]:
        """Run launches one by one and return the seconds that each took.

        The device is kept busy until all are asked for: between two events lies the kernel alone.
        Where there is no memory to do that with, it may be the time that the host takes to launch.
        """
        stream = self.stream.handle
        events = [self.call("cuEventCreate", 0) for _ in range(len(launches) + 1)]
        try:
            with self._busy(len(launches)):
                self.call("cuEventRecord", events[0], stream)
                for one, event in zip(launches, events[1:], strict=True):
                    self.launch(one)
                    self.call("cuEventRecord", event, stream)
                self.synchronize()
            return [
                float(self.call("cuEventElapsedTime", start, end)) * 1e-3
                for start, end in itertools.pairwise(events)
            ]
        finally:
            for event in events:
                self.call("cuEventDestroy", event)

    @contextmanager
    def _busy(self, launches: int) -> Iterator[None]:
        """Let the device clear memory for as long as the host takes to ask for some launches."""
        try:
            memory = self.allocate(BUSY_BYTES)
        except DeviceMemoryError:
            yield
            return
        with memory:
            for _ in range(-(-launches // LAUNCHES_PER_CLEARING)):
                self.clear(memory.address, BUSY_BYTES)
            yield
