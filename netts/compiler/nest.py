"""The intermediate representation: a kernel as nests of loops over scalar statements.

Everything here is immutable and prints as the Python it came from. Expressions compare by what
they compute; where they stood in the source (`Place`) takes no part in a comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from netts.compiler.element import ElementFunction


@dataclass(frozen=True, slots=True)
class Place:
    """A span of a user's function: first line (1 is the file's first), columns from 0."""

    line: int
    column: int
    end_line: int
    end_column: int
    function: str
    file: str


NOWHERE = Place(0, 0, 0, 0, "", "")


def _place() -> Place:
    return field(default=NOWHERE, compare=False, repr=False)


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Const:
    """A literal number."""

    value: bool | int | float

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Local:
    """A scalar that the kernel assigns."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Index:
    """A loop index, parallel or serial."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar argument."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Global:
    """A number of the kernel's closure or module, folded in when the kernel is bound."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Extent:
    """`array.shape[axis]`."""

    array: str
    axis: int

    def __str__(self) -> str:
        return f"{self.array}.shape[{self.axis}]"


@dataclass(frozen=True, slots=True)
class Load:
    """An element read."""

    array: str
    subscripts: tuple[Expr, ...]
    place: Place = _place()

    def __str__(self) -> str:
        return f"{self.array}[{', '.join(map(str, self.subscripts))}]"


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator or function of the table in `scalars`."""

    function: str
    arguments: tuple[Expr, ...]
    place: Place = _place()

    def __str__(self) -> str:
        texts = [_operand(self, one) for one in self.arguments]
        form = _FORMS.get(self.function)
        return f"{self.function}({', '.join(texts)})" if form is None else form[1].format(*texts)


_FORMS = {
    "select": (0, "{1} if {0} else {2}"), "or": (1, "{0} or {1}"), "and": (2, "{0} and {1}"),
    "not": (3, "not {0}"), "lt": (4, "{0} < {1}"), "le": (4, "{0} <= {1}"),
    "gt": (4, "{0} > {1}"), "ge": (4, "{0} >= {1}"), "eq": (4, "{0} == {1}"),
    "ne": (4, "{0} != {1}"), "bitor": (5, "{0} | {1}"), "bitxor": (6, "{0} ^ {1}"),
    "bitand": (7, "{0} & {1}"), "lshift": (8, "{0} << {1}"), "rshift": (8, "{0} >> {1}"),
    "add": (9, "{0} + {1}"), "sub": (9, "{0} - {1}"), "mul": (10, "{0} * {1}"),
    "truediv": (10, "{0} / {1}"), "floordiv": (10, "{0} // {1}"), "mod": (10, "{0} % {1}"),
    "neg": (11, "-{0}"), "invert": (11, "~{0}"), "square": (12, "{0} ** 2"),
    "cube": (12, "{0} ** 3"), "pow": (12, "{0} ** {1}"),
}  # fmt: skip
"""How tightly each operator binds, and how Python writes it."""


def _operand(of: Apply, operand: Expr) -> str:
    """Return the text of an operand, in parentheses where it binds no tighter than its operator."""
    binding, _ = _FORMS.get(of.function, (-1, ""))
    inner, _ = _FORMS.get(operand.function, (99, "")) if isinstance(operand, Apply) else (99, "")
    is_first_of_equals = inner == binding in (9, 10) and operand is of.arguments[0]
    return str(operand) if inner > binding or is_first_of_equals else f"({operand})"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an element function."""

    function: ElementFunction
    arguments: tuple[Expr, ...]
    place: Place = _place()

    def __str__(self) -> str:
        return f"{self.function.name}({', '.join(map(str, self.arguments))})"


Expr = Union[Const, Local, Index, Scalar, Global, Extent, Load, Apply, Call]  # noqa: UP007 - recursive


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Set:
    """Assign a local."""

    name: str
    value: Expr
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Store:
    """Write an element, or add to it where `accumulates`."""

    array: str
    subscripts: tuple[Expr, ...]
    value: Expr
    accumulates: bool
    place: Place = _place()

    def __str__(self) -> str:
        return f"{self.array}[{', '.join(map(str, self.subscripts))}]"


@dataclass(frozen=True, slots=True)
class If:
    """A condition."""

    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Loop:
    """`for index in range(start, stop, step)`; the step is a literal."""

    index: str
    start: Expr
    stop: Expr
    step: int
    body: tuple[Stmt, ...]
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class While:
    """`while test`."""

    test: Expr
    body: tuple[Stmt, ...]
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` or `continue`."""

    kind: str
    place: Place = _place()


@dataclass(frozen=True, slots=True)
class Return:
    """`return value`, in element functions only."""

    value: Expr
    place: Place = _place()


Stmt = Union[Set, Store, If, Loop, While, Jump, Return]  # noqa: UP007 - recursive


# ---------------------------------------------------------------- kernels


@dataclass(frozen=True, slots=True)
class Axis:
    """One parallel index and how far it runs."""

    index: str
    extent: Expr


@dataclass(frozen=True, slots=True)
class Nest:
    """`for axes in parallel(...)`: independent iterations of a body."""

    axes: tuple[Axis, ...]
    body: tuple[Stmt, ...]
    place: Place = _place()

    @property
    def indices(self) -> tuple[str, ...]:
        """The names of the parallel indices, outermost first."""
        return tuple(axis.index for axis in self.axes)


@dataclass(frozen=True, slots=True)
class Routine:
    """A parsed kernel: scalar statements and nests, in order.

    Attributes
    ----------
    ranks
        For each array parameter the number of its dimensions, or None where only its shape is read.
    axes
        For each array parameter whose shape is read, how many axes that needs.
    scalars
        The parameters that are read as numbers. One that is in neither is not used.
    globals
        Names of closure and module numbers that the kernel reads.
    functions
        The element functions that it calls, with the names that it calls them by.
    """

    name: str
    parameters: tuple[str, ...]
    ranks: dict[str, int | None] = field(hash=False)
    axes: dict[str, int] = field(hash=False)
    scalars: tuple[str, ...]
    globals: tuple[str, ...]
    functions: tuple[tuple[str, ElementFunction], ...]
    phases: tuple[Stmt | Nest, ...]


# ---------------------------------------------------------------- walking


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the direct subexpressions."""
    if isinstance(expr, Load):
        return expr.subscripts
    if isinstance(expr, Apply | Call):
        return expr.arguments
    return ()


def walk_expression(expr: Expr) -> Iterator[Expr]:
    """Yield an expression and everything below it."""
    yield expr
    for child in children(expr):
        yield from walk_expression(child)


def expressions(statement: Stmt) -> tuple[Expr, ...]:
    """Return the expressions that stand directly in a statement, in order of evaluation."""
    match statement:
        case Set(value=value) | Return(value=value):
            return (value,)
        case Store(subscripts=subscripts, value=value):
            return (value, *subscripts)
        case If(test=test) | While(test=test):
            return (test,)
        case Loop(start=start, stop=stop):
            return (start, stop)
        case _:
            return ()


def blocks(statement: Stmt) -> tuple[tuple[Stmt, ...], ...]:
    """Return the blocks of statements inside a statement."""
    match statement:
        case If(body=body, orelse=orelse):
            return (body, orelse)
        case Loop(body=body) | While(body=body):
            return (body,)
        case _:
            return ()


def walk_statements(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Yield every statement of a block, nested ones included, in textual order."""
    for statement in body:
        yield statement
        for block in blocks(statement):
            yield from walk_statements(block)


def all_expressions(body: tuple[Stmt, ...]) -> Iterator[Expr]:
    """Yield every expression of a block, subexpressions included."""
    for statement in walk_statements(body):
        for expr in expressions(statement):
            yield from walk_expression(expr)


def loads(body: tuple[Stmt, ...]) -> Iterator[Load]:
    """Yield every element read of a block."""
    return (expr for expr in all_expressions(body) if isinstance(expr, Load))


def stores(body: tuple[Stmt, ...]) -> Iterator[Store]:
    """Yield every element write of a block."""
    return (one for one in walk_statements(body) if isinstance(one, Store))


def assigned(body: tuple[Stmt, ...]) -> frozenset[str]:
    """Return the scalars that a block assigns."""
    return frozenset(one.name for one in walk_statements(body) if isinstance(one, Set))


def body_of(phase: Stmt | Nest) -> tuple[Stmt, ...]:
    """Return what a phase executes, as a block of statements."""
    return phase.body if isinstance(phase, Nest) else (phase,)
