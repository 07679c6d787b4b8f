"""From an operation with everything known to a launch that a device can run or capture."""

from __future__ import annotations

from collections.abc import Mapping

from netts.compiler.cuda.images import image_of
from netts.compiler.cuda.specialise import CudaOperation, Product
from netts.devices.cublas import GemmLaunch
from netts.devices.cuda import CudaDevice, Launch


def prepared(
    operation: CudaOperation | Product,
    gpu: CudaDevice,
    addresses: Mapping[str, int],
    scratch: int,
    fault: int,
    numbers: Mapping[str, bool | int | float],
) -> Launch | GemmLaunch:
    """Return the launch of an operation; see `CudaOperation.parameters` for what it is given.

    What is not compiled or loaded yet is compiled and loaded now, so launching may be captured.
    """
    if isinstance(operation, Product):
        return gpu.prepare_product(operation.gemm, operation.places(addresses, scratch))
    image = image_of(operation.code, gpu.capability)
    registers = gpu.kernels.registers_for(image, operation.threads)
    if registers is not None:  # fewer threads would add up in another order
        image = image_of(operation.code, gpu.capability, registers)
    parameters = operation.parameters(addresses, scratch, fault, numbers)
    return gpu.prepare(image, operation.blocks, operation.threads, parameters)
