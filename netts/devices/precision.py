"""In which precision a device may multiply float32.

"tf32" is a permission, not an order: a GPU of compute capability 8.0 or later may round the factors
of large products of float32 to TF32, which has the range of float32 and 10 bits behind the point
instead of 23; their sums stay float32. Everything else, also a product of float64, is computed as
without it, and every device that has no TF32 computes in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

from netts.choices import choose
from netts.devices.names import kind_of
from netts.devices.registry import gpu_of

PRECISIONS = {"float32": "float32", "tf32": "tf32"}
"""The default, and what may be asked for instead."""

FIRST_WITH_TF32 = (8, 0)
"""The compute capability: Ampere (CUDA C++ Programming Guide, features by compute capability)."""


@dataclass(frozen=True)
class Precision:
    """What products of float32 are multiplied in on a device, and why.

    Attributes
    ----------
    used : {"float32", "tf32"}
    why : str
        Empty where it is what was asked for.
    """

    used: str
    why: str = ""

    @property
    def is_asked(self) -> bool:
        """Whether it is not just the default."""
        return self != Precision("float32")

    def __str__(self) -> str:
        return f"{self.used} ({self.why})" if self.why else self.used


def precision_from(precision: str | None) -> str:
    """Return a precision by name, None being the default.

    Raises
    ------
    ParameterError
        Where there is none of that name.
    """
    return "float32" if precision is None else choose("precision", precision, PRECISIONS)


def settle_precision(precision: str | None, device: str) -> Precision:
    """Return what products of float32 are multiplied in on a device that was chosen.

    Raises
    ------
    ParameterError
        Where there is no such precision.
    """
    if precision_from(precision) == "float32":
        return Precision("float32")
    if kind_of(device) != "cuda":
        return Precision("float32", "tf32 is allowed, but only a GPU has it")
    gpu = gpu_of(device)
    if gpu is not None and gpu.capability < FIRST_WITH_TF32:
        has = ".".join(map(str, gpu.capability))
        why = f"tf32 is allowed, but a GPU of compute capability {has} has none"
        return Precision("float32", why)
    return Precision("tf32")
