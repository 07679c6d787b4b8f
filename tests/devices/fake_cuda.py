"""CUDA's packages with a driver that fails where a test says so, for tests without a GPU."""

from __future__ import annotations

import ctypes
import enum
from types import SimpleNamespace
from typing import Any

import pytest

from netts.devices import cuda
from netts.devices.cuda import gpu, opening, packages
from netts.devices.cuda_driver import Gpu


class CUDAError(Exception):
    """As cuda.core raises it."""


class Status(enum.IntEnum):
    """Some of the driver's."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_NO_BINARY_FOR_GPU = 209
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701


class FakeDriver:
    """cuda.bindings.driver: counts what is allocated, and fails by `faults`.

    `faults` maps a function's name to what it returns instead of success, for as often as it is
    named there.
    """

    CUresult = Status

    def __init__(self) -> None:
        self.faults: dict[str, list[Status]] = {}
        self.current, self.calls = 0, []
        self.live: dict[int, int] = {}
        self.pinned: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cu"):
            raise AttributeError(name)

        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append((name, self.current))
            waiting = self.faults.get(name)
            if waiting:
                return waiting.pop(0), None
            return Status.CUDA_SUCCESS, *self._results(name, arguments)

        return call

    def _results(self, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        match name:
            case "cuCtxGetCurrent":
                return (self.current,)
            case "cuCtxSetCurrent":
                self.current = arguments[0]
            case "cuMemAlloc":
                address = 4096 * (len(self.live) + 1)
                self.live[address] = arguments[0]
                return (address,)
            case "cuMemFree":
                del self.live[arguments[0]]
            case "cuMemHostAlloc":
                memory = ctypes.create_string_buffer(arguments[0])
                self.pinned[ctypes.addressof(memory)] = memory
                return (ctypes.addressof(memory),)
            case "cuMemHostGetDevicePointer":
                return (arguments[0],)
            case "cuMemFreeHost":
                del self.pinned[arguments[0]]
            case "cuMemGetInfo":
                return 3 * 2**30, 80 * 2**30
            case "cuGetErrorString":
                return (b"as the driver describes it",)
            case "cuDriverGetVersion":
                return (12040,)
        return ()


class FakeCore:
    """cuda.core; `raises` is what it raises next, by the name of what is done."""

    def __init__(self, driver: FakeDriver) -> None:
        self.driver = driver
        self.raises: dict[str, str] = {}
        self.most_threads = 1024
        self.ObjectCode = SimpleNamespace(from_cubin=self._load)

    def _maybe_raise(self, what: str) -> None:
        if what in self.raises:
            raise CUDAError(self.raises.pop(what))

    def Device(self, ordinal: int) -> Any:  # noqa: N802
        def set_current() -> None:
            self.driver.current = 100 + ordinal

        return SimpleNamespace(
            set_current=set_current,
            compute_capability=SimpleNamespace(major=9, minor=0),
            name=f"Test GPU {ordinal}",
            create_stream=lambda: SimpleNamespace(handle=1, __cuda_stream__=lambda: (0, 1)),
            properties=SimpleNamespace(max_registers_per_block=32768),
        )

    def _load(self, _cubin: bytes) -> Any:
        self._maybe_raise("load")
        attributes = SimpleNamespace(max_threads_per_block=self.most_threads)
        return SimpleNamespace(get_kernel=lambda _: SimpleNamespace(attributes=attributes))

    def LaunchConfig(self, **options: int) -> Any:  # noqa: N802
        return options

    def launch(self, *_arguments: Any) -> None:
        self._maybe_raise("launch")


class FakeCuda:
    """The packages together, in the place of the real ones."""

    def __init__(self, patch: pytest.MonkeyPatch, count: int = 2) -> None:
        self.driver = FakeDriver()
        self.core = FakeCore(self.driver)
        patch.setattr(packages, "driver", lambda: self.driver)
        patch.setattr(packages, "core", lambda: self.core)
        patch.setattr(packages, "error_classes", lambda: (CUDAError, RuntimeError))
        patch.setattr(packages, "numba_cuda", lambda: None)
        patch.setattr(packages, "versions", lambda: "numba-cuda 0.30.4")
        described = tuple(
            Gpu(f"Test GPU {ordinal}", 80 * 2**30, (9, 0), (13, 0)) for ordinal in range(count)
        )
        patch.setattr(opening, "check_available", lambda: described)
        patch.setattr(opening, "_devices", {})

    def opened(self, ordinal: int = 0) -> gpu.CudaDevice:
        return cuda.opened(ordinal)
