"""cuBLAS by its bindings, which are given: products as launches that can be captured."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from netts.devices.gemm import Gemm
from netts.errors import DeviceError, DeviceMemoryError

WORKSPACE_BYTES = 32 * 2**20
"""What cuBLAS's documentation recommends for Hopper; 4 MiB would do for older GPUs."""

_ZERO_AND_ONE = {name: np.array([0, 1], name) for name in ("float32", "float64")}
"""What a product and the result before it are scaled by; cuBLAS takes their addresses."""


@dataclass(frozen=True)
class GemmLaunch:
    """A matrix product with everything that cuBLAS is called with but its handle."""

    function: str
    arguments: tuple[int, ...]
    precision: str


class Cublas:
    """cuBLAS on one device: its handle, and memory of ours that it works in.

    With memory of its own cuBLAS could not be captured, and might compute another way next time.

    Parameters
    ----------
    bindings : module
        `nvmath.bindings.cublas`, or what looks like it.
    workspace : int
        The address of `WORKSPACE_BYTES` bytes.
    """

    def __init__(self, bindings: Any, workspace: int) -> None:
        self._bindings, self._workspace = bindings, workspace
        self._handle = self._call("create")
        self._lock = threading.Lock()
        self._modes = {
            "full": int(bindings.Math.DEFAULT_MATH),
            "tf32": int(bindings.Math.TF32_TENSOR_OP_MATH),
        }

    def prepare(self, gemm: Gemm, addresses: tuple[int, int, int]) -> GemmLaunch:
        """Return a product of the left and right factor into the result at three addresses."""
        operations = int(self._bindings.Operation.N), int(self._bindings.Operation.T)
        zero, one = _ZERO_AND_ONE[gemm.dtype].ctypes.data, _ZERO_AND_ONE[gemm.dtype][1:].ctypes.data
        beta = one if gemm.accumulates else zero
        arguments = gemm.call.arguments(operations, one, beta, addresses)
        return GemmLaunch(gemm.call.function, arguments, gemm.precision)

    def launch(self, launch: GemmLaunch, stream: int) -> None:
        """Multiply on a stream, or add that to what the stream captures.

        Raises
        ------
        DeviceError
            Where cuBLAS refuses.
        """
        with self._lock:
            self._call("set_stream", self._handle, stream)
            # Setting the stream puts cuBLAS's own memory back in place.
            self._call("set_workspace", self._handle, self._workspace, WORKSPACE_BYTES)
            self._call("set_math_mode", self._handle, self._modes[launch.precision])
            self._call(launch.function, self._handle, *launch.arguments)

    def _call(self, function: str, *arguments: int) -> Any:
        try:
            return getattr(self._bindings, function)(*arguments)
        except self._bindings.cuBLASError as error:
            kind = DeviceMemoryError if "ALLOC_FAILED" in str(error) else DeviceError
            raise kind(f"cuBLAS's {function} fails: {error}") from error
