"""Random sums of products: several indices, guards, strides, masks, sums inside of serial loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from programs import HEADER, Array, Extent, Program

SYMBOLS = ("n", "m", "k")


@dataclass
class _Index:
    name: str
    extent: Extent
    source: str
    """How the program asks for its extent: the shape of an array `sizes_...`."""


class _Sum:
    """One nest with one sum of products."""

    def __init__(self, draw: Callable[[st.SearchStrategy], Any]) -> None:
        self.draw = draw
        self.floating = self.choose("float32", "float64")
        self.arrays: dict[str, Array] = {}
        self.guards: list[str] = []
        self.locals: list[str] = []
        self.outer = [self.index(f"i{n}") for n in range(self.choose(1, 2, 2, 3))]
        self.inner = [self.index(f"k{n}") for n in range(self.choose(1, 1, 2))]
        self.n_parallel = self.choose(*range(1, len(self.outer) + 1))

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def index(self, name: str) -> _Index:
        symbol = self.choose(*SYMBOLS, None)
        extent = Extent(symbol) if symbol else Extent(None, 1, self.choose(1, 2, 3))
        sizes = f"sizes_{name}"
        self.arrays[sizes] = Array(sizes, self.floating, (extent,))
        return _Index(name, extent, f"{sizes}.shape[0]")

    def element(self, name: str, indices: list[_Index], dtype: str) -> str:
        """Return an element of a new array: subscripts of these indices in some order."""
        left, subscripts, extents = list(indices), [], []
        while left:
            one = left.pop(self.choose(*range(len(left))))
            if left and self.choose(True, False, False):
                text, extent = self.windowed(name, one, left.pop())
            else:
                text, extent = one.name, one.extent
            subscripts.append(text)
            extents.append(extent)
        self.arrays[name] = Array(name, dtype, tuple(extents), -2, 2)
        return f"{name}[{', '.join(subscripts)}]"

    def windowed(self, name: str, one: _Index, other: _Index) -> tuple[str, Extent]:
        """Return a subscript of two indices, as of a convolution, guarded."""
        a, b, c = self.choose(1, 2, -1), self.choose(1, 2), self.choose(0, 1, -1, -2)
        text = f"{a} * {one.name} + {b} * {other.name} + {c}"
        extent = self.choose(one.extent, other.extent, Extent(None, 1, 3))
        axis = sum(key.startswith(f"{name}_") for key in self.arrays)
        shape = f"{name}_{axis}"
        self.arrays[shape] = Array(shape, self.floating, (extent,))
        if self.choose(True, False):
            local = f"at_{shape}"
            self.locals.append(f"{local} = {text}")
            text = local
        self.guards.append(f"0 <= {text} < {shape}.shape[0]")
        return text, extent

    def operands(self) -> list[str]:
        """Return two or three elements; each summed index is in at least one."""
        sides: list[list[_Index]] = [[], []]
        for one in self.outer:
            for side in self.choose((0,), (1,), (0,), (1,), (0, 1), ()):
                sides[side].append(one)
        for one in self.inner:
            for side in self.choose((0, 1), (0, 1), (0, 1), (0,), (1,)):
                sides[side].append(one)
        elements = [
            self.element(name, side, self.floating)
            for name, side in zip(("left", "right"), sides, strict=True)
            if side
        ]
        if self.choose(True, False, False):
            extra = [one for one in self.inner + self.outer if self.choose(True, False)]
            if extra:
                elements.append(self.element("third", extra, self.choose(self.floating, "int64")))
        return elements

    def program(self) -> Program:
        product = self.term()
        is_local = self.choose(True, True, False)
        result = self.element_of_result()
        self.lines, self.depth = [f"    for {self.axes()}:"], 2
        if is_local and self.choose(True, False, False, False):
            self.open(f"if {self.outer[0].name} == 1:")
            self.line("continue")
            self.depth -= 1
        for one in self.outer[self.n_parallel :]:
            self.open(f"for {one.name} in {self.range(one)}:")
        if is_local:
            self.line(f"total = {self.choose('0.0', '1.0', 'alpha')}")
        before = self.depth
        for one in self.inner:
            self.open(f"for {one.name} in {self.range(one)}:")
        for text in self.locals:
            self.line(text)
        guards = [" and ".join(self.guards)] if self.choose(True, False) else self.guards
        for guard in guards if self.guards else ():
            self.open(f"if {guard}:")
        target = "total" if is_local else result
        self.line(f"{target} {self.choose('+=', '+=', '-=')} {product}")
        self.depth = before
        if is_local:
            self.store(result)
        parameters = [*self.arrays, "alpha", "number"]
        values = {"alpha": self.choose(2.0, -1.0, 0.5), "number": self.choose(0, 1, 2, 5)}
        header = ["", "@accelerate", f"def kernel({', '.join(parameters)}):"]
        return Program(
            "\n".join([HEADER, *header, *self.lines, ""]),
            tuple(self.arrays.get(name, values.get(name)) for name in parameters),
        )

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def open(self, header: str) -> None:
        self.line(header)
        self.depth += 1

    def store(self, result: str) -> None:
        stored = self.choose("{0} = total", "{0} = total", "{0} += total",
                             "{0} = max(total, 0.0)", "{0} = total + {0}")  # fmt: skip
        if self.choose(True, False, False, False):
            self.open("if total > 0:")
        self.line(stored.format(result))

    def term(self) -> str:
        """Return what is added, having made the conditions under which it is."""
        product = " * ".join(self.operands())
        product = self.choose(product, product, product, f"2.0 * {product}", f"-{product}",
                              f"{product} / 2.0", f"alpha * ({product})")  # fmt: skip
        if self.choose(True, False, False, False):
            mask = self.element("mask", self.choose(self.inner, self.inner + self.outer[:1]),
                                self.choose(self.floating, "int64"))  # fmt: skip
            test = f"{mask} > 0"
            if self.guards or self.choose(True, False):
                self.guards.append(test)
            else:
                product = f"({product} if {test} else 0.0)"
        if self.choose(True, False, False, False):
            one, other = self.choose(*self.inner), self.choose(*self.inner, *self.outer)
            self.guards.append(f"{one.name} {self.choose('<=', '>', '!=', '<')} {other.name} + 1")
        return product

    def axes(self) -> str:
        every = self.outer[: self.n_parallel]
        names, sizes = ", ".join(one.name for one in every), ", ".join(one.source for one in every)
        return f"{names} in parallel({sizes})"

    def range(self, one: _Index) -> str:
        return self.choose(
            *[f"range({one.source})"] * 4,
            f"range(1, {one.source})",
            f"range({one.source} - 1, -1, -1)",
            f"range(0, {one.source}, 2)",
            f"range(min({self.outer[0].name} + 1, {one.source}))",
            f"range(max(0, {self.outer[0].name} - 1), {one.source})",
            f"range(min(number, {one.source}))",
        )

    def element_of_result(self) -> str:
        left, order = list(self.outer), []
        while left:
            order.append(left.pop(self.choose(*range(len(left)))))
        self.arrays["out"] = Array("out", self.floating, tuple(one.extent for one in order), -2, 2)
        return f"out[{', '.join(one.name for one in order)}]"


@st.composite
def sum_programs(draw: Callable[[st.SearchStrategy], Any]) -> Program:
    """Return a program with one nest that sums products in serial loops."""
    return _Sum(draw).program()
