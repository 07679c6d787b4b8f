"""Scalar expressions, from Python's syntax tree to the nest's."""

from __future__ import annotations

import ast
from typing import Any, NoReturn

from netts.compiler.element import ElementFunction
from netts.compiler.hints import instead_of, is_hashable
from netts.compiler.nest import (
    Apply,
    Call,
    Const,
    Expr,
    Extent,
    Global,
    Index,
    Load,
    Local,
    Scalar,
)
from netts.compiler.scalars import ROW_OF, ROWS
from netts.compiler.scope import Scope, as_number
from netts.compiler.source import Source
from netts.errors import UnsupportedSyntaxError

BINARY_ROWS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.Pow: "pow", ast.BitAnd: "bitand", ast.BitOr: "bitor",
    ast.BitXor: "bitxor", ast.LShift: "lshift", ast.RShift: "rshift",
}  # fmt: skip
UNARY_ROWS: dict[type[ast.AST], str] = {ast.USub: "neg", ast.Not: "not", ast.Invert: "invert"}
COMPARISON_ROWS: dict[type[ast.AST], str] = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip
_SYMBOLS: dict[type[ast.AST], str] = {
    ast.MatMult: "@", ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not",
}  # fmt: skip
_NAMES: dict[type[ast.AST], str] = {
    ast.List: "a list", ast.Tuple: "a tuple", ast.Dict: "a dictionary", ast.Set: "a set",
    ast.ListComp: "a list comprehension", ast.SetComp: "a set comprehension",
    ast.DictComp: "a dictionary comprehension", ast.GeneratorExp: "a generator",
    ast.Lambda: "a lambda", ast.NamedExpr: "an assignment inside of an expression",
    ast.JoinedStr: "a formatted string", ast.Starred: "a starred expression", ast.Await: "await",
    ast.Yield: "yield", ast.YieldFrom: "yield",
}  # fmt: skip
"""What stands outside the dialect, in words."""

MAX_LEVELS = 150
"""How deep an expression may be: what walks it takes up to 3 of Python's 1,000 frames a level."""

_SMALL_POWERS = {2: "square", 3: "cube"}
_ARITY = {"min": (2, 99), "max": (2, 99), "pow": (2, 2), "atan2": (2, 2), "copysign": (2, 2),
          "fmod": (2, 2), "hypot": (2, 2)}  # fmt: skip


class ExpressionParser:
    """Parses scalar expressions, keeping what was learned of the names in them."""

    def __init__(self, source: Source, scope: Scope) -> None:
        self.source = source
        self.scope = scope
        self.parameters = _parameters(source)
        self.assigned = _assigned_names(source.tree)
        self.indices: list[str] = []
        self.all_indices: set[str] = set()
        self.arrays: dict[str, int | None] = {}
        self.axes: dict[str, int] = {}
        self.level = 0
        self.scalars: set[str] = set()
        self.globals: set[str] = set()
        self.functions: dict[str, ElementFunction] = {}

    def refuse(self, node: ast.AST, rule: str, way_out: str = "") -> NoReturn:
        raise self.source.error(UnsupportedSyntaxError, self.source.place(node), rule, way_out)

    def test(self, node: ast.expr) -> Expr:
        return self.expression(node)

    def expression(self, node: ast.expr) -> Expr:
        self.level += 1
        if self.level > MAX_LEVELS:
            self.refuse(
                node,
                f"an expression has more than {MAX_LEVELS} levels",
                "assign a part of it to a local first",
            )
        found = self._expression(node)
        self.level -= 1
        return found

    def _expression(self, node: ast.expr) -> Expr:
        match node:
            case ast.Constant(value=bool() | int() | float() as value) if (
                as_number(value) is not None
            ):
                return Const(value)
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.BinOp(left=left, op=op, right=right):
                operands = (self.expression(left), self.expression(right))
                return self.binary(node, op, operands)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.expression(operand)
            case ast.UnaryOp(op=op, operand=operand):
                return self.apply(node, UNARY_ROWS[type(op)], (self.expression(operand),))
            case ast.Compare():
                return self.comparison(node)
            case ast.BoolOp(op=op, values=values):
                function = "and" if isinstance(op, ast.And) else "or"
                return self.folded(node, function, [self.expression(one) for one in values])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                parts = (self.test(test), self.expression(body), self.expression(orelse))
                return self.apply(node, "select", parts)
            case ast.Call():
                return self.call(node)
            case ast.Subscript():
                return self.subscripted(node)
            case ast.Attribute():
                return self.attribute(node)
            case _:
                self.refuse_expression(node)

    def refuse_expression(self, node: ast.expr) -> NoReturn:
        name = _NAMES.get(type(node)) or ast.unparse(node)
        self.refuse(
            node,
            f"{name} is outside what a kernel may contain",
            "a kernel computes with numbers and elements of arrays",
        )

    def row_of(self, node: ast.AST, op: ast.operator) -> str:
        """Return the row of a binary operator."""
        row = BINARY_ROWS.get(type(op))
        if row is None:
            self.refuse(
                node,
                f"the operator {_SYMBOLS[type(op)]} is outside the dialect",
                "write the sum as a loop over the elements",
            )
        return row

    def binary(self, node: ast.BinOp, op: ast.operator, operands: tuple[Expr, Expr]) -> Expr:
        operator = self.row_of(node, op)
        exponent = operands[1]
        if operator == "pow" and isinstance(exponent, Const) and exponent.value in _SMALL_POWERS:
            return self.apply(node, _SMALL_POWERS[int(exponent.value)], operands[:1])
        return self.apply(node, operator, operands)

    def apply(self, node: ast.AST, function: str, operands: tuple[Expr, ...]) -> Apply:
        return Apply(function, operands, self.source.place(node))

    def folded(self, node: ast.AST, function: str, operands: list[Expr]) -> Expr:
        """Apply a binary row from left to right."""
        total = operands[0]
        for operand in operands[1:]:
            total = self.apply(node, function, (total, operand))
        return total

    def comparison(self, node: ast.Compare) -> Expr:
        for op in node.ops:
            if type(op) not in COMPARISON_ROWS:
                self.refuse(
                    node,
                    f"the comparison `{_SYMBOLS[type(op)]}` is outside the dialect",
                    "compare numbers with <, <=, ==, !=, >= and >",
                )
        operands = [self.expression(one) for one in (node.left, *node.comparators)]
        tests: list[Expr] = []
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            tests.append(self.apply(node, COMPARISON_ROWS[type(op)], (left, right)))
        return self.folded(node, "and", tests)

    def call(self, node: ast.Call) -> Expr:
        function = self.resolve(node.func)
        if node.keywords:
            self.refuse(
                node,
                "functions are called with positional arguments in a kernel",
                "write the arguments without their names",
            )
        if function is len and len(node.args) == 1 and isinstance(node.args[0], ast.Name):
            return self.extent(node, node.args[0].id, 0)
        arguments = tuple(self.expression(one) for one in node.args)
        if isinstance(function, ElementFunction):
            arity = len(function.body.parameters)
            self.check_arity(node, function.name, arity, arity)
            self.functions[ast.unparse(node.func)] = function
            return Call(function, arguments, self.source.place(node))
        row = ROW_OF.get(function) if is_hashable(function) else None
        if row is None:
            called = ast.unparse(node.func)
            self.refuse(
                node,
                f"{called} is not a function that a kernel may call",
                instead_of(function, called)
                or "use math.*, netts's functions, min, max, abs, or mark a small scalar function "
                "of your own with @element; a kernel does not call other kernels",
            )
        self.check_arity(node, row, *_ARITY.get(row, (1, 1)))
        return (
            self.folded(node, row, list(arguments))
            if row in ("min", "max")
            else self.apply(node, row, arguments)
        )

    def check_arity(self, node: ast.Call, name: str, low: int, high: int) -> None:
        given = len(node.args)
        if not low <= given <= high:
            more = " or more" if high > low else ""
            self.refuse(
                node,
                f"{name} takes {low} argument{'s' * (low != 1)}{more} in a kernel, not {given}",
                "over an array, write it as a loop" if name in ("min", "max") else "",
            )

    def resolve(self, node: ast.expr) -> Any:
        """Return the object that a function's name stands for, None where it is unknown."""
        dotted = _dotted(node)
        if dotted is None:
            return None
        if dotted.split(".")[0] in (*self.parameters, *self.assigned, *self.indices):
            return None
        try:
            return self.scope.lookup(dotted)
        except NameError:
            return None

    def name(self, node: ast.AST, name: str) -> Expr:
        if name in self.indices:
            return Index(name)
        if name in self.all_indices:
            self.refuse(
                node,
                f"the loop index {name!r} is read outside of its loop",
                "assign it to a local inside of the loop",
            )
        if name in self.assigned:
            return Local(name)
        if name in self.parameters:
            if name in self.arrays:
                self.refuse(
                    node,
                    f"the array {name!r} is used without a subscript",
                    f"write its elements, `{name}[i]`",
                )
            self.scalars.add(name)
            return Scalar(name)
        return self.constant(node, name)

    def constant(self, node: ast.AST, dotted: str) -> Expr:
        try:
            value = self.scope.lookup(dotted)
        except NameError as error:
            self.refuse(node, str(error), "a kernel reads arguments, locals and constants")
        if as_number(value) is None:
            self.refuse(
                node,
                f"{dotted} is a {type(value).__name__}, not a number",
                "pass arrays as arguments; constants are Python or NumPy numbers",
            )
        self.globals.add(dotted)
        return Global(dotted)

    def attribute(self, node: ast.Attribute) -> Expr:
        dotted = _dotted(node)
        if dotted is None:
            self.refuse_expression(node)
        first = dotted.split(".")[0]
        if first in self.parameters:
            if node.attr == "size" and self.arrays.get(first) in (None, 1):
                self.use_array(node, first, 1)
                return self.extent(node, first, 0)
            self.refuse(
                node,
                f"{first}.{node.attr} is outside what a kernel may contain",
                f"a kernel knows `{first}.shape[axis]`, and the size of a vector",
            )
        return self.constant(node, dotted)

    def subscripted(self, node: ast.Subscript) -> Expr:
        match node.value:
            case ast.Attribute(value=ast.Name(id=array), attr="shape"):
                match node.slice:
                    case ast.Constant(value=int() as axis) if axis >= 0:
                        return self.extent(node, array, axis)
                self.refuse(
                    node,
                    "the axis of a shape is a literal, counted from 0",
                    f"write `{array}.shape[0]`",
                )
        array, subscripts = self.element_of(node)
        return Load(array, subscripts, self.source.place(node))

    def extent(self, node: ast.AST, array: str, axis: int) -> Extent:
        self.use_array(node, array, None)
        rank = self.arrays[array]
        if rank is not None and axis >= rank:
            self.refuse(
                node,
                f"{array} has {rank} ax{'e' if rank != 1 else 'i'}s elsewhere, so no axis {axis}",
                "axes are counted from 0",
            )
        self.axes[array] = max(self.axes.get(array, 0), axis + 1)
        return Extent(array, axis)

    def element_of(self, node: ast.Subscript) -> tuple[str, tuple[Expr, ...]]:
        if not isinstance(node.value, ast.Name):
            self.refuse(
                node,
                "an element is read or written with all its subscripts at once",
                "write x[i, j], not x[i][j]",
            )
        keys = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for key in keys:
            if isinstance(key, ast.Slice):
                self.refuse(
                    key,
                    "slices are outside what a kernel may contain",
                    "write the loop over the elements",
                )
        array = node.value.id
        self.use_array(node, array, len(keys))
        return array, tuple(self.expression(key) for key in keys)

    def use_array(self, node: ast.AST, name: str, rank: int | None) -> None:
        if name not in self.parameters or name in self.scalars:
            kind = "a scalar" if name in self.scalars or name in self.assigned else "no argument"
            self.refuse(
                node,
                f"{name!r} is {kind}, so it has no elements",
                "arrays are arguments of a kernel",
            )
        known = self.arrays.get(name)
        if known is not None and rank is not None and known != rank:
            self.refuse(
                node,
                f"{name} has {known} ax{'e' if known != 1 else 'i'}s elsewhere, {rank} here",
                "an argument has the same number of axes in the whole kernel",
            )
        self.arrays[name] = known if rank is None else rank


def _parameters(source: Source) -> tuple[str, ...]:
    arguments = source.tree.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
        raise source.error(
            UnsupportedSyntaxError,
            source.place(source.tree),
            "a kernel's parameters are plain names",
            "write `def kernel(x, out):` without *, / or **",
        )
    return tuple(one.arg for one in arguments.args)


def _assigned_names(tree: ast.FunctionDef) -> frozenset[str]:
    """Return the names that are assigned, loop indices not counted."""
    loops = {id(n) for f in ast.walk(tree) if isinstance(f, ast.For) for n in ast.walk(f.target)}
    return frozenset(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in loops
    )


def _dotted(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            first = _dotted(value)
            return None if first is None else f"{first}.{attr}"
        case _:
            return None


assert set(BINARY_ROWS.values()) | set(COMPARISON_ROWS.values()) | set(UNARY_ROWS.values()) <= set(
    ROWS
)
