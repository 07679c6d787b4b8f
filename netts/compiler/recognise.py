"""Recognition of sums of products: what a matrix multiplication can do of a nest.

A sum is a perfect chain of serial loops, with conditions and scalars for subscripts between them,
around `total += product` or `out[...] += product`. Everything else in the nest stays as it is
written: the chain alone is replaced by a read of the product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from netts.compiler.access import guards_of
from netts.compiler.affine import Polynomial, polynomial_of
from netts.compiler.contraction import (
    TOP_LEVEL,
    Condition,
    Contraction,
    Span,
    indices_of,
    subscripts_of,
)
from netts.compiler.inlining import Known, alternatives, conjuncts, inlined, locals_of
from netts.compiler.nest import (
    Apply,
    Expr,
    If,
    Jump,
    Load,
    Local,
    Loop,
    Nest,
    Set,
    Stmt,
    Store,
    assigned,
    expressions,
    stores,
    walk_expression,
    walk_statements,
)
from netts.compiler.placement import result_of
from netts.compiler.terms import NotASumError, Term, flattened


def find_contraction(nest: Nest) -> Contraction | str:
    """Return the largest sum of products in a nest, or the first reason why there is none."""
    finder = _Finder(nest)
    finder.block(nest.body, {}, tuple(_axis(one.index, one.extent) for one in nest.axes))
    if finder.found:
        return max(finder.found, key=lambda one: len(one.outer) + len(one.inner))
    deepest = max(finder.reasons, key=lambda one: one[0], default=(0, "no serial loop in the nest"))
    return deepest[1]


def _axis(index: str, extent: Expr) -> Span:
    end = polynomial_of(extent, TOP_LEVEL)
    end = Polynomial.atom(extent) if end is None else end
    return Span(index, (Polynomial.constant(0),), (end - Polynomial.constant(1),), 1, True)


@dataclass
class _Chain:
    """A perfect chain of loops, read from the outside in."""

    known: dict[str, Expr]
    loops: list[Loop] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    tests: list[tuple[Expr, bool]] = field(default_factory=list)
    update: Set | Store | None = None


class _Finder:
    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.found: list[Contraction] = []
        self.reasons: list[tuple[int, str]] = []
        every = list(walk_statements(nest.body))
        self._counts = Counter(one.name for one in every if isinstance(one, Set))
        self._written = {one.array for one in stores(nest.body)}

    def block(self, body: Sequence[Stmt], known: Known, spans: tuple[Span, ...]) -> None:
        """Look for sums in a block and below."""
        known = dict(known)
        for statement in body:
            match statement:
                case Set(name=name, value=value):
                    self._learn(known, name, value)
                case If(body=then, orelse=orelse):
                    self.block(then, known, spans)
                    self.block(orelse, known, spans)
                case Loop(body=inner):
                    try:
                        self.found.append(self._sum(statement, known, spans, body))
                    except NotASumError as reason:
                        self.reasons.append((len(spans), str(reason)))
                        try:
                            span = self._span(statement, known)
                        except NotASumError:
                            continue
                        self.block(inner, known, (*spans, span))

    def _learn(self, known: dict[str, Expr], name: str, value: Expr) -> None:
        """Keep what a local stands for, if it is assigned once and computed from what is known."""
        resolved = inlined(value, known)
        if self._counts[name] == 1 and not self._unknown(resolved):
            known[name] = resolved

    def _unknown(self, expr: Expr) -> str | None:
        """Return what an expression reads that changes in the nest, None if there is nothing."""
        for one in walk_expression(expr):
            if isinstance(one, Local) and self._counts[one.name]:
                return f"the local {one.name}"
            if isinstance(one, Load) and one.array in self._written:
                return f"{one}, and the nest writes {one.array}"
        return None

    def _span(self, loop: Loop, known: Known) -> Span:
        start, stop = inlined(loop.start, known), inlined(loop.stop, known)
        one = Polynomial.constant(1)
        if loop.step < 0:
            lowers = tuple(p + one for p in alternatives(loop, stop, "max"))
            uppers = alternatives(loop, start, "min")
        else:
            lowers = alternatives(loop, start, "max")
            uppers = tuple(p - one for p in alternatives(loop, stop, "min"))
        if any(self._counts[name] for p in (*lowers, *uppers) for name in locals_of(p)):
            raise NotASumError(f"the loop over {loop.index} has bounds that depend on data")
        return Span(loop.index, lowers, uppers, loop.step, False)

    # ------------------------------------------------------------ the chain

    def _sum(
        self, root: Loop, known: Known, outer: tuple[Span, ...], block: Sequence[Stmt]
    ) -> Contraction:
        chain = _Chain(dict(known))
        self._read(chain, root)
        update = chain.update
        assert update is not None
        term = _term(update, chain.known)
        summed = self._summed(chain, update)
        self._check_alone(root, update)
        tests = [
            part
            for test, holds in (*chain.tests, *((one, True) for one in term.tests))
            for part in conjuncts(test, holds)
        ]
        conditions = self._conditions(tests, summed)
        factors = [one for one in term.factors if indices_of(one) & summed]
        scale = [one for one in term.factors if not indices_of(one) & summed]
        for one in factors:
            self._check_factor(one)
        for divisor in term.divisors:
            if indices_of(divisor) & summed:
                raise NotASumError(f"the terms are divided by {divisor}, which varies in the sum")
        if len(factors) < 2:
            raise NotASumError("the terms are no product of two factors that vary in the sum")
        kept = [one for one in tests if not indices_of(one) & summed]
        rebuilt, update = _rebuilt(chain, update, summed, kept)
        is_bare = not (kept or scale or term.divisors or term.is_negative)
        result, is_plain = result_of(self.nest, root, update, block, outer, is_bare)
        return Contraction(
            root,
            (*outer, *(one for one in chain.spans if one.index not in summed)),
            tuple(one for one in chain.spans if one.index in summed),
            tuple(factors),
            conditions,
            tuple(scale),
            tuple(term.divisors),
            term.is_negative,
            rebuilt,
            update,
            result,
            is_plain,
        )

    def _read(self, chain: _Chain, loop: Loop) -> None:
        """Read a loop of the chain and what is in it."""
        chain.loops.append(loop)
        chain.spans.append(self._span(loop, chain.known))
        self._read_block(chain, loop.body)

    def _read_block(self, chain: _Chain, body: tuple[Stmt, ...]) -> None:
        *before, last = body or (Jump("continue"),)
        for statement in before:
            match statement:
                case Set(name=name, value=value):
                    self._learn(chain.known, name, value)
                    if name not in chain.known:
                        raise NotASumError(f"the loop computes {name} beside the sum")
                case If(test=test, body=(Jump(kind="continue"),), orelse=()):
                    chain.tests.append((inlined(test, chain.known), False))
                case _:
                    raise NotASumError("the loop does more than to add up one product")
        match last:
            case Loop():
                self._read(chain, last)
            case If(test=test, body=inner, orelse=()):
                chain.tests.append((inlined(test, chain.known), True))
                self._read_block(chain, inner)
            case Set() | Store():
                chain.update = last
            case _:
                raise NotASumError("the loop does not add one product of two elements to a scalar")

    def _summed(self, chain: _Chain, update: Set | Store) -> frozenset[str]:
        """Return the indices that the sum is over: all of the chain that the result has not."""
        every = frozenset(one.index for one in chain.loops)
        if isinstance(update, Set):
            return every
        resolved = Load(update.array, tuple(inlined(s, chain.known) for s in update.subscripts))
        if subscripts_of(resolved) is None or any(map(self._unknown, resolved.subscripts)):
            raise NotASumError(f"the subscripts of {update} depend on data")
        summed = every - indices_of(resolved)
        if not summed:
            raise NotASumError(f"no loop sums into one {update}")
        return summed

    def _check_alone(self, root: Loop, update: Set | Store) -> None:
        """Refuse a chain whose scalars are read behind it."""
        names = assigned((root,)) - ({update.name} if isinstance(update, Set) else set())
        inside = Counter(_reads((root,)))
        outside = Counter(_reads(self.nest.body)) - inside
        for name in sorted(names & outside.keys()):
            raise NotASumError(f"{name} is set beside the sum and read behind it")

    def _check_factor(self, factor: Expr) -> None:
        reason = self._unknown(factor)
        if reason:
            raise NotASumError(f"the product reads {reason}")
        for one in walk_expression(factor):
            if isinstance(one, Load) and subscripts_of(one) is None:
                raise NotASumError(f"the subscripts of {one} depend on data")

    def _conditions(self, tests: Sequence[Expr], summed: frozenset[str]) -> tuple[Condition, ...]:
        found: list[Condition] = []
        for test in tests:
            is_kept = not indices_of(test) & summed
            reason = self._unknown(test)
            if reason and is_kept:
                continue
            if reason:
                raise NotASumError(f"a condition of the sum reads {reason}")
            for one in walk_expression(test):
                if isinstance(one, Load) and subscripts_of(one) is None:
                    raise NotASumError(f"the subscripts of {one} depend on data")
            guards = guards_of(test, True, TOP_LEVEL)
            if all(one.polynomial is not None and one.polynomial.is_affine for one in guards):
                found += [Condition(one.polynomial, test, is_kept) for one in guards]
            else:
                found.append(Condition(None, test, is_kept))
        return tuple(found)


def _reads(body: tuple[Stmt, ...]) -> list[str]:
    return [
        one.name
        for statement in walk_statements(body)
        for expr in expressions(statement)
        for one in walk_expression(expr)
        if isinstance(one, Local)
    ]


def _term(update: Set | Store, known: Known) -> Term:
    """Return what an update adds to its own old value."""
    value = update.value
    if isinstance(update, Store) and update.accumulates:
        return flattened(inlined(value, known))
    old: Expr = Local(update.name) if isinstance(update, Set) else Load(
        update.array, update.subscripts
    )  # fmt: skip
    match value:
        case Apply(function="add", arguments=(left, right)) if old in (left, right):
            added = right if left == old else left
            negative = False
        case Apply(function="sub", arguments=(left, added)) if left == old:
            negative = True
        case _:
            raise NotASumError("the loop does not add one product of two elements to a scalar")
    term = flattened(inlined(added, known))
    if any(old in walk_expression(one) for one in (*term.factors, *term.tests, *term.divisors)):
        raise NotASumError(f"what is added depends on {old} itself")
    return term.negated() if negative else term


def _rebuilt(
    chain: _Chain, update: Set | Store, summed: frozenset[str], kept: Sequence[Expr]
) -> tuple[tuple[Stmt, ...], Set | Store]:
    """Return the chain without the loops and conditions of the sum, and the update in it."""
    if isinstance(update, Store):
        subscripts = tuple(inlined(one, chain.known) for one in update.subscripts)
        update = Store(update.array, subscripts, update.value, True, update.place)
    body: tuple[Stmt, ...] = (update,)
    for test in reversed(kept):
        body = (If(test, body, ()),)
    for loop in reversed(chain.loops):
        if loop.index in summed:
            continue
        start, stop = inlined(loop.start, chain.known), inlined(loop.stop, chain.known)
        if (indices_of(start) | indices_of(stop)) & summed:
            raise NotASumError(f"the loop over {loop.index} depends on one that is summed")
        body = (Loop(loop.index, start, stop, loop.step, body, loop.place),)
    return body, update
