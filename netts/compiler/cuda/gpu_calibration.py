"""Which costs of the GPU hold in this process: the defaults, or what was measured for this machine.

As for the CPU (`calibration`): they decide where work runs, and so bits; so they are measured only
when asked for, once for each machine, and a process stays with what it found.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from netts.compiler import calibration, records
from netts.compiler.cuda.gpu_costs import GPU_DEFAULTS, GpuCosts
from netts.devices.registry import gpu_for_auto

_process: dict[str, GpuCosts] = {}
_chosen: ContextVar[GpuCosts | None] = ContextVar("netts_gpu_costs", default=None)


def current() -> GpuCosts:
    """Return the costs that "auto" chooses by: of `using`, else of this process."""
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    return _process.get("costs") or _process.setdefault("costs", _find())


@contextlib.contextmanager
def using(costs: GpuCosts) -> Iterator[GpuCosts]:
    """Choose by other costs in this context: in experiments and tests."""
    token = _chosen.set(costs)
    try:
        yield costs
    finally:
        _chosen.reset(token)


def adopt(costs: GpuCosts) -> None:
    """Choose by other costs in this process from now on."""
    _process["costs"] = costs


def _find() -> GpuCosts:
    return GPU_DEFAULTS if calibration.is_off() else recorded() or GPU_DEFAULTS


def recorded() -> GpuCosts | None:
    """Return what was measured for this machine; None where there is nothing that is whole."""
    if not records.directory().is_dir():
        return None
    return records.read(_key(), _parse)


def record(measured: Mapping[str, float], *, anew: bool) -> GpuCosts:
    """Keep what was measured, and return what is kept; see `calibration.record`."""
    numbers = GpuCosts.settled(measured, "").numbers()
    content = calibration.dated(gpu_for_auto().description, numbers)
    return records.write(_key(), content, _parse, anew=anew)


def _parse(content: Any) -> GpuCosts:
    return calibration.parsed(GpuCosts, content)


def _key() -> str:
    """Return a name for the GPU and its driver, the machine around it, and what is measured."""
    parts = (
        gpu_for_auto().description,
        calibration.machine(),
        calibration.fingerprint_of_sources(
            "measured.py", "cuda/estimate.py", "cuda/gpu_costs.py", "cuda/gpu_measuring.py"
        ),
    )
    return "gpu-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()
