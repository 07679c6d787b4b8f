"""Random nests that are matrix products, nearly are, or only look like it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from programs import HEADER, Array, Extent, Program

ROWS, COLUMNS, INNER = Extent("n"), Extent("m"), Extent("k")


@dataclass
class _Nest:
    """A nest in the making: a product in all respects but one, or in all."""

    draw: Callable[[st.SearchStrategy], Any]

    def __post_init__(self) -> None:
        respects = ("dtype", "stop", "loop", "before", "init", "product", "sums", "after")
        self.deviation = self.choose("none", "none", *respects)
        self.floating = self.choose("float32", "float64")
        self.arrays: dict[str, Array] = {}

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def usual(self, respect: str, usual: Any, *others: Any) -> Any:
        """Choose one of the others where the nest deviates in a respect."""
        return self.choose(*others) if respect == self.deviation else usual

    def matrix(self, name: str, rows: tuple[str, Extent], columns: tuple[str, Extent]) -> str:
        """Return an element of an array, which may be stored transposed."""
        axes = [rows, columns] if self.choose(True, False) else [columns, rows]
        dtype = self.usual("dtype", self.floating, self.floating, "int64")
        dtype = self.floating if name == "out" else dtype
        self.arrays[name] = Array(name, dtype, tuple(extent for _, extent in axes), -3, 3)
        return f"{name}[{', '.join(index for index, _ in axes)}]"

    def vector(self, name: str, index: str, extent: Extent) -> str:
        self.arrays[name] = Array(name, self.floating, (extent,), -3, 3)
        return f"{name}[{index}]"

    def program(self) -> Program:
        i, j, q = ("i", ROWS), ("j", COLUMNS), ("q", INNER)
        left, right = self.matrix("left", i, q), self.matrix("right", q, j)
        out = self.matrix("out", i, j)
        axes = [("i", self._size("out", ROWS)), ("j", self._size("out", COLUMNS))]
        if self.choose(True, False):
            axes.reverse()
        names, sizes = (", ".join(column) for column in zip(*axes, strict=True))
        second = [f"second += {left} * {right}"], [f"second += {left}"], ["total += second * 0"]
        lines = [
            f"    for {names} in parallel({sizes}):",
            *(f"        {one}" for one in self._before(out)),
            *(f"        {one}" for one in self.usual("sums", [], ["second = 1.0"])),
            f"        for q in {self._loop()}:",
            *(f"            {one}" for one in self._product(left, right)),
            *(f"            {one}" for one in self.usual("sums", [], *second)),
            *(f"        {one}" for one in self._after(out)),
            *(f"        {one}" for one in self.usual("sums", [], [f"{out} += second"])),
        ]
        parameters = [*self.arrays, "alpha", "number"]
        values = {"alpha": self.choose(2.0, -1.0, 0.5), "number": self.choose(0, 1, 2, 5)}
        header = ["", "@accelerate", f"def kernel({', '.join(parameters)}):"]
        return Program(
            "\n".join([HEADER, *header, *lines, ""]),
            tuple(self.arrays.get(name, values.get(name)) for name in parameters),
        )

    def _size(self, name: str, extent: Extent) -> str:
        return f"{name}.shape[{self.arrays[name].extents.index(extent)}]"

    def _loop(self) -> str:
        size = self._size(self.choose("left", "right"), INNER)
        # `number - 3` may be negative: then there is nothing to sum.
        stop = self.usual("stop", size, f"min(number, {size})", f"min(number - 3, {size})",
                          f"min(i, {size})", f"{size} - 1", f"max({size} - 2, 0)")  # fmt: skip
        return self.usual("loop", f"range({stop})", f"range(0, {stop})", f"range(1, {stop})",
                          f"range(0, {stop}, 2)", f"range({stop} - 1, -1, -1)")  # fmt: skip

    def _before(self, out: str) -> list[str]:
        bias, row = self.vector("bias", "j", COLUMNS), self.vector("row", "i", ROWS)
        start = self.choose("0.0", "0", bias, row, "alpha", f"{bias} * {row}")
        start = self.usual("init", start, out, "1", "s", "total + 1")
        lines = self.usual(
            "before",
            [],
            [f"if {row} > 0:", "    continue"],
            [f"if i > j and {bias} < 0:", "    continue"],
            ["c = 0", "while c < 2:", "    c += 1"],
            [f"{out} = {bias}"],
            ["total = 5.0"],
        )
        if start == "s":
            lines = [*lines, f"s = {bias} + 1"]
        if start == "total + 1":
            lines = [*lines, "total = 1.0"]
        return [*lines, f"total = {start}", *self.usual("init", [], [], [f"late = {row}"])]

    def _product(self, left: str, right: str) -> list[str]:
        weight = self.vector("weight", "q", INNER)
        self.arrays["index"] = Array("index", "int64", (INNER,), target=INNER)
        self.arrays["volume"] = Array("volume", self.floating, (ROWS, INNER, COLUMNS), -2, 2)
        gathered = re.sub(r"\bq\b", "index[q]", right)
        usual = self.choose(f"{left} * {right}", f"{right} * {left}")
        return self.usual(
            "product",
            [f"total += {usual}"],
            [f"total = total + {usual}"],
            [f"total -= {left} * {right}"],
            [f"total += {left} * {right} * {weight}"],
            [f"total += alpha * {left} * {right}"],
            [f"total += {left} + {right}"],
            [f"total += {left} * {left}"],
            [f"total += {left} * {right}", "total = min(total, 50)"],
            [f"if {weight} > 0:", f"    total += {left} * {right}"],
            [f"if {weight} > 0:", "    continue", f"total += {left} * {right}"],
            [f"total = {left} * {right}"],
            [f"total = max(total, {left} * {right})"],
            [f"total += {left} * ({right} if {weight} > 0 else 0)"],
            [f"total += {left} * {gathered}"],
            [f"total += {left} * {right} * volume[i, q, j]"],
            [f"total += {left} * volume[i, q, j]"],
            [f"total += {left} * {right} / 2.0"],
            [f"total += {left} * ({right} + {weight})"],
            [f"total += {left}", f"total += {right}"],
            [f"total += {left} * {right}", f"if {weight} > 2:", "    break"],
        )

    def _after(self, out: str) -> list[str]:
        column = self.vector("column", "j", COLUMNS)
        usual = self.choose(
            [f"{out} = total"],
            [f"{out} += total"],
            [f"{out} = total * alpha"],
            [f"{out} = max(total, 0.0)"],
            [f"{out} = total + {column}"],
            [f"{out} = total if total > {column} else total * 0.5"],
            [f"scaled = total * 2 + {column}", f"{out} = scaled - 1"],
            ["total = total * 2", f"{out} = total + total"],
            ["if total > 0:", f"    total = {column}", f"{out} = total"],
        )
        return self.usual(
            "after",
            usual,
            [f"{out} += total * alpha"],
            [f"{out} -= total"],
            [f"{out} = total + {out}"],
            ["if total > 0:", f"    {out} = total"],
            ["if total > 0:", "    continue", f"{out} = total"],
            [f"{out} = total", f"{out} = total + 1"],
            [f"{out} = {column}"],
            [f"{out} = max({out}, total)"],
        )


@st.composite
def contraction_programs(draw: Callable[[st.SearchStrategy], Any]) -> Program:
    """Return a program with one nest that sums products, as a matrix product does or nearly."""
    return _Nest(draw).program()
