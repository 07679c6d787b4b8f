"""Random programs of the dialect, legal and exact: netts must take them and may not round.

As all arithmetic is exact, the order of a sum does not show, and all ways of running agree bit for
bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from expression_strategies import ExpressionWriter
from hypothesis import strategies as st
from programs import HEADER, Extent, Program
from writing import FINEST, FIXED, LARGEST, TERM, Index, Term

LENGTH = {name: Extent(name) for name in ("n", "m", "k")}


class ProgramWriter(ExpressionWriter):
    """Writes statements and nests."""

    # ------------------------------------------------------------ statements

    def statements(self, count: int) -> None:
        for _ in range(count):
            if self.budget < 0:
                return
            self.budget -= 1
            kinds = ["set", "set", "change"]
            if self.scope.is_nest:
                kinds += [
                    "store",
                    "store",
                    "store",
                    "guarded",
                    *(["sum"] * 2 if self.scope.sums else []),
                ]
            if self.scope.depth < 4:
                kinds += ["if", "if", "loop", "loop", "while"]
            if self.scope.in_loop or self.scope.is_nest:
                kinds.append("jump")
            getattr(self, f"_write_{self.choose(*kinds)}")()

    def _write_set(self) -> None:
        term = self.bounded(
            self.guarded(1) if self.scope.indices and self.chance(15) else self.value()
        )
        name = self.fresh()
        self.line(f"{name} = {term.text}")
        self.scope.locals[name] = replace(term, text=name)

    def _write_change(self) -> None:
        """Change a local, within the bounds that it was made with."""
        names = [name for name in self.scope.locals if name not in self.scope.frozen]
        if not names:
            return
        name = self.choose(*names)
        have = self.scope.locals[name]
        form = self.choose(
            "{0} = {1}", "{0} = {1}", "{0} = max({0}, {1})", "{0} = min({1}, {0})",
            "{0} += {1}", "{0} -= {1}", "{0} = {1} + {0}", "{0} *= {1}",
        )  # fmt: skip
        term = self.bounded(self.value(2), have.magnitude, have.digits)
        if "*=" in form:
            term = self.choose(Term("(-1)", "int"), Term("0", "int"), Term("2", "int"))
        if have.kind == "int" and term.kind == "float":
            term = Term(f"int({term.text})", "int", term.magnitude)
        self.line(form.format(name, term.text))
        if "+" in form or "-" in form or "*" in form:
            grown = replace(have, magnitude=have.magnitude * 2 + 1)
            self.line(f"{name} = {self.bounded(grown, have.magnitude).text}")

    def _write_if(self) -> None:
        branches = self.choose(1, 1, 2, 3)
        for number in range(branches):
            header = f"if {self.condition()}:" if number == 0 else f"elif {self.condition()}:"
            with self.block("else:" if number == 2 else header):
                self.statements(self.integer(1, 2))

    def _write_loop(self) -> None:
        name, text, extent = self._range()
        with self.block(f"for {name} in range({text}):", in_loop=True):
            self.scope.indices.append(Index(name, extent))
            self.statements(self.integer(1, 3))

    def _range(self) -> tuple[str, str, Extent]:
        name = self.fresh()
        arrays = [
            (one.name, axis, extent)
            for one in self.arrays.values()
            for axis, extent in enumerate(one.extents)
            if extent.symbol is not None and extent.scale == 1 and extent.offset == 0
        ]
        small = Extent(None, 1, FIXED)
        options = [
            ("3", small), ("1, 4", small), ("3, -1, -1", small), ("0", small), ("0, 4, 2", small),
            ("4, 1", small), (f"min(max({self.integral().text}, 0), 4)", small), ("0, 3, 3", small),
        ]  # fmt: skip
        options += [
            (n, small) for n, v in self.numbers.items() if type(v) is int and v <= FIXED and v >= 0
        ]
        if arrays:
            array, axis, extent = self.choose(*arrays)
            size = f"{array}.shape[{axis}]"
            options += [
                (size, extent), (f"{size} - 1, -1, -1", extent), (f"0, {size}, 2", extent),
                (f"1, {size}", extent), (f"{size} - 1, 0, -3", extent),
            ] * 2  # fmt: skip
            for index in self.scope.indices:
                if index.extent == extent:
                    i = index.name
                    options += [
                        (f"{i} + 1", extent), (f"{i}, {size}", extent), (f"{i}, -1, -1", extent),
                        (f"max({i} - 1, 0), min({i} + 2, {size})", extent),
                        (f"{i} + 1, {size}", extent),
                    ]  # fmt: skip
        return (name, *self.choose(*options))

    def _write_while(self) -> None:
        name = self.fresh()
        limit = self.bounded(self.value(1), 4)
        self.line(f"{name} = {self.choose(0, 1)}")
        self.scope.locals[name] = Term(name, "int", 5)
        test = f"{name} < {limit.text}" + (f" and {self.condition()}" if self.chance(40) else "")
        frozen = self.scope.frozen | {name}  # nothing in the block may set the counter back
        with self.block(f"while {test}:", in_loop=True, frozen=frozen):
            self.line(f"{name} += 1")
            self.statements(self.integer(1, 2))

    def _write_jump(self) -> None:
        kinds = ["continue", "break"] if self.scope.in_loop else ["continue"]
        with self.block(f"if {self.condition()}:"):
            self.line(self.choose(*kinds))

    def _write_guarded(self) -> None:
        self._store_term(self.guarded(1))

    def _write_store(self) -> None:
        self._store_term(self.value())

    def _store_term(self, term: Term) -> None:
        array = self.arrays[self.choose(*self.scope.owned)]
        subscripts = self.subscripts(array)
        if subscripts is None:
            return
        place = f"{array.name}[{', '.join(subscripts)}]"
        is_open = array.name not in self.scope.closed
        if array.dtype == "bool":
            self.line(f"{place} {self.choose('=', '=', '+=')} {self.condition()}")
            return
        form = (
            self.choose("=", "=", "=", "+=", "-=", "max", "*=")
            if is_open
            else self.choose("+=", "-=")
        )
        if array.dtype == "uint8":
            term = Term(f"abs({self.bounded(term, 100, 0).text})", term.kind, 100)
            form = "="
        if array.dtype != self.floating and term.kind == "float":
            term = Term(f"int({term.text})", "int", term.magnitude)
        if form in ("+=", "-="):
            term = self.bounded(term, TERM, 1)
        match form:
            case "*=":
                self.line(f"{place} *= {self.choose(-1, 0, 1)}")
            case "max":
                self.line(f"{place} = max({place}, {term.text})")
            case _:
                self.line(f"{place} {form} {term.text}")

    def _write_sum(self) -> None:
        """Add to a scalar of the top level, or take its maximum."""
        name = self.choose(*self.scope.sums)
        term = self.bounded(self.value(2), TERM, 1)
        if self.kinds[name] == "int" and term.kind == "float":
            term = Term(f"int({term.text})", "int", term.magnitude)
        form = self.scope.sums[name]
        if form == "+":
            form = self.choose("{0} += {1}", "{0} -= {1}", "{0} = {0} + {1}", "{0} = {1} + {0}")
        self.line(form.format(name, term.text))

    # ------------------------------------------------------------ nests

    def nest(self) -> None:
        """Write a nest over one to three indices, with arrays that it owns, and sums."""
        extents = [
            LENGTH[self.choose("n", "n", "m", "k")] for _ in range(self.choose(1, 1, 2, 2, 3))
        ]
        indices = [Index(self.fresh(), extent) for extent in extents]
        sums = {
            name: self.choose("+", "+", "{0} = max({0}, {1})", "{0} = min({0}, {1})")
            for name in self.reducible
            if self.chance(70)
        }
        outer = self.scope
        outer.locals = {name: term for name, term in outer.locals.items() if name not in sums}
        sizes = [self._size(one.extent) for one in indices]
        known = dict(outer.locals)
        names = ", ".join(one.name for one in indices)
        targets = {
            array: (owned, is_scattered)
            for array, owned, is_scattered in (
                self._target(indices) for _ in range(self.choose(1, 1, 2))
            )
        }
        for name in targets:
            self.magnitudes[name] = (LARGEST, FINEST)
        with self.block(
            f"for {names} in parallel({', '.join(sizes)}):",
            owned={array: owned for array, (owned, _) in targets.items()},
            closed={array for array, (_, is_scattered) in targets.items() if is_scattered},
            frozen=set(known),
            sums=sums,
            is_nest=True,
        ):
            self.scope.locals = known
            self.scope.indices += indices
            self.budget = max(self.budget, 25)
            self.statements(self.integer(1, 4))
            self._write_store()
            for _ in range(1 if sums else 0):
                self._write_sum()
        for name in sums:
            outer.locals[name] = Term(name, self.kinds[name], 2**18, 2)

    def _size(self, extent: Extent) -> str:
        arrays = [
            f"{one.name}.shape[{axis}]"
            for one in self.arrays.values()
            for axis, each in enumerate(one.extents)
            if each == extent
        ]
        if not arrays or self.chance(20):
            one = self.array(self.floating, (extent,))
            arrays = [f"{one.name}.shape[0]", f"len({one.name})", f"{one.name}.size"]
        form = self.choose(*["{}"] * 6, "{} // 2", "{} - 1", "min({}, 3)", "max({}, 0)")
        text = form.format(self.choose(*arrays))
        if self.chance(10):
            text = f"min(max({self.integral().text}, 0), {text})"
        if self.chance(30):
            name = self.fresh()
            self.line(f"{name} = {text}")
            return name
        return text

    def _target(self, indices: list[Index]) -> tuple[str, dict[int, str], bool]:
        """Return an array to write, the subscripts that the indices own, and if it is scattered."""
        old = self._old_target(indices)
        if old is not None and self.chance(60):
            return (*old, False)
        extents: list[Extent] = []
        owned: dict[int, str] = {}
        is_scattered = self.chance(15)
        patterns: list[tuple[str, Extent]] = []
        for one in indices:
            i, extent = one.name, one.extent
            if is_scattered:
                place = self.choose(i, "gather", "gather")
                patterns.append((place, extent))
                continue
            scale = replace(extent, scale=2, offset=1)
            patterns.append(
                self.choose(
                    (i, extent),
                    (i, extent),
                    (i, extent),
                    (f"{i} + 2", replace(extent, offset=2)),
                    (f"2 * {i} + 1", scale),
                    (f"1 + {i}", replace(extent, offset=1)),
                    ("reversed", extent),
                )
            )
        patterns += [("free", Extent(None, 1, FIXED))] * self.choose(0, 0, 1)
        order = self.draw(st.permutations(range(len(patterns))))
        dtype = self.choose(
            self.floating, self.floating, self.floating, "int64", "int32", "uint8", "bool"
        )
        if is_scattered:
            dtype = self.choose(self.floating, "int64")
        extents = [patterns[place][1] for place in order]
        array = self.array(dtype, tuple(extents))
        for axis, place in enumerate(order):
            text, extent = patterns[place]
            if text == "reversed":
                text = f"{array.name}.shape[{axis}] - 1 - {indices[place].name}"
            elif text == "gather":
                index = self.array("int64", (extent,), target=extent)
                text = f"{index.name}[{indices[place].name}]"
            if text != "free":
                owned[axis] = text
        return array.name, owned, is_scattered

    def _old_target(self, indices: list[Index]) -> tuple[str, dict[int, str]] | None:
        """Return an array of before with an axis for each index, and which that is."""
        for one in self.arrays.values():
            if one.dtype == "uint8" or one.target is not None:
                continue
            owned: dict[int, str] = {}
            for index in indices:
                axes = [
                    a for a, e in enumerate(one.extents) if e == index.extent and a not in owned
                ]
                if axes:
                    owned[self.choose(*axes)] = index.name
            if len(owned) == len(indices) and self.chance(50):
                return one.name, owned
        return None

    # ------------------------------------------------------------ the whole program

    def program(self) -> Program:
        for value in (self.integer(0, 3), self.choose(0.5, -1.0, 2.0), self.chance(50)):
            if self.chance(60):
                self.number(value)
        self.reducible: list[str] = []
        self.kinds: dict[str, str] = {}
        for _ in range(self.choose(1, 1, 2, 3)):
            self._prologue()
            self.nest()
            self._epilogue()
        return self._assembled()

    def _prologue(self) -> None:
        self.budget = 20
        self.statements(self.choose(0, 0, 1, 2))
        self.reducible = [name for name in self.kinds if self.chance(40)]
        for _ in range(self.choose(0, 0, 1, 2)):
            name = self.fresh()
            self.kinds[name] = self.choose("int", "float", "float")
            term = self.bounded(self.value(1), 9, 1)
            convert = "int" if self.kinds[name] == "int" else "float"
            self.line(f"{name} = {convert}({term.text})")
            self.scope.locals[name] = Term(name, self.kinds[name], 9, 1 - (convert == "int"))
            self.reducible.append(name)
        self.statements(self.choose(0, 0, 0, 1))

    def _epilogue(self) -> None:
        """Store what was reduced, and sometimes change it."""
        self.budget = 10
        for name in self.reducible:
            if self.chance(40):
                self.statements(1)
            dtype = self.floating if self.kinds[name] == "float" else "int64"
            out = self.array(dtype, (Extent(None, 1, FIXED),))
            place = self.choose("0", "3")
            text = self.choose("{0}[{1}] = {2}", "{0}[{1}] += {2}", "{0}[{1}] = {2} * 2")
            header = self.choose("", "", f"if {self.condition()}:", "for turn in range(2):")
            with self.block(header) if header else contextlib.nullcontext():
                self.line(text.format(out.name, place, name))
            self.magnitudes[out.name] = (2**20, 3)

    def _assembled(self) -> Program:
        names = self.draw(st.permutations([*self.arrays, *self.numbers]))
        numbers = [
            f"{name.removeprefix('Numbers.')} = {value!r}" for name, value in self.constants.items()
        ]
        lines: list[str] = []
        for one in self.elements:
            lines += ["", "", "@element", one.lines[0], *(f"    {text}" for text in one.lines[1:])]
        lines += ["", "", "@accelerate", f"def kernel({', '.join(names)}):", *self.lines]
        match self.home:
            case "closure":
                around = [*numbers, *lines, "", "return kernel"]
                lines = ["def made():", *(f"    {one}" for one in around), "", "kernel = made()"]
            case "class":
                lines = ["class Numbers:", *(f"    {one}" for one in numbers), "    pass", *lines]
            case "module":
                lines = [*numbers, *lines]
        return Program(
            "\n".join([HEADER, *lines, ""]),
            tuple(
                self.arrays[name] if name in self.arrays else self.numbers[name] for name in names
            ),
        )


@st.composite
def exact_programs(draw: Callable[[st.SearchStrategy], Any]) -> Program:
    """Return a legal program whose arithmetic is exact."""
    return ProgramWriter(draw).program()
