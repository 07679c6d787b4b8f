"""Kernels that a GPU has loaded, ready to be launched."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.devices.cuda import failures, packages
from netts.devices.cuda.compilation import KernelImage
from netts.errors import DeviceError

if TYPE_CHECKING:
    from netts.devices.cuda.gpu import CudaDevice

REGISTER_UNIT = 8
"""Registers are given to threads in this unit (CUDA's occupancy calculator)."""

_PARAMETERS = {
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
    "float64": np.float64,
    "bool": np.bool_,
}


@dataclass(frozen=True)
class Launch:
    """A kernel that is loaded, with everything that a launch needs; for one device."""

    name: str
    kernel: Any = field(repr=False)
    configuration: Any
    parameters: tuple[Any, ...]


@dataclass(frozen=True)
class LoadedKernel:
    """A kernel that a device has loaded; the module is kept, as it owns the kernel.

    Attributes
    ----------
    most_threads
        Of a block: more need more registers than a multiprocessor has.
    """

    module: Any = field(repr=False)
    kernel: Any = field(repr=False)
    most_threads: int


class Kernels:
    """The kernels that one GPU has loaded, each once; they stay as long as the process lasts.

    Parameters
    ----------
    gpu
    core
        cuda.core.
    """

    def __init__(self, gpu: CudaDevice, core: Any) -> None:
        self._gpu, self._core = gpu, core
        self._lock = threading.RLock()
        self._loaded: dict[KernelImage, LoadedKernel] = {}

    def prepare(
        self,
        image: KernelImage,
        blocks: int,
        threads: int,
        parameters: Sequence[bool | int | float],
    ) -> Launch:
        """Return a launch of a kernel, which is loaded if it is not yet.

        Raises
        ------
        DeviceError
            Where the driver refuses its code, or a block of so many threads.
        """
        loaded = self._load(image)
        if threads > loaded.most_threads:
            raise DeviceError(
                f"kernel {image.title!r} runs in blocks of {threads} threads, and {self._gpu.name} "
                f"takes {loaded.most_threads} of it: each needs too many registers. Write it as "
                "several kernels of fewer scalars"
            )
        configuration = self._core.LaunchConfig(grid=blocks, block=threads)
        with np.errstate(over="ignore"):  # a number beyond float32 is infinite there
            values = tuple(
                int(value) if name.startswith("*") else _PARAMETERS[name](value)
                for name, value in zip(image.types, parameters, strict=True)
            )
        return Launch(image.title, loaded.kernel, configuration, values)

    def registers_for(self, image: KernelImage, threads: int) -> int | None:
        """Return how many registers a thread may have for blocks of so many; None for any number.

        A block whose threads need more together than a multiprocessor has cannot be launched.
        """
        if threads <= self._load(image).most_threads:
            return None
        with self._gpu.reported("asking for its registers"):
            properties = self._core.Device(self._gpu.ordinal).properties
            registers = int(properties.max_registers_per_block)
        return registers // threads // REGISTER_UNIT * REGISTER_UNIT

    def _load(self, image: KernelImage) -> LoadedKernel:
        with self._lock:
            if image not in self._loaded:
                self._loaded[image] = self._loaded_now(image)
            return self._loaded[image]

    def _loaded_now(self, image: KernelImage) -> LoadedKernel:
        try:
            module = self._core.ObjectCode.from_cubin(image.cubin)
            kernel = module.get_kernel(image.name)
            most = int(kernel.attributes.max_threads_per_block)
        except packages.error_classes() as error:
            if failures.status_of(error) in failures.REFUSED_CODE:
                raise DeviceError(self._refusal(image, error)) from error
            raise self._gpu.translated(f"loading kernel {image.title!r}", error) from error
        return LoadedKernel(module, kernel, most)

    def _refusal(self, image: KernelImage, error: Exception) -> str:
        """Return what to do where the driver does not take machine code."""
        version = self._gpu.call("cuDriverGetVersion")
        return (
            f"the driver of {self._gpu.name}, for CUDA {version // 1000}.{version % 1000 // 10}, "
            f"refuses the machine code of kernel {image.title!r} ({failures.status_of(error)}), "
            f"made by {packages.versions()}: update the driver, or install versions of these "
            "packages that are no newer than it"
        )
