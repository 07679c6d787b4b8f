"""Programs of the dialect: source text with arguments for it, and the ways of running one.

A program is text, because netts reads source: it is written to a file and imported. It runs as the
interpreted function, as that function with the iterations of its nests in another order, compiled
in any number of parts, and as the generated code itself, interpreted (`generated_code`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from netts.compiler import Kernel

HEADER = """\
import math

import netts
from netts import accelerate, element, parallel
"""

LAYOUTS = ("C", "F", "padded", "strided", "reversed")


@dataclass(frozen=True)
class Extent:
    """The extent of an axis, `scale * sizes[symbol] + offset`; just `offset` without a symbol."""

    symbol: str | None
    scale: int = 1
    offset: int = 0

    def at(self, sizes: Mapping[str, int]) -> int:
        return self.offset + (self.scale * sizes[self.symbol] if self.symbol else 0)


@dataclass(frozen=True)
class Array:
    """An array argument.

    `low` and `high` bound its elements, both included; `target` is the extent that its elements
    are subscripts for, instead.
    """

    name: str
    dtype: str
    extents: tuple[Extent, ...]
    low: int = -4
    high: int = 4
    target: Extent | None = None

    def make(
        self, sizes: Mapping[str, int], layout: str, rng: np.random.Generator, stray: int
    ) -> np.ndarray:
        shape = tuple(extent.at(sizes) for extent in self.extents)
        low, high = self.low, self.high
        if self.target is not None:
            low, high = -stray, max(self.target.at(sizes) - 1, 0) + stray
        array = laid_out(shape, self.dtype, layout)
        array[...] = rng.integers(low, high + 1, shape)
        return array


def laid_out(shape: tuple[int, ...], dtype: str, layout: str) -> np.ndarray:
    """Return zeros in C or Fortran order, with gaps between rows or elements, or backwards."""
    if layout in ("C", "F"):
        return np.zeros(shape, dtype, order=layout)
    if layout == "padded":
        return np.zeros((*shape[:-1], shape[-1] + 3), dtype)[..., 1:-2]
    if layout == "strided":
        return np.zeros([2 * n + 1 for n in shape], dtype)[tuple(slice(0, 2 * n, 2) for n in shape)]
    return np.zeros(shape, dtype)[tuple(slice(None, None, -1) for _ in shape)]


@dataclass(frozen=True)
class Program:
    """A module with a function `kernel`, and what to call it with: arrays and numbers in order."""

    text: str
    parameters: tuple[Array | int | float | bool, ...]
    result: int = -1

    def __repr__(self) -> str:
        return f"\n{self.text}\n# parameters: {self.parameters}\n"

    def arguments(
        self, sizes: Mapping[str, int], layouts: Sequence[str], seed: int, stray: int = 0
    ) -> tuple[Any, ...]:
        """Return arguments; the layouts are dealt to the arrays in turn.

        Subscripts read from arrays miss by up to `stray`.
        """
        rng = np.random.default_rng(seed)
        deal = itertools.cycle(layouts)
        return tuple(
            one.make(sizes, next(deal), rng, stray) if isinstance(one, Array) else one
            for one in self.parameters
        )

    def path(self, directory: Path) -> Path:
        """Return its file: one for each text, so that an error is in the same place every time."""
        name = hashlib.sha256(self.text.encode()).hexdigest()[:16]
        return directory / f"program_{name}.py"

    def load(self, directory: Path) -> ModuleType:
        """Write the program to a new file of a directory and import it."""
        path = self.path(directory)
        path.write_text(self.text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        try:
            spec.loader.exec_module(module)
        finally:
            del sys.modules[path.stem]
        return module


def copied(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments with the arrays copied, in the same memory layout and the same aliases."""
    twins: dict[int, np.ndarray] = {}

    def copy(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        owner = value if value.base is None else value.base
        twin = twins.setdefault(id(owner), owner.copy(order="K"))
        memory = twin.reshape(-1, order="A").view(np.uint8).data
        offset = _address(value) - _address(owner) if value.size else 0
        return np.ndarray(value.shape, value.dtype, memory, offset, value.strides)

    return tuple(copy(value) for value in arguments)


def with_a_twin(arguments: tuple[Any, ...], seed: int) -> tuple[Any, ...]:
    """Return arguments of which two that are alike are the same array, where there are any."""
    arrays = [(k, one) for k, one in enumerate(arguments) if isinstance(one, np.ndarray)]
    pairs = [
        (k, one)
        for (_, one), (k, other) in itertools.permutations(arrays, 2)
        if (one.dtype, one.shape) == (other.dtype, other.shape)
    ]
    if not pairs:
        return arguments
    place, one = random.Random(seed).choice(pairs)
    return (*arguments[:place], one, *arguments[place + 1 :])


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def run_reference(kernel: Kernel, arguments: tuple[Any, ...]) -> None:
    kernel.on("reference")(*arguments)


def run_shuffled(kernel: Kernel, arguments: tuple[Any, ...], seed: int) -> None:
    """Run the interpreted function with the iterations of every nest in a random order."""
    rng = random.Random(seed)

    def parallel(*extents: int) -> list[Any]:
        every = list(itertools.product(*map(range, extents)))
        rng.shuffle(every)
        return [one[0] for one in every] if len(extents) == 1 else every

    names = kernel.function.__globals__
    before, names["parallel"] = names["parallel"], parallel
    try:
        run_reference(kernel, arguments)
    finally:
        names["parallel"] = before


def assert_same(expected: tuple[Any, ...], found: tuple[Any, ...], how: str) -> None:
    """Compare all arrays exactly; zeros of either sign are the same, as are NaNs."""
    for position, (left, right) in enumerate(zip(expected, found, strict=True)):
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(right, left, f"argument {position}, {how}")
