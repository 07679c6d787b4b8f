"""Random programs that may be illegal: subscripts of every kind, on few arrays.

netts may refuse them. Those that it takes must not depend on the order of their iterations, and
must raise where the interpreter, with every subscript tested, does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from programs import HEADER, Array, Extent, Program

ALIASES = ("none", "none", "x is y", "x overlaps y", "x and y are rows of grid")
"""Which arrays of a program are the same memory."""

LIMIT = "flags.shape[0]"
"""How far the parallel indices run."""


class _Writer:
    def __init__(self, draw: Callable[[st.SearchStrategy], Any]) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.places: list[str] = []
        self.owned: dict[str, tuple[str, ...]] = {}
        self.indices = ["p"]
        self.scalars = ["p"]
        self.budget = 14

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) < percent

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    # ------------------------------------------------------------ expressions

    def subscript(self) -> str:
        """Return a subscript, often one that was used before."""
        known = {*self.indices, *self.scalars, "p", "size", "index", "flags", "shape", "min"}
        old = [one for one in self.places if set(re.findall(r"[a-z]\w*", one)) <= known]
        if old and self.chance(40):
            return self.choose(*old)
        a, b = self.choose(*self.indices), self.choose(*self.indices, *self.scalars)
        text = self.choose(
            a, a, f"{a} + 1", f"{a} - 1", f"{a} + {b}", f"{a} * {b}", f"{a} // 2", f"{a} % 3",
            f"index[{a}]", f"index[{a} + 1] + {a}", "0", "3", "size - 1", f"{a} - {b}",
            f"{a} + size // 2", f"min({a}, 2)", f"(p - p) * {a}", self.injective(a),
        )  # fmt: skip
        self.places.append(text)
        return text

    def injective(self, a: str) -> str:
        """Return a subscript that is another one for each value of an index, for most numbers."""
        scalar = self.choose(*self.scalars)
        return self.choose(
            a, a, f"{a} + 1", f"2 * {a}", f"9 - {a}", f"{a} + p", f"{a} * p", f"p * {a} + {scalar}",
            f"{a} + {scalar}", f"{scalar} * {a}", f"{a} * (p + 1) - {a} * p", f"{a} * {LIMIT}",
            f"-{a} + 8", f"{a} + size // 2", f"{a} - {scalar} + {scalar}", f"{scalar} + 1 + {a}",
        )  # fmt: skip

    def element(self) -> str:
        array = self.choose("x", "x", "y", "grid", "grid")
        places = [self.subscript() for _ in range(2 if array == "grid" else 1)]
        if array in self.owned and self.chance(85):
            places = [own or place for own, place in zip(self.owned[array], places, strict=True)]
        return f"{array}[{', '.join(places)}]"

    def value(self) -> str:
        return self.choose(
            self.choose(*self.indices), f"{self.element()} + 1", self.element(), "1",
            f"{self.element()} - {self.element()}", f"max({self.element()}, 2)",
            f"({self.element()} if {self.condition()} else {self.element()})",
        )  # fmt: skip

    def condition(self) -> str:
        a, b = self.choose(*self.indices), self.choose(*self.indices, "p", "size", *self.scalars)
        place = self.subscript()
        return self.choose(
            f"{a} < {b}", f"{a} == {b}", f"flags[{a}]", f"{a} + 1 < {b}", f"0 <= {place} < size",
            f"0 <= {place} and {place} < x.shape[0]", f"{a} > 0 and flags[{a} - 1]",
            f"not ({a} >= {b})", f"flags[{a}] or {a} > 2", f"{place} >= 0",
        )  # fmt: skip

    # ------------------------------------------------------------ statements

    def block(self, depth: int, in_loop: bool = False) -> None:
        known, start = list(self.scalars), len(self.lines)
        for _ in range(self.choose(1, 2, 3)):
            self.budget -= 1
            kinds = ["store", "store", "add", "add", "set"]
            kinds += ["if", "jump", "loop", "while"] if self.budget > 0 and depth < 5 else []
            getattr(self, f"_{self.choose(*kinds)}")(depth, in_loop)
        if len(self.lines) == start:
            self.line(depth, "pass")
        self.scalars = known

    def _store(self, depth: int, _in_loop: bool) -> None:
        self.line(depth, f"{self.element()} = {self.value()}")

    def _add(self, depth: int, _in_loop: bool) -> None:
        self.line(depth, f"{self.element()} {self.choose('+=', '-=')} {self.value()}")

    def _set(self, depth: int, _in_loop: bool) -> None:
        names = ["s", "w", "u"] if depth == 1 or self.chance(8) else ["local", "other"]
        name = self.choose(*names)
        text = self.choose(*self.indices, "p", "p + 1", "1", f"{self.choose(*self.indices)} + 1",
                           *[f"{one} + 1" for one in self.scalars], "index[0]")  # fmt: skip
        sign = self.choose("=", "=", "+=") if name in self.scalars else "="
        self.line(depth, f"{name} {sign} {text}")
        if name not in self.scalars:
            self.scalars.append(name)

    def _if(self, depth: int, in_loop: bool) -> None:
        self.line(depth, f"if {self.condition()}:")
        self.block(depth + 1, in_loop)
        if self.chance(50):
            self.line(depth, "else:")
            self.block(depth + 1, in_loop)

    def _jump(self, depth: int, in_loop: bool) -> None:
        if not (in_loop or self.owned):  # at the top level there is nothing to leave
            return
        self.line(depth, f"if {self.condition()}:")
        self.line(depth + 1, self.choose("break", "continue") if in_loop else "continue")

    def _loop(self, depth: int, _in_loop: bool) -> None:
        name = f"k{depth}"
        i = self.choose(*self.indices)
        stop = self.choose(
            "3", "size", f"{i} + 1", "p", f"{i}, 5", "5, -1, -1", "0, 6, 2", "index[1]",
            f"max({i} - 1, 0), min({i} + 2, size)", f"{i}, 0, -2", "1, size, 3",
        )  # fmt: skip
        self.line(depth, f"for {name} in range({stop}):")
        self.indices.append(name)
        self.block(depth + 1, True)
        self.indices.remove(name)

    def _while(self, depth: int, _in_loop: bool) -> None:
        self.line(depth, f"c{depth} = 0")
        self.line(depth, f"while c{depth} < {self.choose('2', 'p', *self.indices)}:")
        self.line(depth + 1, f"c{depth} += 1")
        self.block(depth + 1, True)

    def nest(self) -> None:
        names = self.choose(["i"], ["i"], ["i", "j"])
        self.line(1, f"for {', '.join(names)} in parallel({', '.join([LIMIT] * len(names))}):")
        known = list(self.scalars)
        self.indices = [*names]
        first, last = self.injective(names[0]), self.injective(names[-1])
        grid = (first, last) if len(names) == 2 else self.choose((first, ""), ("", last))
        self.owned = {"grid": grid} | ({"x": (first,), "y": (last,)} if len(names) == 1 else {})
        self.block(2)
        self.line(2, f"{self.element()} {self.choose('=', '+=')} {self.value()}")
        self.scalars, self.indices, self.owned = known, ["p"], {}

    def program(self) -> Program:
        self.line(1, self.choose("size = x.shape[0]", f"size = {LIMIT}", "size = 6"))
        for _ in range(self.choose(0, 1, 2, 3)):
            self._set(1, False)
        self.nest()
        if self.chance(40):
            if self.chance(50):
                self.choose(self._set, self._if, self._loop)(1, False)
            self.nest()
        wide = self.choose(Extent("n", 3, 12), Extent("n", 3, 12), Extent("n", 1, 2))
        low, high = self.choose(0, 0, 0, -1), self.choose(3, 20)
        arrays = (
            Array("x", "int64", (wide,)),
            Array("y", "int64", (wide,)),
            Array("grid", "int64", (wide, wide)),
            Array("flags", "bool", (Extent("n"),), 0, 1),
            Array("index", "int64", (Extent("n", 1, 2),), low, high),
        )
        names = [*(one.name for one in arrays), "p"]
        text = [HEADER, "", "@accelerate", f"def kernel({', '.join(names)}):", *self.lines, ""]
        return Program("\n".join(text), (*arrays, self.choose(0, 1, 2, 3)))


@st.composite
def wild_programs(draw: Callable[[st.SearchStrategy], Any]) -> Program:
    """Return a program that netts may refuse."""
    return _Writer(draw).program()


def aliased(arguments: tuple[Any, ...], alias: str) -> tuple[Any, ...]:
    """Return the arguments of a wild program with some arrays sharing memory."""
    x, y, grid, *rest = arguments
    match alias:
        case "x is y":
            x = y
        case "x overlaps y":
            x, y = x[1:], x[:-1]
        case "x and y are rows of grid":
            x, y = grid[0], grid[1]
    return (x, y, grid, *rest)
