"""netts: a neural network engine whose layers are plain Python loops.

Names are loaded when first used, so that `import netts` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "netts.compiler": ("accelerate", "checked", "element", "parallel"),
    "netts.compiler.measuring": ("calibrate",),
    "netts.devices": ("device",),
    "netts.devices.memory": ("constant",),
    "netts.compiler.functions": (
        "erf", "exp", "expm1", "log", "log1p", "sigmoid", "softplus", "sqrt", "tanh",
    ),
    "netts.graph": ("Plan", "TaskGraph"),
    "netts.network": ("Network",),
    "netts.network.sources": ("ArraySource", "SampleSource"),
    "netts.training": ("Trainer",),
    "netts.estimators": ("MLPClassifier", "MLPRegressor"),
    "netts.persistence": ("load",),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604 - the names above, not repeated


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'netts' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
