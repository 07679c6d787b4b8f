"""Scalar code as text: the statements and expressions of a nest printed for numba.

Every name of the user's gets a prefix that says what it is (`v_` scalar, `a_` array address, `n_`
extent, `s_` stride), and every name of netts's own has none, so they cannot collide.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from netts.compiler.binding import Binding, Check, Word
from netts.compiler.element import ElementFunction
from netts.compiler.hoisting import hoistable
from netts.compiler.lanes import WHOLE, Lanes, lanes_of
from netts.compiler.nest import (
    Apply,
    Call,
    Const,
    Expr,
    Extent,
    Global,
    If,
    Index,
    Jump,
    Load,
    Local,
    Loop,
    Return,
    Scalar,
    Set,
    Stmt,
    Store,
    While,
    stores,
)
from netts.compiler.scalars import DIVISIONS, ROWS, VECTORISED, Type
from netts.compiler.typing import element_types, return_type


@dataclass
class Emitter:
    """Prints scalar code; knows which words, checks, imports and element functions it needed."""

    is_vectorised: ClassVar[bool] = True
    """Whether innermost loops run in the lanes of vectors, and so are printed to suit them."""

    binding: Binding
    words: list[Word] = field(default_factory=lambda: [Word("fault")])
    checks: list[Check] = field(default_factory=list)
    runtime: set[str] = field(default_factory=set)
    blas: set[str] = field(default_factory=set)
    math: set[str] = field(default_factory=set)
    elements: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    replaced: dict[int, Callable[[], None]] = field(default_factory=dict)
    """What to print instead of a statement, by its id."""
    known: dict[Apply, tuple[str, Type]] = field(default_factory=dict)
    """Text and type of what has been computed already."""
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    returns: Type | None = None
    _fresh: int = 0
    _hoisted: dict[tuple[int, int], str] = field(default_factory=dict)

    # ------------------------------------------------------------ text

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    @contextlib.contextmanager
    def indented(self, header: str) -> Iterator[None]:
        self.line(header)
        self.depth += 1
        start = len(self.lines)
        yield
        if len(self.lines) == start:
            self.line("pass")
        self.depth -= 1

    def fresh(self, text: str) -> str:
        """Assign a text to a name of its own."""
        self._fresh += 1
        name = f"t{self._fresh}"
        self.line(f"{name} = {text}")
        return name

    def word(self, word: Word) -> str:
        """Return the name under which a word of the block is known."""
        if word not in self.words:
            self.words.append(word)
        prefix = {"address": "a", "extent": "n", "stride": "s", "scalar": "v"}.get(word.kind)
        if prefix is None:
            return f"{word.kind}_{word.name}" if word.name else word.kind
        axis = f"_{word.axis}" if word.kind in ("extent", "stride") else ""
        return f"{prefix}_{word.name}{axis}"

    def number(self, value: int) -> str:
        """Return the text of a number that depends on shapes: a word, so that the code does not.

        0 and 1 stay as they are: a unit stride is what vectorises.
        """
        if value in (0, 1):
            return repr(value)
        word = Word("plan", str(len(self.numbers)))
        self.numbers[word.name] = value
        return self.word(word)

    # ------------------------------------------------------------ expressions

    def value(self, expr: Expr, wanted: Type | None = None) -> str:
        """Return the text of an expression, brought to a type."""
        text, type_ = self._expression(expr)
        return text if wanted is None else self.cast(text, type_, wanted)

    def cast(self, text: str, have: Type, want: Type) -> str:
        types = self.binding.types
        have, want = types.concrete(have), types.concrete(want)
        if have is want:
            return text
        return f"({text} != 0)" if want is Type.BOOL else f"{want.value}({text})"

    def _expression(self, expr: Expr) -> tuple[str, Type]:
        types = self.binding.types
        match expr:
            case Const(value=value):
                return self._number(value), types.of(expr)
            case Global(name=name):
                return self._number(types.scope.number(name)), types.of(expr)
            case Scalar(name=name) if name in self.binding.folded:
                return repr(self.binding.folded[name]), Type.INT
            case Scalar(name=name):
                return self.word(Word("scalar", name)), types.of(expr)
            case Local(name=name) | Index(name=name):
                return f"v_{name}", types.of(expr)
            case Extent(array=array, axis=axis):
                return self.extent(array, axis), Type.INT
            case Load():
                return self._load(expr)
            case Call(function=function, arguments=arguments):
                return self._call(function, arguments)
            case Apply(function="select"):
                return self._select(expr)
            case Apply(function="and" | "or"):
                return self._logic(expr)
            case Apply():
                return self._apply(expr)

    def _number(self, value: object) -> str:
        if isinstance(value, float):
            special = {math.inf: "math.inf", -math.inf: "-math.inf"}.get(value, "math.nan")
            text = repr(value) if math.isfinite(value) else special
            return f"{self.binding.types.weak.value}({text})"
        return repr(value)

    def extent(self, array: str, axis: int) -> str:
        return self.word(Word("extent", self.binding.canonical(array), axis))

    def _apply(self, expr: Apply) -> tuple[str, Type]:
        if expr in self.known:
            return self.known[expr]
        if id(expr) in self.binding.clamps:
            return self._expression(expr.arguments[self.binding.clamps[id(expr)]])
        row, form = ROWS[expr.function], self.form(expr.function)
        operands = [self._expression(one) for one in expr.arguments]
        wanted, result = row.rule([type_ for _, type_ in operands])
        texts = [
            self.cast(text, have, want) for (text, have), want in zip(operands, wanted, strict=True)
        ]
        if any(form.count(f"{{{i}}}") > 1 for i in range(len(texts))):
            texts = [text if text.isidentifier() else self.fresh(text) for text in texts]
        if expr.function in DIVISIONS and result is Type.INT:
            texts[1] = self._checked_divisor(expr, texts[1])
        type_name = self.binding.types.concrete(wanted[0]).value if wanted else ""
        if expr.function in VECTORISED:
            self.need_function(expr.function, type_name)
        return form.format(*texts, type=type_name), result

    def form(self, function: str) -> str:
        """Return the text of an operator or function, with places for its operands."""
        return ROWS[function].cpu

    def need_function(self, function: str, type_name: str) -> None:
        """Provide a function of netts's own for a dtype."""
        self.math.add(f"{function}_{type_name}")

    def _checked_divisor(self, expr: Apply, text: str) -> str:
        divisor = expr.arguments[1]
        if isinstance(divisor, Const) and divisor.value:
            return text
        name = self.fresh(text)
        self._fail_if(f"{name} == 0", name, Check(expr, None))
        return name

    def _captured(self, expr: Expr) -> tuple[list[str], str, Type]:
        """Return the lines that an expression needs before it, with its text and type."""
        outer, self.lines = self.lines, []
        text, type_ = self._expression(expr)
        inner, self.lines = self.lines, outer
        return inner, text, type_

    def _select(self, expr: Apply) -> tuple[str, Type]:
        """Print a conditional expression; as a statement where a branch needs lines of its own.

        Those may fail, or read an element that exists only where the condition holds.
        """
        test, then, orelse = expr.arguments
        condition = self.value(test, Type.BOOL)
        branches = [self._captured(one) for one in (then, orelse)]
        common = self.binding.types.of(expr)
        texts = [self.cast(text, type_, common) for _, text, type_ in branches]
        if not any(lines for lines, _, _ in branches):
            return f"({texts[0]} if {condition} else {texts[1]})", common
        self._fresh += 1
        name = f"t{self._fresh}"
        for header, (lines, _, _), text in zip(
            (f"if {condition}:", "else:"), branches, texts, strict=True
        ):
            with self.indented(header):
                self.lines.extend("    " + line for line in lines)
                self.line(f"{name} = {text}")
        return name, common

    def _logic(self, expr: Apply) -> tuple[str, Type]:
        left, right = expr.arguments
        self.binding.types.of(expr)
        first = self.value(left)
        lines, second, _ = self._captured(right)
        if not lines:
            return f"({first} {expr.function} {second})", Type.BOOL
        name = self.fresh(first)
        with self.indented(f"if {name}:" if expr.function == "and" else f"if not {name}:"):
            self.lines.extend("    " + line for line in lines)
            self.line(f"{name} = {second}")
        return name, Type.BOOL

    # ------------------------------------------------------------ elements of arrays

    def _load(self, load: Load) -> tuple[str, Type]:
        dtype = self.binding.dtypes[load.array]
        text = f"{self.pointer(load.array)}[{self.offset(load)}]"
        if dtype == "bool":
            return f"({text} != 0)", Type.BOOL
        type_ = self.binding.types.elements[load.array]
        return (text if type_.value == dtype else f"{type_.value}({text})"), type_

    def pointer(self, array: str) -> str:
        """Return the name of the typed pointer to an array."""
        name = self.binding.canonical(array)
        self.runtime.add(f"pointer_{self.binding.dtypes[name]}")
        return self.word(Word("address", name))

    def stride(self, array: str, axis: int) -> str:
        """Return the text of a stride, in elements."""
        name = self.binding.canonical(array)
        if self.binding.unit_axes[name] == axis:
            return "1"
        return self.word(Word("stride", name, axis))

    def offset(self, node: Load | Store) -> str:
        """Return the text of an element's offset from the first, in elements; tests subscripts."""
        terms = []
        for axis, subscript in enumerate(node.subscripts):
            text = self._hoisted.get((id(node), axis)) or self._subscript(node, axis, subscript)
            stride = self.stride(node.array, axis)
            terms.append(text if stride == "1" else f"{text} * {stride}")
        return " + ".join(terms) or "0"

    def _subscript(self, node: Load | Store, axis: int, subscript: Expr) -> str:
        text = self.value(subscript)
        if (id(node), axis) not in self.binding.unproved:
            return text
        name = self.fresh(text)
        extent = self.extent(node.array, axis)
        self._fail_if(f"{name} < 0 or {name} >= {extent}", name, Check(node, axis))
        return name

    def _fail_if(self, test: str, value: str, check: Check) -> None:
        self.checks.append(check)
        with self.indented(f"if {test}:"):
            self.line(f"args[0] = {value}")
            self.line(f"return {len(self.checks)}")

    # ------------------------------------------------------------ statements

    def block(self, body: tuple[Stmt, ...]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, statement: Stmt) -> None:
        if id(statement) in self.replaced:
            self.replaced[id(statement)]()
            return
        match statement:
            case Set(name=name, value=value):
                self.assign(name, self.value(value, self.binding.types.locals[name]))
            case Store():
                self._store(statement)
            case If(test=test, body=body, orelse=orelse):
                with self.indented(f"if {self.value(test, Type.BOOL)}:"):
                    self.block(body)
                if orelse:
                    with self.indented("else:"):
                        self.block(orelse)
            case Loop():
                self.loop(statement)
            case While(test=test, body=body):
                self._while(test, body)
            case Jump(kind=kind):
                self.line(kind)
            case Return(value=value):
                self.line(f"return {self.value(value, self.returns)}")

    def assign(self, name: str, text: str) -> None:
        """Print the assignment of a local."""
        self.line(f"v_{name} = {text}")

    def range(self, loop: Loop, start: str, stop: str) -> str:
        """Return the text of what a loop runs over."""
        return f"range({start}, {stop}" + (f", {loop.step})" if loop.step != 1 else ")")

    def loop(
        self,
        loop: Loop,
        limits: tuple[str, str] | None = None,
        body: Callable[[], None] | None = None,
    ) -> None:
        """Print a loop; `limits` and `body` replace its own bounds and the printing of its body."""
        start, stop = limits or (self.value(loop.start, Type.INT), self.value(loop.stop, Type.INT))
        hoisted = self._hoist(loop, start, stop)
        lanes = self.is_vectorised and lanes_of(loop, self.binding)
        if start == "0" and lanes is Lanes.NONE:
            self.line(f"v_{loop.index} = 0")
            self.block(loop.body) if body is None else body()
        elif body is None and limits is None and lanes is Lanes.MASKED:
            self._in_masked_lanes(loop, start, stop)
        else:
            with self.indented(f"for v_{loop.index} in {self.range(loop, start, stop)}:"):
                self.block(loop.body) if body is None else body()
        for key in hoisted:
            del self._hoisted[key]

    def _in_masked_lanes(self, loop: Loop, start: str, stop: str) -> None:
        """Print a loop in two: whole vectors, several at once, and the rest in masked lanes."""
        whole = self.fresh(f"{start} + (max({stop} - {start}, 0) & -{WHOLE})")
        with self.indented(f"for v_{loop.index} in {self.range(loop, start, whole)}:"):
            self.block(loop.body)
        with self.indented(f"for v_{loop.index} in {self.range(loop, whole, stop)}:"):
            self.mask(writes=any(stores(loop.body)))
            self.block(loop.body)

    def mask(self, *, writes: bool) -> None:
        """Print the mark of a loop to run in masked lanes, as the first statement of its body."""
        name = "masked_stores" if writes else "masked_loads"
        self.runtime.add(name)
        self.line(f"{name}()")

    def _while(self, test: Expr, body: tuple[Stmt, ...]) -> None:
        lines, text, type_ = self._captured(test)
        condition = self.cast(text, type_, Type.BOOL)
        if not lines:
            with self.indented(f"while {condition}:"):
                self.block(body)
            return
        with self.indented("while True:"):
            self.lines.extend("    " + line for line in lines)
            with self.indented(f"if not {condition}:"):
                self.line("break")
            self.block(body)

    def _store(self, store: Store) -> None:
        dtype = self.binding.dtypes[store.array]
        type_ = self.binding.types.elements[store.array]
        if dtype == "bool" and store.accumulates:
            type_ = Type.INT
        value = self.value(store.value, type_)
        place = f"{self.pointer(store.array)}[{self.offset(store)}]"
        if store.accumulates:
            value = f"{place} + {value}"
            value = f"({value}) != 0" if dtype == "bool" else value
        narrow = {"bool": "uint8", "uint8": "uint8", "int32": "int32"}.get(dtype)
        self.line(f"{place} = {narrow}({value})" if narrow else f"{place} = {value}")

    @contextmanager
    def storing(self, store: Store) -> Iterator[None]:
        """Let what is printed inside be the one that stores an element: here nobody else does."""
        del store
        yield

    # ------------------------------------------------------------ tests moved out of loops

    def _hoist(self, loop: Loop, start: str, stop: str) -> list[tuple[int, int]]:
        """Test before a loop what does not vary in it, so that the loop itself can vectorise.

        Only where there is a first iteration: `hoistable` gives what it certainly does.
        """
        candidates = hoistable(loop, self.binding, self._hoisted)
        for (key, axis), node in candidates.items():
            self._fresh += 1
            name = f"t{self._fresh}"
            self.line(f"{name} = 0")
            with self.indented(f"if {start} {'<' if loop.step > 0 else '>'} {stop}:"):
                self.line(f"{name} = {self._subscript(node, axis, node.subscripts[axis])}")
            self._hoisted[key, axis] = name
        return list(candidates)

    # ------------------------------------------------------------ element functions

    def _call(self, function: ElementFunction, arguments: tuple[Expr, ...]) -> tuple[str, Type]:
        types = self.binding.types
        operands = [self._expression(one) for one in arguments]
        result = return_type(function, [type_ for _, type_ in operands], types.weak)
        name = self._element(function, [type_ for _, type_ in operands], result)
        return f"{name}({', '.join(text for text, _ in operands)})", result

    def _element(self, function: ElementFunction, arguments: list[Type], result: Type) -> str:
        """Print an element function for argument types, once, and return its name."""
        inner = type(self)(
            Binding(
                element_types(function, arguments, self.binding.types.weak), {}, {}, {},
                frozenset(), {},
            ),
            runtime=self.runtime, math=self.math, elements=self.elements, returns=result,
        )  # fmt: skip
        inner.block(function.body.body)
        if inner.checks:
            check = inner.checks[0]
            raise inner.binding.types.error(
                check.node.place,
                "an integer division in an element function may meet a zero divisor",
                "divide by a literal, or divide in the kernel",
            )
        parameters = ", ".join(f"v_{one}" for one in function.body.parameters)
        text = "\n".join([f"({parameters}):", *inner.lines])
        types = "_".join(self.binding.types.concrete(type_).value for type_ in arguments)
        name = base = f"f_{function.name}_{types}"
        number = 0
        while self.elements.setdefault(name, text) != text:  # another function of that name
            number += 1
            name = f"{base}_{number}"
        return name
