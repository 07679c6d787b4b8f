"""What is to be done to pictures, in plain values that a model file can hold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import numpy as np

from netts.errors import ParameterError
from netts.hyperparameters import check_whole

MAX_THREADS = 16
"""How many files are decoded at a time by default, at most.

A choice. Each may be a process, which has 25 MiB of its own and needs a core to be of use.
"""

Fit = Literal["crop", "pad", "stretch"]
ColorMode = Literal["rgb", "grayscale"]

MAX_PIXELS = 89_478_485
"""Pillow's own limit, a quarter of a GiB in RGB: a file of some kB can say that it has more."""

HIGHEST_PIXEL = 255
"""What becomes 1."""

MODES: dict[ColorMode, tuple[str, int]] = {"rgb": ("RGB", 3), "grayscale": ("L", 1)}


@dataclass(frozen=True)
class ImageOptions:
    """How pictures become arrays of one shape.

    Attributes
    ----------
    size : int or (height, width), optional
        Of all images; a whole number for both. By default that of the pictures, which must agree.
    fit : {"crop", "pad", "stretch"}
        What happens where the sides have another ratio: the picture covers the size and what is
        over is cut off at both sides; it fits into the size on a black ground; or it is distorted.
    color_mode : {"rgb", "grayscale"}
        Three channels, or one: 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601).
    mean, std : float or tuple of float, optional
        Of each channel, in units of 1: images are in [0, 1], then `mean` is subtracted and the rest
        divided by `std`.
    max_pixels : int
        A picture with more is refused before it is decoded.
    """

    size: int | tuple[int, int] | None = None
    fit: Fit = "crop"
    color_mode: ColorMode = "rgb"
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        for name, value, known in [
            ("fit", self.fit, ("crop", "pad", "stretch")),
            ("color_mode", self.color_mode, tuple(MODES)),
        ]:
            if value not in known:
                raise ParameterError(f"{name} is one of {', '.join(known)}, got {value!r}")
        sides = self.size if isinstance(self.size, tuple) else (self.size,) * 2
        if len(sides) != 2:
            raise ParameterError(f"size is a whole number or (height, width), got {self.size!r}")
        for side in sides if self.size is not None else ():
            check_whole("each side of size", side, 1)
        check_whole("max_pixels", self.max_pixels, 1)
        self._check_statistics()

    def _check_statistics(self) -> None:
        for name in ("mean", "std"):
            value = np.asarray(getattr(self, name))
            is_number = value.dtype.kind in "iuf" and np.isfinite(value).all()
            if not is_number or value.shape not in ((), (self.n_channels,)):
                raise ParameterError(
                    f"{name} is a number, or one for each of the {self.n_channels} channels, got "
                    f"{getattr(self, name)!r}"
                )
        if np.any(np.asarray(self.std) <= 0):
            raise ParameterError(f"std is above 0, got {self.std!r}")

    @property
    def n_channels(self) -> int:
        """Return 3 or 1."""
        return MODES[self.color_mode][1]

    @property
    def sides(self) -> tuple[int, int] | None:
        """Return (height, width), None where they are those of the pictures."""
        if self.size is None or isinstance(self.size, tuple):
            return self.size
        return self.size, self.size


def default_threads() -> int:
    """Return how many files are decoded at a time where nobody says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, MAX_THREADS)
