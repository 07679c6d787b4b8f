"""From Python source to a routine of nests; everything outside the dialect is refused here."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from netts.compiler.element import ElementBody
from netts.compiler.index_space import parallel
from netts.compiler.nest import Axis, If, Loop, Nest, Return, Routine, Stmt
from netts.compiler.scope import Scope
from netts.compiler.source import Source
from netts.compiler.statements import StatementParser


class _KernelParser(StatementParser):
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
        return Routine(
            self.source.kernel,
            self.parameters,
            dict(self.arrays),
            dict(self.axes),
            tuple(p for p in self.parameters if p in self.scalars),
            tuple(sorted(self.globals)),
            tuple(self.functions.items()),
            tuple(phases),
        )

    def is_parallel(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and self.resolve(node.func) is parallel

    def nest(self, node: ast.For) -> Nest:
        assert isinstance(node.iter, ast.Call)
        extents = node.iter.args
        self.refuse_else(node.orelse)
        if node.iter.keywords:
            self.refuse(node.iter, "parallel takes extents, no keywords", "write `parallel(n, m)`")
        if any(isinstance(one, ast.Starred) for one in extents) or not extents:
            self.refuse(
                node.iter,
                "parallel takes one extent for each index, written out",
                "write `parallel(x.shape[0], x.shape[1])`",
            )
        names = [node.target] if len(extents) == 1 else getattr(node.target, "elts", [])
        if len(names) != len(extents):
            self.refuse(
                node.target,
                f"{len(extents)} extent{'s' * (len(extents) > 1)} of parallel, and not as many "
                "indices",
                "write `for i, j in parallel(n, m):`; each index begins at 0, so what begins at 1 "
                "is `for i in parallel(n - 1):` with i + 1 inside",
            )
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
        return Nest(axes, body, self.source.place(node.iter))

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


class _ElementParser(StatementParser):
    """Adds `return` to the scalar statements; there are no arrays."""

    def body(self) -> ElementBody:
        body = self.block(self.source.tree.body)
        if not always_returns(body):
            self.refuse(
                self.source.tree,
                "an element function returns a number on every path",
                "end it with a return statement",
            )
        return ElementBody(
            self.parameters, tuple(sorted(self.globals)), tuple(self.functions.items()), body
        )

    def returned(self, node: ast.stmt, value: ast.expr | None) -> Return:
        if value is None:
            self.refuse(node, "an element function returns a number")
        return Return(self.expression(value), self.source.place(node))

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
