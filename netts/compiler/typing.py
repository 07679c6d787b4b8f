"""The type of every scalar of a routine, for given argument types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netts.compiler.element import ElementFunction
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
    Loop,
    Nest,
    Place,
    Return,
    Routine,
    Scalar,
    Set,
    Stmt,
    Store,
    body_of,
    children,
    expressions,
    walk_statements,
)
from netts.compiler.scalars import ROWS, Type, TypeRuleError, join
from netts.compiler.scope import Scope
from netts.compiler.source import Source
from netts.errors import KernelTypeError


@dataclass(frozen=True)
class Types:
    """The types of the names of a routine or element function.

    Attributes
    ----------
    weak
        The type in which weak floating numbers are computed: the floating dtype of the arrays.
    """

    source: Source
    scope: Scope
    elements: Mapping[str, Type]
    scalars: Mapping[str, Type]
    locals: Mapping[str, Type]
    weak: Type

    def concrete(self, type_: Type) -> Type:
        """Return the type in which values of `type_` are computed."""
        return self.weak if type_ is Type.WEAK else type_

    def of(self, expr: Expr) -> Type:
        """Return the type of an expression.

        Raises
        ------
        KernelTypeError
            Where an operator refuses its operands.
        """
        match expr:
            case Const(value=value):
                return type_of_number(value)
            case Local(name=name):
                return self.locals[name]
            case Index() | Extent():
                return Type.INT
            case Scalar(name=name):
                return self.scalars[name]
            case Global(name=name):
                return type_of_number(self.scope.number(name))
            case Load(array=array):
                return self.elements[array]
            case Call(function=function, arguments=arguments):
                return return_type(function, [self.of(one) for one in arguments], self.weak)
            case Apply(function=function, arguments=arguments, place=place):
                try:
                    return ROWS[function].rule([self.of(one) for one in arguments])[1]
                except TypeRuleError as error:
                    raise self.error(place, str(error)) from None

    def error(self, place: Place, rule: str, way_out: str = "") -> Exception:
        """Return a type error at a place of the source."""
        return self.source.error(KernelTypeError, place, rule, way_out)


def type_of_number(value: object) -> Type:
    """Return the type of a Python number."""
    if isinstance(value, bool):
        return Type.BOOL
    return Type.INT if isinstance(value, int) else Type.WEAK


def infer(
    routine: Routine,
    source: Source,
    scope: Scope,
    elements: Mapping[str, Type],
    scalars: Mapping[str, Type],
) -> Types:
    """Infer the types of a routine's locals and check every statement.

    Raises
    ------
    KernelTypeError
        Where types do not fit: float32 meets float64, a float stored into integers, a subscript
        that is no integer.
    """
    floating = {one for one in elements.values() if one.is_floating}
    weak = floating.pop() if len(floating) == 1 else Type.FLOAT64
    statements = [one for phase in routine.phases for one in walk_statements(body_of(phase))]
    types = Types(source, scope, elements, scalars, {}, weak)
    types = _with_locals(types, statements)
    for statement in statements:
        _check(statement, types)
    for phase in routine.phases:
        for axis in phase.axes if isinstance(phase, Nest) else ():
            _check_subscripts(axis.extent, types)
            _check_extent(axis.extent, phase.place, types)
    return types


def _with_locals(types: Types, statements: Sequence[Stmt]) -> Types:
    """Return the least types of the locals that all assignments agree with."""
    known: dict[str, Type] = {}
    types = Types(types.source, types.scope, types.elements, types.scalars, known, types.weak)
    sets = [one for one in statements if isinstance(one, Set)]
    changed = True
    while changed:
        changed = False
        for one in sets:
            try:
                new = types.of(one.value)
                new = join(new, known[one.name]) if one.name in known else new
            except KeyError:
                continue  # reads a local whose assignment comes later in the list
            except TypeRuleError as error:
                raise types.error(one.place, str(error)) from None
            if known.get(one.name) is not new:
                known[one.name] = new
                changed = True
    return types


def _check(statement: Stmt, types: Types) -> None:
    for expr in expressions(statement):
        types.of(expr)
        _check_subscripts(expr, types)
        if isinstance(statement, Loop):
            _check_extent(expr, statement.place, types)
    if isinstance(statement, Store):
        target, value = types.elements[statement.array], types.of(statement.value)
        if value.is_floating and not target.is_floating:
            raise types.error(
                statement.place,
                f"a floating value is stored into {statement.array}, an array of integers",
                "write int(...) to truncate, or pass a floating array",
            )
        for subscript in statement.subscripts:
            _check_subscript(subscript, statement.place, types)


def _check_extent(extent: Expr, place: Place, types: Types) -> None:
    if types.of(extent) is not Type.INT:
        raise types.error(
            place,
            f"a loop runs to {extent}, which is {_named(types.of(extent))}, not an integer",
            "write int(...), or pass an integer",
        )


def _named(type_: Type) -> str:
    return {Type.BOOL: "a condition", Type.WEAK: "a floating number"}.get(type_, type_.value)


def _check_subscripts(expr: Expr, types: Types) -> None:
    if isinstance(expr, Load):
        for subscript in expr.subscripts:
            _check_subscript(subscript, expr.place, types)
    for child in children(expr):
        _check_subscripts(child, types)


def _check_subscript(subscript: Expr, place: Place, types: Types) -> None:
    if types.of(subscript) is not Type.INT:
        raise types.error(
            place,
            f"the subscript {subscript} is {_named(types.of(subscript))}, not an integer",
            "write int(...), or pass an integer",
        )


# ---------------------------------------------------------------- element functions


def element_types(function: ElementFunction, arguments: Sequence[Type], weak: Type) -> Types:
    """Return the types inside an element function called with arguments of these types."""
    scalars = dict(zip(function.body.parameters, arguments, strict=True))
    types = Types(function.source, function.scope, {}, scalars, {}, weak)
    return _with_locals(types, list(walk_statements(function.body.body)))


def return_type(function: ElementFunction, arguments: Sequence[Type], weak: Type) -> Type:
    """Return the type that an element function returns for arguments of these types."""
    types = element_types(function, arguments, weak)
    returns = [one for one in walk_statements(function.body.body) if isinstance(one, Return)]
    try:
        return join(*(types.of(one.value) for one in returns))
    except TypeRuleError as error:
        raise types.error(returns[0].place, str(error)) from None
