"""Which devices there are, and the one place that chooses: argument, context, environment, auto."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from netts.devices.cuda_driver import Gpu, check_available, cublas_missing
from netts.devices.names import kind_of, name_of, ordinal_of
from netts.errors import DeviceError

ENVIRONMENT_VARIABLE = "NETTS_DEVICE"

AUTO = "auto"
"""What stands for a choice that is left open."""


@dataclass(frozen=True)
class DeviceInfo:
    """A device that kernels can run on.

    Attributes
    ----------
    name : str
        What `device=` takes.
    is_available : bool
    description : str
        What it is, or what is missing and how to get it.
    gpus : tuple of Gpu
        The GPUs that it stands for.
    """

    name: str
    is_available: bool
    description: str
    gpus: tuple[Gpu, ...] = ()


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
    return DeviceInfo("cuda", True, _described(gpus), gpus=gpus)


def _described(gpus: tuple[Gpu, ...]) -> str:
    missing = cublas_missing()
    slow = [] if missing is None else [f"sums of products run as plain loops, for {missing}"]
    return "; ".join([*map(str, gpus), *slow])


_DEVICES: dict[str, Callable[[], DeviceInfo]] = {
    "cpu": _cpu,
    "cuda": _cuda,
    "reference": _reference,
}

HOST, GPU = "cpu", "cuda"
"""The devices among which "auto" chooses; the first is always there."""

_chosen: ContextVar[str | None] = ContextVar("netts_device", default=None)


def available() -> list[DeviceInfo]:
    """Return every device that netts knows, whether this machine has it or not; each GPU apart."""
    return [one for describe in _DEVICES.values() for one in _each(describe())]


def _each(info: DeviceInfo) -> list[DeviceInfo]:
    """Return a device by itself, and GPUs one by one under names of their own."""
    if len(info.gpus) < 2:
        return [info]
    return [
        DeviceInfo(name_of(info.name, ordinal), True, _described((gpu,)), gpus=(gpu,))
        for ordinal, gpu in enumerate(info.gpus)
    ]


def choose(device: str = AUTO) -> str:
    """Return the name of the device to use, or "auto" where what is to run decides.

    Parameters
    ----------
    device : str
        A device's name, which is taken ("cuda" and "cuda:0" are the first GPU, "cuda:1" is the
        second); or "auto", which takes the device of the context (`with netts.device(...)`), else
        of the environment variable `NETTS_DEVICE`, else "cpu" where no GPU can be used. Where one
        can, the choice is left to who knows the work: to `graph.policy` for a plan, to
        `compiler.choosing` for the call of a kernel.

    Returns
    -------
    str
        Each device has one name: that of the first GPU is "cuda".

    Raises
    ------
    DeviceError
        Where there is no device of that name, or this machine cannot use it.
    """
    return explain_choice(device)[0]


def explain_choice(device: str = AUTO) -> tuple[str, str]:
    """Return the name of the device to use, as `choose` does, and why it is that one."""
    name, why = device, "asked for"
    if name == AUTO:
        name, why = _chosen.get() or AUTO, "chosen by `with netts.device(...)`"
    if name == AUTO:
        name = os.environ.get(ENVIRONMENT_VARIABLE) or AUTO
        why = f"chosen by {ENVIRONMENT_VARIABLE}"
    if name == AUTO:
        gpu = gpu_for_auto()
        missing = gpu.description.partition(": ")[0]
        return (AUTO, "estimated") if gpu.is_available else (HOST, f"no GPU can be used: {missing}")
    return _usable(name, why), why


def explain_choice_at(device: str, place: str, what: str) -> tuple[str, str]:
    """Return the device for work on what lies on a GPU, and why: it has to be that GPU.

    Parameters
    ----------
    device
        As `choose` takes it; "auto" is the GPU.
    place
        The name of the GPU.
    what
        Lies there.

    Raises
    ------
    DeviceError
        Where another device was chosen, or the GPU cannot be used.
    """
    name, why = explain_choice(device)
    if name == AUTO:
        return _usable(place, f"where {what} lies"), f"{what} lies there"
    if name == place:
        return name, why
    raise DeviceError(
        f"{what} lies on the GPU {place!r}, but is to be used on {name!r}, {why}: copy it there "
        "yourself (`.get()` in CuPy or `.cpu()` in PyTorch bring it to the host), or pass "
        f"device={place!r}"
    )


def _usable(name: str, why: str) -> str:
    """Return the name of a device that was chosen, if this machine can use it."""
    kind = kind_of(name) if isinstance(name, str) else name
    if kind not in _DEVICES:
        names = ", ".join(repr(known) for known in (AUTO, *_DEVICES))
        raise DeviceError(
            f"there is no device {name!r}, {why}; choose one of {names}; of several GPUs, "
            "'cuda' is the first and 'cuda:1' the second"
        )
    found = _DEVICES[kind]()
    if not found.is_available:
        raise DeviceError(
            f"device {name!r}, {why}, cannot be used: {found.description}. What was trained there "
            "runs with device='cpu' too (an estimator: set_params(device='cpu'))"
        )
    ordinal = ordinal_of(name)
    if ordinal >= max(len(found.gpus), 1):
        raise DeviceError(_too_few(name, why, max(len(found.gpus), 1)))
    return name_of(kind, ordinal)


def gpu_of(name: str) -> Gpu | None:
    """Return the GPU of a name that was chosen, None where it stands for none."""
    gpus = _DEVICES[kind_of(name)]().gpus
    return gpus[ordinal_of(name)] if gpus else None


def _too_few(name: str, why: str, count: int) -> str:
    has = "one GPU, 'cuda'" if count == 1 else f"{count} GPUs, 'cuda' to 'cuda:{count - 1}'"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = f" (CUDA_VISIBLE_DEVICES={visible!r} may hide others)" if visible else ""
    return f"there is no device {name!r}, {why}: this process sees {has}{hidden}"


def gpu_for_auto() -> DeviceInfo:
    """Return the GPU that "auto" may choose, looked for once in a process: what appears is new."""
    return _looked_up(_DEVICES[GPU], os.getpid())


def is_for_auto(name: str) -> bool:
    """Whether "auto" may stand for a device, by its name, that is there: work may go on with it."""
    gpu = gpu_for_auto()
    is_there = gpu.is_available and ordinal_of(name) < max(len(gpu.gpus), 1)
    return name == HOST or (kind_of(name) == GPU and is_there)


@functools.lru_cache(maxsize=8)
def _looked_up(describe: Callable[[], DeviceInfo], _process: int) -> DeviceInfo:
    return describe()


@contextlib.contextmanager
def device(name: str) -> Iterator[str]:
    """Use a device for everything in this context that asks for "auto".

    Given "auto", it leaves the choice to what is around the context.

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
