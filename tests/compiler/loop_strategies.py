"""Random loops: bounds clamped in every way, steps up and down, subscripts that may miss.

Bounds, conditions and subscripts are made of indices, locals, shapes, arguments and data, so that
what netts proves from shapes, tests while running or leaves out is all of it tried. The programs
are legal and exact; a subscript that misses raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st
from programs import HEADER, Array, Extent, Program

DEEPEST = 4
"""Loops in one another, parallel indices counted, of up to about 10 iterations each."""

WHOLE = (
    "min({w}, {w})", "max({w}, {w})", "max(min({w}, {w}), {leaf})", "min({w}, {w}, {leaf})",
    "max({w}, {w}, 0)", "{w} + {step}", "{w} - {step}", "({w}) // {divisor}",
    "({w}) % {divisor}", "({w} if {test} else {w})", "abs({w})", "-({w})", "2 * ({w}) - 1",
    "{leaf} - {leaf}", "min(max({w}, 0), min({w}, 3))",
)  # fmt: skip
"""Whole numbers; {w} is one that is less deep."""

SUBSCRIPTS = (
    "{i}", "{i}", "{i} + 1", "{i} + 2", "{i} - 1", "2 * {i} + 1", "{size} - 1 - {i}",
    "{i} - {b} + 2", "{i} + {b}", "abs({i} - {b})", "({i} + {b}) // 2", "{i} % {divisor}",
    "({w}) % {size}", "min(max({w}, 0), {size} - 1)", "({w}) // 2", "({i} if {test} else 0)",
    "max({i}, {b})", "{w}",
)  # fmt: skip

VALUES = (
    "{x}", "{x}", "{x} * {x}", "{x} * {x}", "{x} * {x} * y[0]", "{x} - {x}", "1", "max({x}, {x})",
    "({x} if {condition} else {x})", "float({w})",
)  # fmt: skip

ENDS = (
    ("0", "min({w}, 9)"), ("0", "min({w}, 9)"), ("max({w}, -2)", "min({w}, 9)"), ("{i}", "n"),
    ("0", "x.shape[0]"), ("0", "{i} + 1"), ("max({w}, 0)", "n"), ("0", "3"), ("1", "{leaf}"),
    ("max({i} - 1, 0)", "min({i} + 2, {leaf}, 9)"), ("max({w}, -1)", "size"),
    ("1", "min(max({w}, 0), n)"), ("max(min({w}, 9), 0)", "min({w}, 6)"),
    ("min(max({w}, 0), min({leaf}, 3))", "min(max({w}, 0), y.shape[0], 6)"),
)  # fmt: skip
"""Two ends between which lie at most about 10 numbers."""

OUTSIDE = (
    "n", "p", "n + 1", "int(data[0])", "int(data[1])", "max(int(data[1]), n)", "4", "min(n, p)",
    "n // 2", "size", "max(min(int(data[0]), n), p)", "abs(p)", "x.shape[0] % 3", "{top}", "{top}",
)  # fmt: skip
"""Whole numbers of the top level."""


class _Writer:
    def __init__(self, draw: Callable[[st.SearchStrategy], Any]) -> None:
        self.draw = draw
        self.floating = self.choose("float32", "float64")
        self.kind = self.choose("int64", "int64", "int32", "uint8")
        self.lines: list[str] = []
        self.depth = 1
        self.indices: list[str] = []
        self.locals: list[str] = []
        self.loops = 0
        self.used = 0
        self.budget = 12
        self.whole_depth = 2
        self.deepest = DEEPEST

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) < percent

    def fresh(self, letter: str) -> str:
        self.used += 1
        return f"{letter}{self.used}"

    def filled(self, *templates: str, **given: str) -> str:
        """Choose a template, and write something of its kind for every name in braces."""

        def part(match: re.Match[str]) -> str:
            name = match[1]
            return given[name] if name in given else getattr(self, f"_{name}")()

        return re.sub(r"\{(\w+)\}", part, self.choose(*templates))

    def line(self, *templates: str, **given: str) -> None:
        self.lines.append("    " * self.depth + self.filled(*templates, **given))

    @contextmanager
    def block(self, *headers: str, **given: str) -> Iterator[None]:
        self.line(*headers, **given)
        known, indices, loops = list(self.locals), list(self.indices), self.loops
        self.depth += 1
        yield
        self.depth -= 1
        self.locals, self.indices, self.loops = known, indices, loops

    # ------------------------------------------------------------ parts of templates

    def _i(self) -> str:
        return self.choose(*self.indices)

    def _b(self) -> str:
        return self.choose(*self.indices, "p", *self.locals)

    def _top(self) -> str:
        return self.choose("n", *self.locals)

    def _leaf(self) -> str:
        return self.filled(
            *["{i}"] * 4, *self.locals, "0", "1", "2", "4", "-1", "n", "p", "x.shape[0]", "size",
            "{datum}", "{datum}",
        )  # fmt: skip

    def _datum(self) -> str:
        text = self.filled("data[{i}]", "data[{i}]", "data[0]", "data[1]", "data[3]")
        return f"int({text})" if self.kind == "uint8" else text  # NumPy's would wrap around

    def _w(self) -> str:
        if self.whole_depth == 0 or self.chance(30):
            return self._leaf()
        self.whole_depth -= 1
        text = self.filled(*WHOLE)
        self.whole_depth += 1
        return text

    def _step(self) -> str:
        return self.choose("1", "2", "p", *self.indices)

    def _divisor(self) -> str:
        return self.choose("2", "3", "(-2)", "(abs(p) + 1)", "max(n, 1)")

    def _test(self) -> str:
        operator = self.choose("<", "<=", ">", ">=", "==", "!=")
        compared = "{leaf} {operator} {leaf}"
        return self.filled(
            compared, compared, compared, "{leaf} < {leaf} <= {leaf}", "flags[{i}]", "flags[0]",
            operator=operator,
        )  # fmt: skip

    def _condition(self) -> str:
        return self.filled(
            *["{test}"] * 4, "{w} <= {leaf}", "{leaf} < {w} < {w}", "{test} and {test}",
            "{test} or {test}", "not ({test})", "not ({test} or {w} > {leaf})",
        )  # fmt: skip

    def _x(self) -> str:
        array = self.choose("x", "x", "y", "grid")
        sizes = [f"{array}.shape[{axis}]" for axis in range(2 if array == "grid" else 1)]
        return f"{array}[{', '.join(self.filled(*SUBSCRIPTS, size=one) for one in sizes)}]"

    # ------------------------------------------------------------ statements

    def statements(self, target: str) -> None:
        for _ in range(self.choose(1, 2, 2)):
            self.budget -= 1
            kinds = ["add", "add", "guarded", "set"]
            if self.budget > 0:
                kinds += ["loop"] * 3 + ["while"] if self.loops < self.deepest else []
                kinds += ["if", "jump"]
            getattr(self, f"_write_{self.choose(*kinds)}")(target)
        self._write_add(target)

    def _write_add(self, target: str) -> None:
        self.line(f"{target} {self.choose('+=', '+=', '-=')} {self.filled(*VALUES)}")

    def _write_guarded(self, target: str) -> None:
        """Add an element under the condition that there is one."""
        name, axis = self.choose(("x", 0), ("grid", 1), ("y", 0))
        size = f"{name}.shape[{axis}]"
        place = self.filled(*SUBSCRIPTS, size=size)
        if self.chance(50):
            local = self.fresh("at")
            self.line(f"{local} = {place}")
            self.locals.append(local)
            place = local
        read = f"{name}[0, {place}]" if name == "grid" else f"{name}[{place}]"
        form = self.choose("if", "if", "continue", "select")
        if form == "select":
            self.line(f"{target} += ({read} if 0 <= {place} < {size} else 0.0)")
        elif form == "if":
            with self.block(f"if 0 <= {place} < {size}:"):
                self.line(f"{target} += {read}")
        else:
            with self.block(f"if {place} < 0 or {place} >= {size}:"):
                self.line("continue")
            self.line(f"{target} += {read}")

    def _write_set(self, _target: str) -> None:
        changeable = [one for one in self.locals if not one.startswith("top")]
        if changeable and self.chance(30):
            self.line("{name} = min({name} + 1, {w})", "{name} -= 1", "{name} = {w}",
                      name=self.choose(*changeable))  # fmt: skip
            return
        name = self.fresh("a")
        self.line(f"{name} = {self._w()}")
        self.locals.append(name)

    def _write_loop(self, target: str) -> None:
        name, step = self.fresh("k"), self.choose(1, 1, 1, 2, 3, -1, -2, -3)
        low, high = self.choose(*ENDS)
        if step < 0:
            ends = self.choose(f"{high}, {low}", f"{high} - 1, {low} - 1", f"{high}, -1")
        else:
            ends = f"{low}, {high}"
        ends = self.filled(ends)
        with self.block(f"for {name} in range({ends}{'' if step == 1 else f', {step}'}):"):
            self.indices.append(name)
            self.loops += 1
            self.statements(target)

    def _write_if(self, target: str) -> None:
        with self.block("if {condition}:"):
            self.statements(target)
        if self.chance(40):
            with self.block("else:", "else:", "elif {condition}:"):
                self.statements(target)

    def _write_jump(self, _target: str) -> None:
        with self.block("if {condition}:"):
            self.line(self.choose("continue", "break") if self.loops else "continue")

    def _write_while(self, target: str) -> None:
        name = self.fresh("top")  # which nothing else sets
        self.line(f"{name} = {self.choose(-1, 0, 1)}")
        self.locals.append(name)
        test = f"{name} < min({{w}}, 4)"
        with self.block(f"while {test}:", f"while {test} and ({{condition}}):"):
            self.line(f"{name} += 1")
            self.loops += 1
            self.statements(target)

    # ------------------------------------------------------------ nests

    def nest(self, number: int) -> None:
        names = self.choose(["i"], ["i"], ["i", "j"])
        extents = [
            self.filled("{one}", "{one}", "{one}", "min({o}, {one})", "max(min({o}, {one}), 0)",
                        "{one} - 1", "{one} // 2", one=f"out.shape[{axis}]")
            for axis in range(len(names))
        ]  # fmt: skip
        outer, self.budget = list(self.locals), 8
        sums = [self.fresh("top") for _ in range(self.choose(0, 0, 1))]
        for one in sums:
            self.line(f"{one} = {self.choose(0, 1)}")
        with self.block(f"for {', '.join(names)} in parallel({', '.join(extents)}):"):
            self.indices, self.deepest = list(names), DEEPEST - len(names)
            self._write_body("i, j" if len(names) == 2 else self.choose("i, 0", "i, m - 1"))
            for one in sums:
                self.line("{one} += {w}", "{one} = max({one}, {w})", "{one} -= {w}", one=one)
            if self.chance(25):
                at = self.choose(*["table[{datum}, j]"] * (len(names) - 1), "counts[{datum}]")
                self.line(f"{at} += 1", f"{at} -= {{w}}")
        self.locals, self.indices = outer, []
        for one in sums:
            self.line(f"result[{number}] = {one}")
            self.locals.append(one)

    def _write_body(self, place: str) -> None:
        out = f"{self.choose('out', 'other')}[{place}]"
        if self.chance(35):
            self.statements(out)
            return
        self.line(f"total = {self.choose('0.0', '1.0', 'y[0]')}")
        self.statements("total")
        self.line(f"{out} {self.choose('=', '+=')} total")

    def _o(self) -> str:
        return self.filled(*OUTSIDE)

    def program(self) -> Program:
        self.line("size = x.shape[0]", "size = y.shape[0]", "size = len(x)", "size = 6")
        self.line("m = out.shape[1]")
        for _ in range(self.choose(0, 1, 2)):
            name = self.fresh("top")
            self.line(f"{name} = {self._o()}")
            self.locals.append(name)
            if self.chance(20):
                with self.block("if {o} > 1:"):
                    self.line(f"{name} = {name} - 1")
        for number in range(self.choose(1, 1, 2)):
            self.nest(number)
        arrays = self.arrays()
        names = [*(one.name for one in arrays), "n", "p"]
        text = [HEADER, "", "@accelerate", f"def kernel({', '.join(names)}):", *self.lines, ""]
        numbers = self.choose(0, 1, 2, 3, 5), self.choose(0, 1, 2, 3, -1)
        return Program("\n".join(text), (*arrays, *numbers))

    def arrays(self) -> tuple[Array, ...]:
        """Return the arguments; some of x, grid and data are short."""
        wide = Extent("n", 1, 9)
        length = self.choose(wide, wide, wide, Extent("n"), Extent("n", 1, 1), Extent("n", 1, 4))
        indexed = Extent("n", 1, self.choose(9, 9, 3))
        rows = self.choose(Extent("n"), Extent("n", 1, 1), Extent(None, 1, 3))
        low = 0 if self.kind == "uint8" else self.choose(-1, 0, 0)
        return (
            Array("x", self.floating, (length,), -3, 3),
            Array("y", self.floating, (wide,), -3, 3),
            Array("grid", self.choose(self.floating, "int64"), (wide, length), -3, 3),
            Array("data", self.kind, (indexed,), low, 4),
            Array("flags", "bool", (indexed,), 0, 1),
            Array("out", self.floating, (rows, Extent("m", 1, 1))),
            Array("other", self.floating, (rows, Extent("m", 1, 1))),
            Array("counts", "int64", (Extent(None, 1, 5),)),
            Array("table", "int64", (Extent(None, 1, 5), Extent("m", 1, 1))),
            Array("result", "int64", (Extent(None, 1, 2),)),
        )


@st.composite
def loop_programs(draw: Callable[[st.SearchStrategy], Any]) -> Program:
    """Return a program of loops whose bounds and subscripts depend on everything there is."""
    return _Writer(draw).program()
