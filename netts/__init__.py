"""netts: a neural network engine whose layers are plain Python loops.

Names are loaded when first used, so that `import netts` costs next to nothing.
"""

from __future__ import annotations

from netts.lazy import lazy_names

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
    "netts.estimators": (
        "MLPClassifier", "MLPRegressor", "NetworkClassifier", "NetworkRegressor",
    ),
    "netts.persistence": ("load",),
    "netts.versions": ("show_versions",),
}  # fmt: skip
_MODULES = (
    "data", "errors", "estimators", "evaluation", "initializers", "layers", "losses", "optimizers",
    "schedules", "testing", "training",
)  # fmt: skip

__all__ = [  # noqa: PLE0604 - the names above, not repeated
    "__version__",
    *(name for names in _HOMES.values() for name in names),
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, _MODULES)
