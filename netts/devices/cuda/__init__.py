"""CUDA: what runs on NVIDIA's GPUs.

The rest of netts gives it generated text and gets launches, memory, copies and captured graphs. One
module, `packages`, imports numba.cuda, cuda.* and nvmath, and does so when they are used.
"""

from netts.devices.cuda.compilation import (
    KernelCode,
    KernelImage,
    compile_kernel,
    compile_ptx,
    fingerprint,
    python_function,
)
from netts.devices.cuda.gpu import CapturedGraph, CudaDevice
from netts.devices.cuda.kernels import Launch
from netts.devices.cuda.opening import device, opened

__all__ = [
    "CapturedGraph",
    "CudaDevice",
    "KernelCode",
    "KernelImage",
    "Launch",
    "compile_kernel",
    "compile_ptx",
    "device",
    "fingerprint",
    "opened",
    "python_function",
]
