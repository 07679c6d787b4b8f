"""Random expressions of the dialect, whose values are exact in float32.

Values are integers, or multiples of a small power of 1/2; every expression knows a bound of its
magnitude and the binary digits behind its point, and is clamped where it would outgrow a float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from programs import Array, Extent
from writing import FINEST, FIXED, LARGEST, Element, Term, Writer


class ExpressionWriter(Writer):
    """Writes numbers, conditions and elements of arrays."""

    # ------------------------------------------------------------ expressions

    def bounded(self, term: Term, magnitude: float = LARGEST, digits: int = FINEST) -> Term:
        """Clamp a term, and take its digits away, where it exceeds bounds."""
        if term.digits > digits:
            term = Term(f"math.floor({term.text})", "int", term.magnitude + 1)
        if term.magnitude > magnitude:
            limit = int(magnitude)
            text = f"min(max({term.text}, {-limit}), {limit})"
            term = Term(text, term.kind, limit, term.digits)
        return term

    def value(self, depth: int = 3) -> Term:
        """Return a number."""
        self.budget -= 1
        if depth == 0 or self.budget < 0:
            return self.leaf()
        kind = self.choose(
            "leaf", "leaf", "sum", "sum", "product", "product", "min", "abs", "floordiv", "mod",
            "half", "power", "quotient", "select", "convert", "element", "function", "bits",
        )  # fmt: skip
        return getattr(self, f"_{kind}")(depth - 1)

    def _leaf(self, _depth: int) -> Term:
        return self.leaf()

    def leaf(self) -> Term:
        found: list[Callable[[], Term]] = [self._literal, self._read, self._read]
        if self.scope.indices:
            found += [self._index] * 2
        if self.scope.locals:
            found += [self._local] * 3
        if self.numbers:
            found.append(self._argument)
        return self.choose(*found, self.constant)()

    def _literal(self) -> Term:
        value = self.choose(0, 1, 2, 3, -1, 0.5, 2.0, -1.5, 0.25)
        digits = {0.5: 1, -1.5: 1, 0.25: 2}.get(value, 0)
        return Term(f"({value})", type(value).__name__, abs(value), digits)

    def _index(self) -> Term:
        index = self.choose(*self.scope.indices)
        return Term(index.name, "int", 40)

    def _local(self) -> Term:
        return self.scope.locals[self.choose(*self.scope.locals)]

    def _argument(self) -> Term:
        name = self.choose(*self.numbers)
        value = self.numbers[name]
        if isinstance(value, bool):
            return Term(f"int({name})", "int")
        return Term(name, type(value).__name__, abs(value), int(value % 1 != 0))

    def _sum(self, depth: int) -> Term:
        a, b = self.value(depth), self.value(depth)
        sign = self.choose("+", "-")
        return self.bounded(
            self._joined(f"({a.text} {sign} {b.text})", a, b, a.magnitude + b.magnitude)
        )

    def _product(self, depth: int) -> Term:
        a = self.bounded(self.value(depth), 60, 1)
        b = self.bounded(self.value(depth), 60, 1)
        term = self._joined(f"{a.text} * {b.text}", a, b, a.magnitude * b.magnitude)
        return replace(term, text=f"({term.text})", digits=a.digits + b.digits)

    def _joined(self, text: str, a: Term, b: Term, magnitude: float) -> Term:
        kind = "float" if "float" in (a.kind, b.kind) else "int"
        return Term(text, kind, magnitude, max(a.digits, b.digits))

    def _min(self, depth: int) -> Term:
        terms = [self.value(depth) for _ in range(self.integer(2, 3))]
        total = terms[0]
        for one in terms[1:]:
            total = self._joined("", total, one, max(total.magnitude, one.magnitude))
        texts = ", ".join(one.text for one in terms)
        return replace(total, text=f"{self.choose('min', 'max')}({texts})")

    def _abs(self, depth: int) -> Term:
        a = self.value(depth)
        return replace(a, text=self.choose("abs({})", "(-{})", "(+{})").format(a.text))

    def _divisor(self, depth: int) -> Term:
        a = self.bounded(self.value(depth), 9, 0)
        return self.choose(
            Term("3", "int", 3), Term("(-2)", "int", 2), Term("2.0", "float", 2),
            replace(a, text=f"(abs({a.text}) + 1)", magnitude=10),
            replace(a, text=f"max({a.text}, 1)"), replace(a, text=f"min(-1, {a.text})"),
        )  # fmt: skip

    def _quotient(self, depth: int) -> Term:
        """Divide where the divisor is not zero."""
        a, b = self.integral(depth), self.integral(depth, 9)
        operator = self.choose("//", "%")
        return Term(f"({a.text} {operator} {b.text} if {b.text} != 0 else -1)", "int", 51)

    def _floordiv(self, depth: int) -> Term:
        a, b = self.value(depth), self._divisor(depth)
        return replace(self._joined(f"({a.text} // {b.text})", a, b, a.magnitude + 1), digits=0)

    def _mod(self, depth: int) -> Term:
        a, b = self.value(depth), self._divisor(depth)
        return self._joined(f"({a.text} % {b.text})", a, b, b.magnitude)

    def _half(self, depth: int) -> Term:
        a = self.bounded(self.value(depth), LARGEST, FINEST - 2)
        divisor, digits = self.choose(("2", 1), ("(-4)", 2), ("2.0", 1))
        return Term(f"({a.text} / {divisor})", "float", a.magnitude, a.digits + digits)

    def _power(self, depth: int) -> Term:
        a = self.bounded(self.value(depth), 15, 1)
        power = self.choose(2, 3)
        return Term(f"({a.text} ** {power})", a.kind, a.magnitude**power, a.digits * power)

    def _select(self, depth: int) -> Term:
        a, b = self.value(depth), self.value(depth)
        joined = self._joined("", a, b, max(a.magnitude, b.magnitude))
        return replace(joined, text=f"({a.text} if {self.condition(depth)} else {b.text})")

    def _convert(self, depth: int) -> Term:
        a = self.value(depth)
        if a.kind == "int":
            return replace(a, text=f"float({a.text})", kind="float")
        form = self.choose("int({})", "math.floor({})", "math.ceil({})", "math.trunc(float({}))")
        return Term(form.format(a.text), "int", a.magnitude + 1)

    def _function(self, depth: int) -> Term:
        a = self.bounded(self.value(depth), 50, 1)
        text, digits = self.choose(
            ("netts.sqrt({0} * {0})", a.digits), ("math.fabs({0})", a.digits),
            ("math.fmod({0}, 4.0)", a.digits), ("netts.exp({0} * 0)", 0),
            ("math.sqrt(float({0} ** 2))", a.digits), ("netts.tanh({0} * 0.0)", 0),
        )  # fmt: skip
        return Term(text.format(a.text), "float", max(a.magnitude, 4), digits)

    def _bits(self, depth: int) -> Term:
        a = self.integral(depth)
        text, magnitude = self.choose(
            ("({0} & 7)", 7), ("(abs({0}) | 1)", 64), ("(abs({0}) ^ 5)", 64), ("(~{0})", 51),
            ("(abs({0}) << 2)", 200), ("({0} >> 1)", 50), ("int({0} > 1)", 1),
        )  # fmt: skip
        return Term(text.format(a.text), "int", magnitude)

    def integral(self, depth: int = 1, magnitude: int = 50) -> Term:
        """Return an integer."""
        a = self.bounded(self.value(depth), magnitude)
        return a if a.kind == "int" else Term(f"int({a.text})", "int", a.magnitude)

    def _element(self, depth: int) -> Term:
        """Call an element function, an old or a new one."""
        if not self.elements or self.chance(30):
            self._define_element()
        one = self.choose(*self.elements)
        arguments = [self.bounded(self.value(depth), 30, 1) for _ in range(one.arity)]
        texts = ", ".join(argument.text for argument in arguments)
        return Term(f"{one.name}({texts})", "float", 200, one.digits)

    def _define_element(self) -> None:
        """Write an element function of numbers up to 30 with one digit, a float up to 200."""
        a, b, c = self.fresh(), self.fresh(), self.fresh()
        constant = self.constant()
        bodies = [
            (1, 2, f"return {a} * {self.choose(2, 0.5)} + {constant.text}"),
            (1, 2, f"if {a} > {constant.text}:", f"    return {a} * 1.0", f"return {a} * 0.5 - 1"),
            (1, 1, f"{b} = max({a}, 0)", f"{b} += {self.choose(1, 0.5)}", f"return {b} * 1.0"),
            (1, 1, f"{b} = 0.0", f"for {c} in range({self.choose(0, 1, 3)}):", f"    {b} += {a}",
             f"return {b}"),
            (1, 0, f"{b} = 0.0", f"while {b} < {a} and {b} < 5:", f"    {b} += 1", f"return {b}"),
            (2, 2, f"return max({a}, {c}) - min({a}, {c}) * 0.5"),
            (2, 1, f"if not {a} < {c}:", f"    return float({c})", f"return {a} + 0.0"),
        ]  # fmt: skip
        bodies += [
            (2, 3, f"return {one.name}({a}) * 0.5 if {a} > {c} else {c} + 0.0")
            for one in self.elements
            if one.digits < 3 and one.arity == 1
        ]
        arity, digits, *lines = self.choose(*bodies)
        name = f"element_{len(self.elements)}"
        header = f"def {name}({', '.join([a, c][:arity])}):"
        self.elements.append(Element(name, (header, *lines), arity, digits))

    # ------------------------------------------------------------ conditions

    def condition(self, depth: int = 1) -> str:
        kind = self.choose("compare", "compare", "compare", "chain", "logic", "not", "flag")
        if depth <= 0 and kind in ("logic", "not"):
            kind = "compare"
        match kind:
            case "compare":
                a, b = self.value(depth), self.value(0)
                return f"{a.text} {self.choose('<', '<=', '>', '>=', '==', '!=')} {b.text}"
            case "chain":
                a, b, c = self.value(0), self.value(depth), self.value(0)
                return (
                    f"{a.text} {self.choose('<', '<=')} {b.text} {self.choose('<', '!=')} {c.text}"
                )
            case "logic":
                left, right = self.condition(depth - 1), self.condition(depth - 1)
                return f"({left} {self.choose('and', 'or')} {right})"
            case "not":
                return f"not ({self.condition(depth - 1)})"
            case _:
                flags = [name for name, value in self.numbers.items() if isinstance(value, bool)]
                load = self.load("bool")
                return self.choose(*flags, load.text)

    # ------------------------------------------------------------ elements

    def _read(self) -> Term:
        dtype = self.choose(self.floating, self.floating, self.floating, "int64", "int32", "uint8")
        term = self.load(dtype)
        return replace(term, text=f"int({term.text})") if dtype == "uint8" else term

    def load(self, dtype: str) -> Term:
        """Read an element of an old array or a new one."""
        old = [
            one
            for one in self.arrays.values()
            if one.dtype == dtype and one.target is None and one.name not in self.scope.closed
        ]
        if not old or (len(self.arrays) < 12 and self.chance(25)):
            extents = tuple(self._reachable() for _ in range(self.choose(1, 1, 2, 3)))
            old = [self.array(dtype, extents)]
        array = self.choose(*old)
        subscripts = self.subscripts(array)
        if subscripts is None:
            array = self.array(dtype, (Extent(None, 1, FIXED),))
            subscripts = self.subscripts(array)
        assert subscripts is not None
        magnitude, digits = self.magnitudes[array.name]
        kind = {"bool": "bool", self.floating: "float"}.get(dtype, "int")
        term = Term(f"{array.name}[{', '.join(subscripts)}]", kind, magnitude, digits)
        return term if kind == "bool" else self.bounded(term)

    def _reachable(self) -> Extent:
        """Return the extent of a loop around, or of an array that is never empty."""
        extents = [one.extent for one in self.scope.indices if one.extent.scale == 1]
        return self.choose(*extents, Extent(None, 1, FIXED)) if extents else Extent(None, 1, FIXED)

    def subscripts(self, array: Array) -> list[str] | None:
        """Return subscripts inside of an array, None where it may be empty."""
        found = []
        owned = self.scope.owned.get(array.name, {})
        for axis, extent in enumerate(array.extents):
            text = owned.get(axis) or self.subscript(array.name, axis, extent)
            if text is None:
                return None
            found.append(text)
        return found

    def subscript(self, array: str, axis: int, extent: Extent) -> str | None:
        size = f"{array}.shape[{axis}]"
        inside = [one.name for one in self.scope.indices if one.extent == extent]
        options: list[Callable[[], str]] = []
        for name in inside:
            options += [lambda name=name: name] * 4
            options.append(lambda name=name: f"{size} - 1 - {name}")
        if inside or extent.offset > 0:
            options += [lambda: "0", lambda: f"{size} - 1"]
            if self.budget > 0:
                options += [
                    lambda: f"min(max({self.integral().text}, 0), {size} - 1)",
                    lambda: f"{self.integral().text} % {size}",
                    lambda: self._gathered(extent),
                ]
        if extent.symbol is None:
            options += [lambda: str(self.integer(0, extent.offset - 1))] * 2
            options.append(lambda: f"{size} - {self.integer(1, extent.offset)}")
        return self.choose(*options)() if options else None

    def _gathered(self, extent: Extent) -> str:
        """Return an element of an array of subscripts."""
        old = [one for one in self.arrays.values() if one.target == extent]
        if not old or self.chance(30):
            dtype = self.choose("int64", "int32")
            old = [self.array(dtype, (self._reachable(),), target=extent)]
        array = self.choose(*old)
        subscripts = self.subscripts(array)
        if subscripts is None:
            array = self.array("int64", (Extent(None, 1, FIXED),), target=extent)
            subscripts = self.subscripts(array)
        assert subscripts is not None
        return f"{array.name}[{', '.join(subscripts)}]"

    def guarded(self, depth: int) -> Term:
        """Return an element beside the index's own, where there is one."""
        index = self.choose(*self.scope.indices)
        array = self.array(self.floating, (index.extent,))
        shift = self.choose(
            "1", "2", "(-1)", *[n for n, v in self.numbers.items() if type(v) is int]
        )
        place = f"{index.name} + {shift}"
        size = f"{array.name}.shape[0]"
        test = self.choose(
            f"0 <= {place} < {size}", f"{place} >= 0 and {place} < {size}",
            f"{place} >= 0 and not ({place} >= {size})",
        )  # fmt: skip
        form = self.choose("({0} if {1} else 0)", "max(({0} if {1} else 0.0), -3)")
        other = self.bounded(self.value(depth), 10, 1)
        read = f"{array.name}[{place}]"
        read = self.choose(read, f"{read} ** 2", f"max({read}, 0.0)", f"{read} * {other.text}")
        return Term(form.format(read, test), "float", 160, 2)
