"""What writes random programs: choices, names, lines, and what is known where."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st
from programs import Array, Extent

LARGEST = 2**12
"""Bound of a value; sums over all iterations stay below 2**18, squares below 2**24."""

FINEST = 3
"""Binary digits behind the point."""

TERM = 4
"""Bound of what is added many times."""

PLAIN_NAMES = "u v w p q r s t x y z a b c d e f g h i j k l m n o"
TAKEN_NAMES = """
    args part parts low high block blocks t1 t2 n_x_0 v_x a_x s_x_0 address_x scratch entry numba
    inlined int64 float32 float64 uint8 bool_ np blas_sgemm gemm_float32 pointer_float64
    word_to_float exp tanh f_g_int64 sum type id _ __ x_0 x_0_1 print len_ self kernel_ θ größe
"""
"""Names that generated code, numba or Python's own modules use."""

NAMES = (*PLAIN_NAMES.split(), *TAKEN_NAMES.split())

FIXED = 4
"""The extent of arrays that are never empty."""


@dataclass(frozen=True)
class Term:
    """An expression: its text, its kind ("int", "float" or "bool") and what bounds its value."""

    text: str
    kind: str
    magnitude: float = 1
    digits: int = 0


@dataclass(frozen=True)
class Index:
    """A loop index, which is at least 0 and less than an extent."""

    name: str
    extent: Extent


@dataclass
class Scope:
    """What a statement may use.

    `owned` says, for each array that the nest writes, the subscript of each dimension that a
    parallel index owns. Arrays in `closed` are only added to; locals in `frozen` only read.
    """

    indices: list[Index] = field(default_factory=list)
    locals: dict[str, Term] = field(default_factory=dict)
    owned: dict[str, dict[int, str]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    sums: dict[str, str] = field(default_factory=dict)
    is_nest: bool = False
    depth: int = 0
    in_loop: bool = False


@dataclass(frozen=True)
class Element:
    """An element function: its name, lines, number of parameters, and digits of what it returns."""

    name: str
    lines: tuple[str, ...]
    arity: int
    digits: int


class Writer:
    """Writes one program, choosing by `draw`."""

    def __init__(self, draw: Callable[[st.SearchStrategy], Any]) -> None:
        self.draw = draw
        self.floating = self.choose("float32", "float64")
        self.lines: list[str] = []
        self.indent = 1
        self.arrays: dict[str, Array] = {}
        self.numbers: dict[str, Any] = {}
        self.magnitudes: dict[str, tuple[float, int]] = {}
        self.constants: dict[str, Any] = {}
        self.home = self.choose("module", "module", "closure", "class")
        self.elements: list[Element] = []
        self.scope = Scope()
        self.rotation = self.integer(0, len(NAMES) - 1)
        self.used = 0
        self.budget = 40

    # ------------------------------------------------------------ choices

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def chance(self, percent: int) -> bool:
        return self.integer(0, 99) < percent

    def fresh(self) -> str:
        """Return a name that nothing has."""
        number = self.used + self.rotation
        self.used += 1
        round_, place = divmod(number, len(NAMES))
        return NAMES[place] + (str(round_) if self.used > len(NAMES) else "")

    # ------------------------------------------------------------ text

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    @contextlib.contextmanager
    def block(self, header: str, **changes: Any) -> Iterator[None]:
        """Write an indented block; what it assigns first is not known behind it."""
        self.line(header)
        outer = self.scope
        self.scope = replace(
            outer, indices=list(outer.indices), locals=dict(outer.locals), **changes
        )
        self.scope.depth += 1
        self.indent += 1
        start = len(self.lines)
        yield
        if len(self.lines) == start:
            self.line("pass")
        self.indent -= 1
        self.scope = outer

    # ------------------------------------------------------------ arguments and constants

    def array(self, dtype: str, extents: tuple[Extent, ...], **options: Any) -> Array:
        if dtype == "bool":
            options = {"low": 0, "high": 1}
        elif dtype == "uint8":
            options.setdefault("low", 0)
        one = Array(self.fresh(), dtype, extents, **options)
        self.arrays[one.name] = one
        self.magnitudes[one.name] = (4, 0)
        return one

    def number(self, value: Any) -> str:
        name = self.fresh()
        self.numbers[name] = value
        return name

    def constant(self) -> Term:
        """Return a number of the module, of a class there, or of the function around the kernel."""
        if self.constants and self.chance(60):
            name = self.choose(*self.constants)
        else:
            number = f"CONSTANT_{len(self.constants)}"
            name = f"Numbers.{number}" if self.home == "class" else number
            self.constants[name] = self.choose(-3, 2, 3, 0, 0.5, -1.5, 2.0)
        value = self.constants[name]
        return Term(name, type(value).__name__, abs(value), int(value % 1 != 0))
