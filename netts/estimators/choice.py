"""Where a fit ran, and why there."""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler import calibration
from netts.compiler.engine import available_threads
from netts.devices.registry import HOST


@dataclass(frozen=True)
class DeviceChoice:
    """Where a fit ran, and why there.

    Attributes
    ----------
    device : str
    reason : str
        Such as "asked for", or what was estimated.
    n_threads : int
        How many threads it could use.
    costs : str or None
        The digest of the cost constants that kernels were compiled by: two fits of different ones
        may differ in their last bits. None where no choice depends on them, and in older files.
    precision : str or None
        What products were multiplied in: "float64", "float32", or "tf32" where that was allowed and
        the device has it. None in older files.
    """

    device: str
    reason: str
    n_threads: int
    costs: str | None = None
    precision: str | None = None


def device_choice(device: str, reason: str) -> DeviceChoice:
    """Return what is recorded of the choice of a device."""
    if device != HOST:
        return DeviceChoice(device, reason, 1)
    return DeviceChoice(device, reason, available_threads(), calibration.current().digest)
