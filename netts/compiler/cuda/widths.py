"""Which integers fit 32 bits: a GPU computes in them, and in pairs of them for 64.

Integers of the dialect have 64 bits. What indices, extents and integer arguments compute is
bounded by the numbers that a kernel is bound to; an expression whose bound fits is printed with a
conversion to int32 around it, which changes no value, and from which the compiler sees that 32 bits
suffice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from netts.compiler.affine import evaluate
from netts.compiler.arguments import ArrayInfo
from netts.compiler.nest import (
    Apply,
    Const,
    Expr,
    Extent,
    Global,
    Index,
    Load,
    Local,
    Loop,
    Nest,
    Routine,
    Scalar,
    Set,
    body_of,
    walk_statements,
)

LIMIT = 2**31 - 2**21
"""Below it, an index may move on by a whole grid, at most 2**20 threads, without overflow."""

_LOADED = {"bool": 1, "uint8": 255}
"""How large elements may be; those of other dtypes may be any integer."""


def width_of(value: float) -> str:
    """Return the integer type for numbers up to an absolute value."""
    return "int32" if abs(value) < LIMIT else "int64"


class Widths:
    """How large the integers of a routine may get with given arguments."""

    def __init__(
        self, routine: Routine, arrays: Mapping[str, ArrayInfo], symbols: Mapping[Expr, int]
    ) -> None:
        self._arrays, self._symbols = arrays, symbols
        self._values: dict[str, list[Expr]] = {}
        self._ends: dict[str, list[Expr]] = {}
        for phase in routine.phases:
            for axis in phase.axes if isinstance(phase, Nest) else ():
                self._ends.setdefault(axis.index, []).append(axis.extent)
            for one in walk_statements(body_of(phase)):
                if isinstance(one, Set):
                    self._values.setdefault(one.name, []).append(one.value)
                elif isinstance(one, Loop):
                    self._ends.setdefault(one.index, []).extend((one.start, one.stop))
        self._known: dict[str, float] = {}

    def fits(self, *exprs: Expr) -> bool:
        """Whether each of some integer expressions certainly fits 32 bits."""
        return all(self._magnitude(one) < LIMIT for one in exprs)

    def fits_product(self, *exprs: Expr) -> bool:
        """Whether integer expressions certainly fit 32 bits, and so does their product."""
        return self.fits(*exprs) and math.prod(map(self._magnitude, exprs)) < LIMIT

    def fits_local(self, name: str) -> bool:
        """Whether every value that a local is given fits."""
        return self.fits(Local(name))

    def fits_offsets(self, array: str) -> bool:
        """Whether the offsets of an array's elements from the first fit."""
        one = self._arrays[array]
        reach = sum(abs(s) * (n - 1) for s, n in zip(one.strides, one.shape, strict=True) if n)
        return reach < LIMIT

    def value(self, expr: Expr) -> int | None:
        """Return the value of an integer expression without loop indices, None where unknown."""
        return evaluate(expr, self._symbols)

    def _magnitude(self, expr: Expr) -> float:
        """Return a bound of an integer's absolute value, infinity where there is none."""
        match expr:
            case Const(value=bool() | int() as value):
                return abs(value)
            case Extent() | Scalar() | Global():
                return abs(self._symbols.get(expr, math.inf))
            case Load(array=array):
                return _LOADED.get(self._arrays[array].dtype, math.inf)
            case Local(name=name):
                return self._named(f"local {name}", self._values.get(name, ()))
            case Index(name=name):
                return self._named(f"index {name}", self._ends.get(name, ()))
            case Apply(function=function, arguments=arguments) if function in _BOUNDS:
                return _BOUNDS[function]([self._magnitude(one) for one in arguments])
            case _:
                return math.inf

    def _named(self, name: str, values: Sequence[Expr]) -> float:
        if name not in self._known:
            self._known[name] = math.inf  # what a value computed from itself has
            self._known[name] = max((self._magnitude(one) for one in values), default=math.inf)
        return self._known[name]


_BOUNDS: dict[str, Callable[[list[float]], float]] = {
    "add": sum,
    "sub": sum,
    "mul": lambda sizes: 0 if 0 in sizes else math.prod(sizes),
    "neg": max,
    "abs": max,
    "min": max,
    "max": max,
    "floordiv": lambda sizes: sizes[0],
    "mod": lambda sizes: sizes[1],
    "select": lambda sizes: max(sizes[1:]),
    "square": lambda sizes: sizes[0] ** 2,
}
"""How large a result may be, from how large its operands are."""
