"""Which elements a routine touches, where, and under which conditions.

One walk over the statements keeps what is known of integer locals as polynomials of loop indices,
and yields every element access with the loops and guards around it. Ownership (`races`) and range
checks (`bounds`) read that list; the task graph reads `reads` and `writes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netts.compiler.affine import Polynomial, polynomial_of
from netts.compiler.nest import (
    Apply,
    Const,
    Expr,
    If,
    Jump,
    Load,
    Local,
    Loop,
    Nest,
    Place,
    Routine,
    Set,
    Stmt,
    Store,
    While,
    assigned,
    body_of,
    expressions,
    loads,
    stores,
    walk_expression,
    walk_statements,
)


@dataclass(frozen=True, slots=True)
class Clamp:
    """A `max` or `min` of two in a loop's bounds; None for an argument that depends on data."""

    node: Apply
    arguments: tuple[Polynomial | None, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A loop around an access: the index lies between every `lower` and every `upper`.

    None stands for a bound that depends on data: it holds too, so the range may be shorter than
    the others say. The index goes from the lower bound up in steps, or from the upper bound down
    where `step` is negative.
    """

    index: str
    lowers: tuple[Polynomial | None, ...]
    uppers: tuple[Polynomial | None, ...]
    step: int
    clamps: tuple[Clamp, ...] = ()


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition around an access that says `polynomial >= 0`; None where it says nothing."""

    polynomial: Polynomial | None


Scope = tuple[Range | Guard, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """One element read or written.

    Attributes
    ----------
    node
        The `Load` or `Store`.
    subscripts
        Each subscript as a polynomial; None where it depends on data.
    kind
        "load", "store", or "add" for `+=`.
    scope
        The loops and guards around it, outermost first.
    """

    node: Load | Store
    subscripts: tuple[Polynomial | None, ...]
    kind: str
    scope: Scope

    @property
    def array(self) -> str:
        """The name of the array."""
        return self.node.array

    @property
    def place(self) -> Place:
        """Where it stands in the source."""
        return self.node.place


def reads(routine: Routine) -> frozenset[str]:
    """Return the arrays of which a routine reads elements; `+=` reads too."""
    every = [body_of(phase) for phase in routine.phases]
    plain = {load.array for body in every for load in loads(body)}
    axes = [axis for phase in routine.phases if isinstance(phase, Nest) for axis in phase.axes]
    extents = [one for axis in axes for one in walk_expression(axis.extent)]
    plain |= {one.array for one in extents if isinstance(one, Load)}
    return frozenset(plain | {s.array for body in every for s in stores(body) if s.accumulates})


def writes(routine: Routine) -> frozenset[str]:
    """Return the arrays that a routine writes."""
    return frozenset(s.array for phase in routine.phases for s in stores(body_of(phase)))


def accesses(routine: Routine) -> tuple[tuple[Access, ...], ...]:
    """Return the element accesses of each phase of a routine, in order of evaluation."""
    walker = _Walker(routine)
    return tuple(tuple(walker.phase(phase)) for phase in routine.phases)


class _Walker:
    """Walks a routine in order, knowing the polynomial of each integer local in scope."""

    def __init__(self, routine: Routine) -> None:
        every = [one for phase in routine.phases for one in walk_statements(body_of(phase))]
        self._assignments = Counter(one.name for one in every if isinstance(one, Set))
        self._known: dict[str, Polynomial] = {}

    def phase(self, phase: Stmt | Nest) -> Iterator[Access]:
        if isinstance(phase, Nest):
            scope: Scope = ()
            for axis in phase.axes:
                yield from self._expression(axis.extent, ())  # extents are read before any loop
                scope += (_range_of(axis.index, Const(0), axis.extent, 1, self._known),)
            self._forget(assigned(phase.body))
            yield from self._block(phase.body, scope)
        else:
            yield from self._statement(phase, ())
        # A top-level scalar does not vary over a nest, whatever its value will be.
        for name in assigned(body_of(phase)) - self._known.keys():
            self._known[name] = Polynomial.atom(Local(name))

    def _forget(self, names: frozenset[str]) -> None:
        """Drop what is known of scalars that change, and of those computed from them."""
        changed = {Local(name) for name in names}
        self._known = {
            name: polynomial
            for name, polynomial in self._known.items()
            if name not in names and not changed & set(polynomial.atoms)
        }

    def _block(self, body: tuple[Stmt, ...], scope: Scope) -> Iterator[Access]:
        before = dict(self._known)
        for statement in body:
            yield from self._statement(statement, scope)
            scope += _guards_after(statement, self._known)
        self._known = before
        self._forget(assigned(body))

    def _statement(self, statement: Stmt, scope: Scope) -> Iterator[Access]:
        if isinstance(statement, Store):
            yield from self._expression(statement.value, scope)
            for subscript in statement.subscripts:
                yield from self._expression(subscript, scope)
            yield self._access(statement, "add" if statement.accumulates else "store", scope)
            return
        if isinstance(statement, While):  # its test is read in every iteration
            self._forget(assigned(statement.body))
        for expr in expressions(statement):
            yield from self._expression(expr, scope)
        match statement:
            case Set(name=name, value=value):
                polynomial = polynomial_of(value, self._known)
                self._forget(frozenset((name,)))
                if polynomial is not None and self._assignments[name] == 1:
                    self._known[name] = polynomial
            case If(test=test, body=body, orelse=orelse):
                yield from self._block(body, scope + guards_of(test, True, self._known))
                yield from self._block(orelse, scope + guards_of(test, False, self._known))
            case Loop(index=index, start=start, stop=stop, step=step, body=body):
                self._forget(assigned(body))
                inner: Scope = (_range_of(index, start, stop, step, self._known),)
                if any(
                    isinstance(one, Jump) and one.kind == "break" for one in walk_statements(body)
                ):
                    inner += (Guard(None),)
                yield from self._block(body, scope + inner)
            case While(body=body):
                yield from self._block(body, (*scope, Guard(None)))

    def _expression(self, expr: Expr, scope: Scope) -> Iterator[Access]:
        match expr:
            case Load():
                for subscript in expr.subscripts:
                    yield from self._expression(subscript, scope)
                yield self._access(expr, "load", scope)
            case Apply(function="select", arguments=(test, then, orelse)):
                yield from self._expression(test, scope)
                yield from self._expression(then, scope + guards_of(test, True, self._known))
                yield from self._expression(orelse, scope + guards_of(test, False, self._known))
            case Apply(function=("and" | "or") as function, arguments=(left, right)):
                yield from self._expression(left, scope)
                guards = guards_of(left, function == "and", self._known)
                yield from self._expression(right, scope + guards)
            case _:
                for child in getattr(expr, "arguments", ()):
                    yield from self._expression(child, scope)

    def _access(self, node: Load | Store, kind: str, scope: Scope) -> Access:
        subscripts = []
        for subscript in node.subscripts:
            polynomial = polynomial_of(subscript, self._known)
            affine = polynomial is not None and polynomial.is_affine
            subscripts.append(polynomial if affine else None)
        return Access(node, tuple(subscripts), kind, scope)


def _range_of(
    index: str, start: Expr, stop: Expr, step: int, known: Mapping[str, Polynomial]
) -> Range:
    """Return what a loop says of its index."""
    one = Polynomial.constant(1)
    clamps = (*_clamps(start, known), *_clamps(stop, known))
    if step < 0:
        lowers = tuple(p and p + one for p in _alternatives(stop, "max", known))
        return Range(index, lowers, _alternatives(start, "min", known), step, clamps)
    uppers = tuple(p and p - one for p in _alternatives(stop, "min", known))
    return Range(index, _alternatives(start, "max", known), uppers, step, clamps)


def _alternatives(
    bound: Expr, function: str, known: Mapping[str, Polynomial]
) -> tuple[Polynomial | None, ...]:
    """Return the polynomials that all bound an index: both arguments of a max from below."""
    if isinstance(bound, Apply) and bound.function == function:
        return tuple(p for one in bound.arguments for p in _alternatives(one, function, known))
    return (polynomial_of(bound, known),)


def _clamps(bound: Expr, known: Mapping[str, Polynomial]) -> Iterator[Clamp]:
    """Yield each `max` and `min` of two that a loop's bound consists of."""
    if isinstance(bound, Apply) and bound.function in ("max", "min"):
        if len(bound.arguments) == 2:
            yield Clamp(bound, tuple(polynomial_of(one, known) for one in bound.arguments))
        for one in bound.arguments:
            yield from _clamps(one, known)


def _guards_after(statement: Stmt, known: Mapping[str, Polynomial]) -> tuple[Guard, ...]:
    """Return what holds behind a statement that may jump: behind `if c: continue`, not c."""
    if not isinstance(statement, If):
        return ()
    if statement.body and isinstance(statement.body[-1], Jump) and not statement.orelse:
        return guards_of(statement.test, False, known)
    if any(isinstance(one, Jump) for one in walk_statements((statement,))):
        return (Guard(None),)
    return ()


_NEGATED = {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "eq": "ne", "ne": "eq"}


def guards_of(test: Expr, holds: bool, known: Mapping[str, Polynomial]) -> tuple[Guard, ...]:
    """Return what a condition says where it holds, or where it does not."""
    if not isinstance(test, Apply):
        return (Guard(None),)
    if test.function == "not":
        return guards_of(test.arguments[0], not holds, known)
    if test.function == ("and" if holds else "or"):
        return tuple(g for one in test.arguments for g in guards_of(one, holds, known))
    if test.function not in _NEGATED:
        return (Guard(None),)
    function = test.function if holds else _NEGATED[test.function]
    left, right = (polynomial_of(one, known) for one in test.arguments)
    if left is None or right is None:
        return (Guard(None),)
    one = Polynomial.constant(1)
    match function:
        case "lt":
            return (Guard(right - left - one),)
        case "le":
            return (Guard(right - left),)
        case "gt":
            return (Guard(left - right - one),)
        case "ge":
            return (Guard(left - right),)
        case "eq":
            return (Guard(right - left), Guard(left - right))
        case _:
            return (Guard(None),)
