"""From Python source to a routine of nests; everything outside the dialect is refused here."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from netts.compiler.element import ElementBody, ElementFunction
from netts.compiler.index_space import parallel
from netts.compiler.nest import (
    Apply,
    Axis,
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
    Nest,
    Place,
    Return,
    Routine,
    Scalar,
    Set,
    Stmt,
    Store,
    While,
)
from netts.compiler.scalars import ROW_OF, ROWS
from netts.compiler.scope import Scope, as_number
from netts.compiler.source import Source, place_of
from netts.errors import UnsupportedSyntaxError

_BINARY: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.Pow: "pow", ast.BitAnd: "bitand", ast.BitOr: "bitor",
    ast.BitXor: "bitxor", ast.LShift: "lshift", ast.RShift: "rshift",
}  # fmt: skip
_UNARY: dict[type[ast.AST], str] = {ast.USub: "neg", ast.Not: "not", ast.Invert: "invert"}
_COMPARE: dict[type[ast.AST], str] = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip
_SMALL_POWERS = {2: "square", 3: "cube"}
_ARITY = {"min": (2, 99), "max": (2, 99), "pow": (2, 2), "atan2": (2, 2), "copysign": (2, 2),
          "fmod": (2, 2), "hypot": (2, 2)}  # fmt: skip


class _Parser:
    """What kernels and element functions share: scalar statements and expressions."""

    def __init__(self, source: Source, scope: Scope) -> None:
        self.source = source
        self.scope = scope
        self.parameters = _parameters(source)
        self.assigned = _assigned_names(source.tree)
        self.indices: list[str] = []
        self.all_indices: set[str] = set()
        self.arrays: dict[str, int | None] = {}
        self.scalars: set[str] = set()
        self.globals: set[str] = set()

    def refuse(self, node: ast.AST, rule: str, way_out: str = "") -> NoReturn:
        raise self.source.error(UnsupportedSyntaxError, place_of(node), rule, way_out)

    # ------------------------------------------------------------ statements

    def block(self, nodes: Sequence[ast.stmt]) -> tuple[Stmt, ...]:
        return tuple(one for node in nodes for one in self.statement(node))

    def statement(self, node: ast.stmt) -> tuple[Stmt, ...]:
        match node:
            case ast.Assign(targets=[target], value=value):
                return self.assignment(target, value, place_of(node))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                return self.assignment(target, value, place_of(node))
            case ast.AugAssign():
                return (self.augmented(node),)
            case ast.If(test=test, body=body, orelse=orelse):
                return (If(self.test(test), self.block(body), self.block(orelse), place_of(test)),)
            case ast.For():
                return (self.loop(node),)
            case ast.While(test=test, body=body, orelse=[]):
                return (While(self.test(test), self.block(body), place_of(test)),)
            case ast.Break():
                return (Jump("break", place_of(node)),)
            case ast.Continue():
                return (Jump("continue", place_of(node)),)
            case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
                return ()
            case ast.Return(value=value):
                return (self.returned(node, value),)
            case _:
                self.refuse(
                    node,
                    f"a {_name_of(node)} statement is outside what a kernel may contain",
                    "kernels take assignments, if, for ... in range(...), while, break, continue",
                )

    def returned(self, node: ast.stmt, value: ast.expr | None) -> Return:
        self.refuse(
            node,
            "a kernel returns nothing",
            "write the result into an array argument, or mark a scalar function with @element",
        )

    def assignment(self, target: ast.expr, value: ast.expr, place: Place) -> tuple[Stmt, ...]:
        match target:
            case ast.Name(id=name):
                self.assignable(target, name)
                return (Set(name, self.expression(value), place),)
            case ast.Subscript():
                array, subscripts = self.element_of(target)
                return (Store(array, subscripts, self.expression(value), False, place_of(target)),)
            case ast.Tuple(elts=targets):
                values = self.unpacked(value, len(targets))
                return tuple(
                    Set(self.plain_name(one), expr, place)
                    for one, expr in zip(targets, values, strict=True)
                )
            case _:
                self.refuse(target, "a kernel assigns scalars and elements of arrays only")

    def unpacked(self, value: ast.expr, count: int) -> list[Expr]:
        match value:
            case ast.Attribute(value=ast.Name(id=array), attr="shape"):
                self.use_array(value, array, count)
                return [Extent(array, axis) for axis in range(count)]
            case _:
                self.refuse(
                    value,
                    "several names are assigned at once from a shape only",
                    "write one assignment per name, or `n, m = x.shape`",
                )

    def augmented(self, node: ast.AugAssign) -> Stmt:
        operator = _BINARY.get(type(node.op))
        if operator is None:
            self.refuse(node, f"the operator {_name_of(node.op)} is outside the dialect")
        value, place = self.expression(node.value), place_of(node)
        match node.target:
            case ast.Name(id=name):
                self.assignable(node.target, name)
                return Set(name, self.apply(node, operator, (Local(name), value)), place)
            case ast.Subscript():
                array, subscripts = self.element_of(node.target)
                target = place_of(node.target)
                if operator in ("add", "sub"):
                    signed = value if operator == "add" else Apply("neg", (value,), place)
                    return Store(array, subscripts, signed, True, target)
                old = Load(array, subscripts, target)
                changed = self.apply(node, operator, (old, value))
                return Store(array, subscripts, changed, False, target)
            case _:
                self.refuse(node, "a kernel changes scalars and elements of arrays only")

    def loop(self, node: ast.For) -> Loop:
        if node.orelse:
            self.refuse(node.orelse[0], "a loop has no else branch in a kernel")
        match node.iter:
            case ast.Call(func=func, args=args, keywords=[]) if self.resolve(func) is range:
                pass
            case _:
                self.refuse(
                    node.iter,
                    "a loop inside a kernel runs over range(...)",
                    "write `for k in range(n):`",
                )
        if not 1 <= len(args) <= 3:
            self.refuse(node.iter, f"range takes 1 to 3 arguments, not {len(args)}")
        bounds = [self.expression(arg) for arg in args]
        start: Expr = Const(0) if len(bounds) == 1 else bounds[0]
        stop = bounds[0] if len(bounds) == 1 else bounds[1]
        step = self.step(args[2], bounds[2]) if len(bounds) == 3 else 1
        index = self.plain_name(node.target)
        with_index = self.with_indices(node.target, (index,), lambda: self.block(node.body))
        return Loop(index, start, stop, step, with_index, place_of(node.iter))

    def step(self, node: ast.expr, step: Expr) -> int:
        if isinstance(step, Apply) and step.function == "neg":
            inner = step.arguments[0]
            step = Const(-inner.value) if isinstance(inner, Const) else step
        if not (isinstance(step, Const) and isinstance(step.value, int) and step.value):
            self.refuse(node, "the step of a range is a literal other than 0")
        return step.value

    def with_indices(
        self, node: ast.AST, names: tuple[str, ...], parse: Callable[[], tuple[Stmt, ...]]
    ) -> tuple[Stmt, ...]:
        """Parse a loop's body with its indices in scope."""
        for name in names:
            if name in self.indices or names.count(name) > 1:
                self.refuse(node, f"the index {name!r} is in use by a loop around this one")
            if name in self.parameters:
                self.refuse(node, f"the index {name!r} is also a parameter", "rename one of them")
            if name in self.assigned:
                self.refuse(node, f"the index {name!r} is also assigned", "rename one of them")
        self.indices.extend(names)
        self.all_indices.update(names)
        body = parse()
        del self.indices[len(self.indices) - len(names) :]
        return body

    def plain_name(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            self.refuse(node, "expected a plain name here")
        return node.id

    def assignable(self, node: ast.AST, name: str) -> None:
        if name in self.parameters:
            self.refuse(node, f"the parameter {name!r} is assigned", "use a local of another name")

    # ------------------------------------------------------------ expressions

    def test(self, node: ast.expr) -> Expr:
        return self.expression(node)

    def expression(self, node: ast.expr) -> Expr:
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                return Const(value)
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.BinOp(left=left, op=op, right=right):
                operands = (self.expression(left), self.expression(right))
                return self.binary(node, op, operands)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.expression(operand)
            case ast.UnaryOp(op=op, operand=operand):
                return self.apply(node, _UNARY[type(op)], (self.expression(operand),))
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
                self.refuse(node, f"a {_name_of(node)} is outside what a kernel may contain")

    def binary(self, node: ast.BinOp, op: ast.operator, operands: tuple[Expr, Expr]) -> Expr:
        operator = _BINARY.get(type(op))
        if operator is None:
            self.refuse(node, f"the operator {_name_of(op)} is outside the dialect")
        exponent = operands[1]
        if operator == "pow" and isinstance(exponent, Const) and exponent.value in _SMALL_POWERS:
            return self.apply(node, _SMALL_POWERS[int(exponent.value)], operands[:1])
        return self.apply(node, operator, operands)

    def apply(self, node: ast.AST, function: str, operands: tuple[Expr, ...]) -> Apply:
        return Apply(function, operands, place_of(node))

    def folded(self, node: ast.AST, function: str, operands: list[Expr]) -> Expr:
        """Apply a binary row from left to right."""
        total = operands[0]
        for operand in operands[1:]:
            total = self.apply(node, function, (total, operand))
        return total

    def comparison(self, node: ast.Compare) -> Expr:
        operands = [self.expression(one) for one in (node.left, *node.comparators)]
        tests: list[Expr] = []
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            if type(op) not in _COMPARE:
                self.refuse(node, f"the comparison {_name_of(op)} is outside the dialect")
            tests.append(self.apply(node, _COMPARE[type(op)], (left, right)))
        return self.folded(node, "and", tests)

    def call(self, node: ast.Call) -> Expr:
        function = self.resolve(node.func)
        if node.keywords:
            self.refuse(node, "functions are called with positional arguments in a kernel")
        if function is len and len(node.args) == 1 and isinstance(node.args[0], ast.Name):
            return self.extent(node, node.args[0].id, 0)
        arguments = tuple(self.expression(one) for one in node.args)
        if isinstance(function, ElementFunction):
            if len(arguments) != len(function.body.parameters):
                self.refuse(
                    node,
                    f"{function.name} takes {len(function.body.parameters)} arguments, "
                    f"not {len(arguments)}",
                )
            return Call(function, arguments, place_of(node))
        row = ROW_OF.get(function) if _is_hashable(function) else None
        if row is None:
            self.refuse(
                node,
                f"{ast.unparse(node.func)} is not a function that a kernel may call",
                "use math.*, netts's functions, min, max, abs, or mark a small scalar function of "
                "your own with @element; a kernel does not call other kernels",
            )
        low, high = _ARITY.get(row, (1, 1))
        if not low <= len(arguments) <= high:
            self.refuse(node, f"{row} takes {low} argument{'s' * (low > 1)} in a kernel")
        return (
            self.folded(node, row, list(arguments))
            if row in ("min", "max")
            else self.apply(node, row, arguments)
        )

    def resolve(self, node: ast.expr) -> Any:
        """Return the object that a function's name stands for, None where it is unknown."""
        dotted = _dotted(node)
        if dotted is None or dotted.split(".")[0] in (*self.parameters, *self.assigned):
            return None
        try:
            return self.scope.lookup(dotted)
        except NameError:
            return None

    def name(self, node: ast.AST, name: str) -> Expr:
        if name in self.indices:
            return Index(name)
        if name in self.all_indices:
            self.refuse(node, f"the loop index {name!r} is read outside of its loop")
        if name in self.assigned:
            return Local(name)
        if name in self.parameters:
            if name in self.arrays:
                self.refuse(node, f"the array {name!r} is used without a subscript")
            self.scalars.add(name)
            return Scalar(name)
        return self.constant(node, name)

    def constant(self, node: ast.AST, dotted: str) -> Expr:
        try:
            value = self.scope.lookup(dotted)
        except NameError as error:
            if hasattr(builtins, dotted):
                raise
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
            self.refuse(node, "this attribute is outside what a kernel may contain")
        first = dotted.split(".")[0]
        if first in self.parameters:
            if node.attr == "size" and self.arrays.get(first) == 1:
                return self.extent(node, first, 0)
            self.refuse(
                node,
                f"a kernel knows `{first}.shape[axis]`, no other attribute of an argument",
            )
        return self.constant(node, dotted)

    def subscripted(self, node: ast.Subscript) -> Expr:
        match node.value:
            case ast.Attribute(value=ast.Name(id=array), attr="shape"):
                match node.slice:
                    case ast.Constant(value=int() as axis) if axis >= 0:
                        return self.extent(node, array, axis)
                self.refuse(node, "the axis of a shape is a literal, counted from 0")
        array, subscripts = self.element_of(node)
        return Load(array, subscripts, place_of(node))

    def extent(self, node: ast.AST, array: str, axis: int) -> Extent:
        self.use_array(node, array, None)
        rank = self.arrays[array]
        if rank is not None and axis >= rank:
            self.refuse(node, f"{array} has {rank} subscripts elsewhere, so no axis {axis}")
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
                node, f"{name!r} is {kind}, so it has no elements", "arrays are arguments of a kernel"
            )
        known = self.arrays.get(name)
        if known is not None and rank is not None and known != rank:
            self.refuse(node, f"{name} has {known} subscripts elsewhere, {rank} here")
        self.arrays[name] = known if rank is None else rank


class _KernelParser(_Parser):
    """Adds the top level of a kernel: scalar statements and parallel nests."""

    def routine(self) -> Routine:
        phases: list[Stmt | Nest] = []
        for node in self.source.tree.body:
            if isinstance(node, ast.For) and self.is_parallel(node.iter):
                phases.append(self.nest(node))
            else:
                phases.extend(self.statement(node))
        if not any(isinstance(phase, Nest) for phase in phases):
            self.refuse(
                self.source.tree,
                "a kernel needs a parallel loop",
                "write `for i in parallel(x.shape[0]):` over the elements of the result",
            )
        unused = [p for p in self.parameters if p not in self.arrays and p not in self.scalars]
        return Routine(
            self.source.kernel,
            self.parameters,
            dict(self.arrays),
            tuple(p for p in self.parameters if p in self.scalars or p in unused),
            tuple(sorted(self.globals)),
            tuple(phases),
        )

    def is_parallel(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and self.resolve(node.func) is parallel

    def nest(self, node: ast.For) -> Nest:
        assert isinstance(node.iter, ast.Call)
        extents = node.iter.args
        if any(isinstance(one, ast.Starred) for one in extents) or not extents:
            self.refuse(node.iter, "parallel takes one extent for each index, written out")
        names = [node.target] if len(extents) == 1 else getattr(node.target, "elts", [])
        if len(names) != len(extents):
            self.refuse(node.target, f"{len(extents)} extents need {len(extents)} indices")
        indices = tuple(self.plain_name(one) for one in names)
        axes = tuple(
            Axis(index, self.expression(extent))
            for index, extent in zip(indices, extents, strict=True)
        )
        for inner in ast.walk(node):
            if inner is not node and isinstance(inner, ast.For) and self.is_parallel(inner.iter):
                self.refuse(
                    inner.iter,
                    "a parallel loop inside a parallel loop",
                    "write one: `for i, j in parallel(n, m):`, or make the inner one range()",
                )
        body = self.with_indices(node.target, indices, lambda: self.block(node.body))
        self.refuse_break(node.body)
        return Nest(axes, body, place_of(node.iter))

    def refuse_break(self, nodes: Sequence[ast.stmt]) -> None:
        """Refuse a break that would end the parallel loop itself."""
        for node in nodes:
            if isinstance(node, ast.Break):
                self.refuse(
                    node,
                    "break would end a parallel loop, whose iterations have no order",
                    "use `continue`, or make the loop range()",
                )
            if isinstance(node, ast.If):
                self.refuse_break([*node.body, *node.orelse])

    def loop(self, node: ast.For) -> Loop:
        if self.is_parallel(node.iter):
            self.refuse(
                node.iter,
                "a parallel loop stands at the top level of a kernel",
                "move it out of the block, or make it range()",
            )
        return super().loop(node)


class _ElementParser(_Parser):
    """Adds `return` to the scalar statements; there are no arrays."""

    def body(self) -> ElementBody:
        body = self.block(self.source.tree.body)
        if not always_returns(body):
            self.refuse(
                self.source.tree,
                "an element function returns a number on every path",
                "end it with a return statement",
            )
        return ElementBody(self.parameters, tuple(sorted(self.globals)), body)

    def returned(self, node: ast.stmt, value: ast.expr | None) -> Return:
        if value is None:
            self.refuse(node, "an element function returns a number")
        return Return(self.expression(value), place_of(node))

    def use_array(self, node: ast.AST, name: str, rank: int | None) -> None:
        self.refuse(
            node,
            f"{name!r} is used as an array in an element function, which takes numbers only",
            "pass the element: f(x[i])",
        )


def always_returns(body: tuple[Stmt, ...]) -> bool:
    """Whether every path through a block ends in a return."""
    if not body:
        return False
    match body[-1]:
        case Return():
            return True
        case If(body=then, orelse=orelse):
            return always_returns(then) and always_returns(orelse)
        case _:
            return False


def parse_kernel(source: Source, scope: Scope) -> Routine:
    """Parse a kernel."""
    return _KernelParser(source, scope).routine()


def parse_element(source: Source, scope: Scope) -> ElementBody:
    """Parse an element function."""
    return _ElementParser(source, scope).body()


def _parameters(source: Source) -> tuple[str, ...]:
    arguments = source.tree.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
        raise source.error(
            UnsupportedSyntaxError,
            place_of(source.tree),
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


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _name_of(node: ast.AST) -> str:
    return type(node).__name__


assert set(_BINARY.values()) | set(_COMPARE.values()) | set(_UNARY.values()) <= set(ROWS)
