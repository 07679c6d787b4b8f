"""Where kernels can run, and the memory they run on."""

from netts.devices.registry import DeviceInfo, available, choose, device

__all__ = ["DeviceInfo", "available", "choose", "device"]
