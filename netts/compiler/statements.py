"""Scalar statements: what nests and element functions are made of."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from netts.compiler.expressions import ExpressionParser
from netts.compiler.nest import (
    Apply,
    Const,
    Expr,
    Extent,
    If,
    Jump,
    Load,
    Local,
    Loop,
    Place,
    Return,
    Set,
    Stmt,
    Store,
    While,
)

_KEYWORDS: dict[type[ast.AST], str] = {
    ast.AnnAssign: "name: type",
    ast.AsyncFor: "async", ast.AsyncFunctionDef: "async", ast.AsyncWith: "async",
    ast.ClassDef: "class", ast.Delete: "del", ast.FunctionDef: "def", ast.ImportFrom: "import",
    ast.TryStar: "try",
}  # fmt: skip
"""How statements outside the dialect begin, where that is not the name of their class."""


class StatementParser(ExpressionParser):
    """Parses blocks of scalar statements."""

    def block(self, nodes: Sequence[ast.stmt]) -> tuple[Stmt, ...]:
        return tuple(one for node in nodes for one in self.statement(node))

    def statement(self, node: ast.stmt) -> tuple[Stmt, ...]:
        match node:
            case ast.Assign(targets=targets, value=value):
                self.refuse_several(node, targets)
                return self.assignment(targets[0], value, self.source.place(node))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                return self.assignment(target, value, self.source.place(node))
            case ast.AugAssign():
                return (self.augmented(node),)
            case ast.If(test=test, body=body, orelse=orelse):
                return (
                    If(
                        self.test(test),
                        self.block(body),
                        self.block(orelse),
                        self.source.place(test),
                    ),
                )
            case ast.For():
                return (self.loop(node),)
            case ast.While(test=test, body=body, orelse=orelse):
                self.refuse_else(orelse)
                return (While(self.test(test), self.block(body), self.source.place(test)),)
            case ast.Break():
                return (Jump("break", self.source.place(node)),)
            case ast.Continue():
                return (Jump("continue", self.source.place(node)),)
            case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
                return ()
            case ast.Return(value=value):
                return (self.returned(node, value),)
            case ast.Expr(value=value):
                self.expression(value)
                self.refuse(
                    node, f"nothing is done with the value of {ast.unparse(value)}", "assign it"
                )
            case _:
                keyword = _KEYWORDS.get(type(node), type(node).__name__.lower())
                self.refuse(
                    node,
                    f"`{keyword}` is outside what a kernel may contain",
                    "kernels take assignments, if, for ... in range(...), while, break, continue",
                )

    def refuse_several(self, node: ast.Assign, targets: Sequence[ast.expr]) -> None:
        if len(targets) > 1:
            self.refuse(node, "one assignment sets one name", "write one assignment for each")

    def refuse_else(self, orelse: Sequence[ast.stmt]) -> None:
        if orelse:
            self.refuse(
                orelse[0],
                "a loop has no else branch in a kernel",
                "set a local in the loop and test it behind",
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
                return (
                    Store(
                        array, subscripts, self.expression(value), False, self.source.place(target)
                    ),
                )
            case ast.Tuple(elts=targets):
                values = self.unpacked(value, len(targets))
                for one in targets:
                    self.assignable(one, self.plain_name(one))
                return tuple(
                    Set(self.plain_name(one), expr, place)
                    for one, expr in zip(targets, values, strict=True)
                )
            case _:
                self.refuse(
                    target,
                    "a kernel assigns scalars and elements of arrays only",
                    "write `name = ...` or `x[i] = ...`",
                )

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
        operator = self.row_of(node, node.op)
        value, place = self.expression(node.value), self.source.place(node)
        match node.target:
            case ast.Name(id=name):
                self.assignable(node.target, name)
                return Set(name, self.apply(node, operator, (Local(name), value)), place)
            case ast.Subscript():
                array, subscripts = self.element_of(node.target)
                target = self.source.place(node.target)
                if operator in ("add", "sub"):
                    signed = value if operator == "add" else Apply("neg", (value,), place)
                    return Store(array, subscripts, signed, True, target)
                old = Load(array, subscripts, target)
                changed = self.apply(node, operator, (old, value))
                return Store(array, subscripts, changed, False, target)
            case _:
                self.refuse(
                    node,
                    "a kernel changes scalars and elements of arrays only",
                    "write `name += ...` or `x[i] += ...`",
                )

    def loop(self, node: ast.For) -> Loop:
        self.refuse_else(node.orelse)
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
            self.refuse(
                node.iter,
                f"range takes 1 to 3 arguments, not {len(args)}",
                "write range(stop), range(start, stop) or range(start, stop, step)",
            )
        bounds = [self.expression(arg) for arg in args]
        start: Expr = Const(0) if len(bounds) == 1 else bounds[0]
        stop = bounds[0] if len(bounds) == 1 else bounds[1]
        step = self.step(args[2], bounds[2]) if len(bounds) == 3 else 1
        index = self.plain_name(node.target)
        with_index = self.with_indices(node.target, (index,), lambda: self.block(node.body))
        return Loop(index, start, stop, step, with_index, self.source.place(node.iter))

    def step(self, node: ast.expr, step: Expr) -> int:
        if isinstance(step, Apply) and step.function == "neg":
            inner = step.arguments[0]
            step = Const(-inner.value) if isinstance(inner, Const) else step
        if not (isinstance(step, Const) and isinstance(step.value, int) and step.value):
            self.refuse(
                node,
                "the step of a range is a literal other than 0",
                "write `range(n)` and multiply the index by the step",
            )
        return step.value

    def with_indices(
        self, node: ast.AST, names: tuple[str, ...], parse: Callable[[], tuple[Stmt, ...]]
    ) -> tuple[Stmt, ...]:
        """Parse a loop's body with its indices in scope."""
        for name in names:
            if name in self.indices or names.count(name) > 1:
                self.refuse(
                    node,
                    f"the index {name!r} is in use by a loop around this one",
                    "rename one of them",
                )
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
            self.refuse(
                node,
                f"{ast.unparse(node)} stands where a name is expected",
                "write the name of a local",
            )
        return node.id

    def assignable(self, node: ast.AST, name: str) -> None:
        if name in self.parameters:
            self.refuse(node, f"the parameter {name!r} is assigned", "use a local of another name")
