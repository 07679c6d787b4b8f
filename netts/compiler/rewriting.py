"""Statements and expressions with parts of them replaced."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field

from netts.compiler.nest import (
    Apply,
    Call,
    Const,
    Expr,
    Extent,
    Global,
    If,
    Index,
    Load,
    Local,
    Loop,
    Nest,
    Routine,
    Scalar,
    Set,
    Stmt,
    Store,
    While,
    body_of,
    walk_statements,
)


def mapped(expr: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """Return an expression with each part replaced that `change` returns another for."""
    changed = change(expr)
    if changed is not None:
        return changed
    match expr:
        case Load(subscripts=subscripts):
            parts = tuple(mapped(one, change) for one in subscripts)
            return dataclasses.replace(expr, subscripts=parts)
        case Apply(arguments=arguments) | Call(arguments=arguments):
            parts = tuple(mapped(one, change) for one in arguments)
            return dataclasses.replace(expr, arguments=parts)
        case _:
            return expr


@dataclass(frozen=True)
class Renaming:
    """Other names for what a routine reads and writes; what is not named keeps its name.

    Attributes
    ----------
    names
        Of arrays, scalars and locals.
    indices
        Loop indices. One that becomes several stands alone in subscripts only, whose array gets as
        many dimensions there.
    constants
        The numbers that globals become.
    change
        What else is replaced in expressions, before names are.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    indices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constants: Mapping[str, bool | int | float] = field(default_factory=dict)
    change: Callable[[Expr], Expr | None] = lambda expr: None

    def name(self, name: str) -> str:
        """Return the new name for one."""
        return self.names.get(name, name)

    def expression(self, expr: Expr) -> Expr:
        """Return an expression with other names."""
        return mapped(expr, self._changed)

    def subscripts(self, subscripts: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """Return subscripts with other names, more of them where an index becomes several."""
        found: list[Expr] = []
        for one in subscripts:
            if isinstance(one, Index) and one.name in self.indices:
                found += map(Index, self.indices[one.name])
            else:
                found.append(self.expression(one))
        return tuple(found)

    def _changed(self, expr: Expr) -> Expr | None:
        changed = self.change(expr)
        if changed is not None:
            return changed
        match expr:
            case Local(name=name):
                return Local(self.name(name))
            case Scalar(name=name):
                return Scalar(self.name(name))
            case Index(name=name):
                (index,) = self.indices.get(name, (name,))
                return Index(index)
            case Global(name=name):
                return Const(self.constants[name]) if name in self.constants else expr
            case Extent(array=array, axis=axis):
                return Extent(self.name(array), axis)
            case Load(array=array, subscripts=subscripts, place=place):
                return Load(self.name(array), self.subscripts(subscripts), place)
            case _:
                return None

    def block(self, body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        """Return statements with other names."""
        return tuple(self.statement(one) for one in body)

    def statement(self, one: Stmt) -> Stmt:
        """Return a statement with other names."""
        of = self.expression
        match one:
            case Set(name=name, value=value, place=place):
                return Set(self.name(name), of(value), place)
            case Store(array=array, subscripts=subscripts, value=value):
                where = self.subscripts(subscripts)
                return Store(self.name(array), where, of(value), one.accumulates, one.place)
            case If(test=test, body=body, orelse=orelse, place=place):
                return If(of(test), self.block(body), self.block(orelse), place)
            case Loop(index=index, start=start, stop=stop, body=body):
                (new,) = self.indices.get(index, (index,))
                return Loop(new, of(start), of(stop), one.step, self.block(body), one.place)
            case While(test=test, body=body, place=place):
                return While(of(test), self.block(body), place)
            case _:
                return one


def names_of(routine: Routine) -> tuple[str, ...]:
    """Return every name of a routine's own: parameters, locals, loop indices."""
    names = list(routine.parameters)
    for phase in routine.phases:
        if isinstance(phase, Nest):
            names += phase.indices
        for one in walk_statements(body_of(phase)):
            match one:
                case Set(name=name) | Loop(index=name):
                    names.append(name)
    return tuple(dict.fromkeys(names))


def fresh(name: str, used: Container[str]) -> str:
    """Return a name like another that is not used."""
    return next(
        one
        for one in itertools.chain((name,), (f"{name}_{n}" for n in itertools.count(2)))
        if one not in used
    )
