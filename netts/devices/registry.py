"""Which devices there are, and the one place that chooses: argument, context, environment, auto."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from netts.devices.cuda_driver import check_available, cublas_missing
from netts.errors import DeviceError

ENVIRONMENT_VARIABLE = "NETTS_DEVICE"


@dataclass(frozen=True)
class DeviceInfo:
    """A device that kernels can run on."""

    name: str
    is_available: bool
    description: str


def _cpu() -> DeviceInfo:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return DeviceInfo("cpu", True, f"{platform.machine()}, {cores} cores, code compiled by numba")


def _reference() -> DeviceInfo:
    return DeviceInfo("reference", True, "interpreted Python, the definition of every result; slow")


def _cuda() -> DeviceInfo:
    try:
        gpus = check_available()
    except DeviceError as error:
        return DeviceInfo("cuda", False, str(error))
    missing = cublas_missing()
    slow = [] if missing is None else [f"sums of products run as plain loops, for {missing}"]
    return DeviceInfo("cuda", True, "; ".join([*map(str, gpus), *slow]))


_DEVICES: dict[str, Callable[[], DeviceInfo]] = {
    "cpu": _cpu,
    "cuda": _cuda,
    "reference": _reference,
}
"""In the order of preference: "auto" takes the first that is available, so never CUDA yet."""

_chosen: ContextVar[str | None] = ContextVar("netts_device", default=None)


def available() -> list[DeviceInfo]:
    """Return every device that netts knows, whether this machine has it or not."""
    return [describe() for describe in _DEVICES.values()]


def choose(device: str = "auto") -> str:
    """Return the name of the device to use.

    Parameters
    ----------
    device : str
        A device's name, which is taken; or "auto", which takes the device of the context
        (`with netts.device(...)`), else of the environment variable `NETTS_DEVICE`, else the
        fastest available.

    Raises
    ------
    DeviceError
        Where there is no device of that name, or this machine cannot use it.
    """
    return explain_choice(device)[0]


def explain_choice(device: str = "auto") -> tuple[str, str]:
    """Return the name of the device to use, as `choose` does, and why it is that one."""
    name, why = device, "asked for"
    if name == "auto":
        name, why = _chosen.get() or "auto", "chosen by `with netts.device(...)`"
    if name == "auto":
        name = os.environ.get(ENVIRONMENT_VARIABLE) or "auto"
        why = f"chosen by {ENVIRONMENT_VARIABLE}"
    if name == "auto":
        found = (describe() for describe in _DEVICES.values())
        return next(one.name for one in found if one.is_available), "the fastest there is"
    if name not in _DEVICES:
        names = ", ".join(repr(known) for known in ("auto", *_DEVICES))
        raise DeviceError(f"there is no device {name!r}, {why}; choose one of {names}")
    found_device = _DEVICES[name]()
    if not found_device.is_available:
        raise DeviceError(f"device {name!r}, {why}, cannot be used: {found_device.description}")
    return name, why


@contextlib.contextmanager
def device(name: str) -> Iterator[str]:
    """Use a device for everything in this context that asks for "auto".

    Examples
    --------
    >>> import netts
    >>> with netts.device("reference") as name:
    ...     print(name)
    reference
    """
    token = _chosen.set(choose(name))
    try:
        yield choose(name)
    finally:
        _chosen.reset(token)
