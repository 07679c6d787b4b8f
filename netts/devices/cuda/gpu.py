"""A GPU with what belongs to it: memory, copies, loaded kernels, and the stream they run on.

Loading and launching go through cuda.core, memory through the driver, matrix products through
cuBLAS: numba-cuda's launches cost tens of microseconds, and it frees memory in batches with calls
that wait for the device.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netts.devices.cublas import WORKSPACE_BYTES, Cublas, GemmLaunch
from netts.devices.cuda import packages
from netts.devices.cuda.compilation import KernelImage
from netts.devices.cuda.memory import DeviceMemory, PinnedMemory
from netts.devices.cuda_driver import check_available
from netts.devices.gemm import Gemm
from netts.devices.transfers import Transfers
from netts.errors import DeviceError

_lock = threading.RLock()

BUSY_BYTES = 2**28
"""What is cleared to keep a device busy: 0.1 ms at 2.3 TB/s."""

LAUNCHES_PER_CLEARING = 2
"""Launches that a host asks for in that time, with an event behind each: at most 50 us for one."""


@dataclass(frozen=True)
class Launch:
    """A kernel that is loaded, with everything that a launch needs; for one device."""

    kernel: Any = field(repr=False)
    configuration: Any
    parameters: tuple[Any, ...]


@dataclass(frozen=True)
class CapturedGraph:
    """Launches captured as one graph; the builder is kept, as it owns what was captured."""

    graph: Any = field(repr=False)
    builder: Any = field(repr=False)


class CudaDevice:
    """A GPU: memory, copies, kernels, and one stream that they run on in order.

    Copies and launches return at once; `synchronize` waits for them. Get it by `device()`.
    """

    def __init__(self, ordinal: int) -> None:
        self._core = packages.core()
        self._driver = packages.driver()
        self._ordinal = ordinal
        device = self._current()
        capability = device.compute_capability
        self.capability = (int(capability.major), int(capability.minor))
        self.name = str(device.name)
        self.stream = device.create_stream()
        self.process = os.getpid()
        self.transfers = Transfers(self)
        self._loaded: dict[KernelImage, tuple[Any, Any]] = {}
        self._cublas: Cublas | None = None

    @property
    def is_here(self) -> bool:
        """Whether this is the process that opened it, and no fork of that."""
        return self.process == os.getpid()

    def enter(self) -> None:
        """Make this the device that the calling thread's calls of the driver are about.

        Raises
        ------
        DeviceError
            In a process forked from the one that opened it.
        """
        if not self.is_here:
            raise DeviceError(
                "this process was forked from one that uses CUDA, which CUDA does not survive: "
                "start processes with the method 'spawn', or use CUDA in the children only"
            )
        self._current()

    def _current(self) -> Any:
        """Return cuda.core's device, which each thread has one of, made current for this one."""
        device = self._core.Device(self._ordinal)
        device.set_current()
        return device

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the driver; return what it returns besides its status.

        Raises
        ------
        DeviceError
            Where the status is an error.
        """
        status, *results = getattr(self._driver, function)(*arguments)
        if status != self._driver.CUresult.CUDA_SUCCESS:
            _, text = self._driver.cuGetErrorString(status)
            what = text.decode() if text else "no description"
            raise DeviceError(f"{function} fails on {self.name}: {status.name}, {what}")
        return results[0] if results else None

    # ------------------------------------------------------------ memory

    def allocate(self, nbytes: int) -> DeviceMemory:
        """Return memory with undefined contents.

        Raises
        ------
        DeviceError
            Where there is not enough; nothing has changed then.
        """
        status, address = self._driver.cuMemAlloc(max(nbytes, 1))
        if status == self._driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
            _, free, total = self._driver.cuMemGetInfo()
            raise DeviceError(
                f"{self.name} has no room for {nbytes:,} bytes: {free:,} of its {total:,} bytes "
                "are free; pass less at a time, or end other programs that use it"
            )
        if status != self._driver.CUresult.CUDA_SUCCESS:
            raise DeviceError(f"cuMemAlloc of {nbytes:,} bytes fails on {self.name}: {status.name}")
        return DeviceMemory(self, int(address), max(nbytes, 1))

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

    def clear(self, address: int, nbytes: int) -> None:
        """Set bytes to zero."""
        if nbytes:
            self.call("cuMemsetD8Async", address, 0, nbytes, self.stream.handle)

    def synchronize(self) -> None:
        """Wait for all copies and launches.

        Raises
        ------
        DeviceError
            Where one of them failed.
        """
        self.call("cuStreamSynchronize", self.stream.handle)

    # ------------------------------------------------------------ kernels

    def prepare(
        self,
        image: KernelImage,
        blocks: int,
        threads: int,
        parameters: Sequence[bool | int | float],
    ) -> Launch:
        """Return a launch of a kernel, which is loaded if it is not yet."""
        kernel = self._kernel(image)
        configuration = self._core.LaunchConfig(grid=blocks, block=threads)
        with np.errstate(over="ignore"):  # a number beyond float32 is infinite there
            values = tuple(
                int(value) if name.startswith("*") else _PARAMETERS[name](value)
                for name, value in zip(image.types, parameters, strict=True)
            )
        return Launch(kernel, configuration, values)

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
        else:
            self._core.launch(stream, launch.configuration, launch.kernel, *launch.parameters)

    def _blas(self) -> Cublas:
        """Return cuBLAS, started if it is not yet: never while a graph is captured."""
        with _lock:
            if self._cublas is None:
                self._cublas = self._start_cublas()
            return self._cublas

    def _start_cublas(self) -> Cublas:
        workspace = self.allocate(WORKSPACE_BYTES)  # for as long as the process lasts
        try:
            return Cublas(packages.cublas(), workspace.address)
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
        builder = self._current().create_stream().create_graph_builder()
        builder.begin_building()
        for one in launches:
            self.launch(one, builder)
        return CapturedGraph(builder.end_building().complete(), builder)

    def launch_graph(self, graph: CapturedGraph) -> None:
        """Run what was captured on the device's stream."""
        graph.graph.launch(self.stream)

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

    @contextlib.contextmanager
    def _busy(self, launches: int) -> Iterator[None]:
        """Let the device clear memory for as long as the host takes to ask for some launches."""
        try:
            memory = self.allocate(BUSY_BYTES)
        except DeviceError:
            yield
            return
        with memory:
            for _ in range(-(-launches // LAUNCHES_PER_CLEARING)):
                self.clear(memory.address, BUSY_BYTES)
            yield

    def _kernel(self, image: KernelImage) -> Any:
        with _lock:
            if image not in self._loaded:
                module = self._core.ObjectCode.from_cubin(image.cubin)
                self._loaded[image] = module, module.get_kernel(image.name)
            return self._loaded[image][1]


_PARAMETERS = {
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
    "float64": np.float64,
    "bool": np.bool_,
}

_devices: dict[int, CudaDevice] = {}


def device(ordinal: int = 0) -> CudaDevice:
    """Return a GPU, made current for the calling thread.

    Raises
    ------
    DeviceError
        Where CUDA cannot be used, and in a process forked from one that used it.
    """
    with _lock:
        if ordinal not in _devices:
            check_available()
            packages.numba_cuda()
            _devices[ordinal] = CudaDevice(ordinal)
        found = _devices[ordinal]
    found.enter()
    return found
