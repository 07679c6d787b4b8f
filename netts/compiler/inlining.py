"""Expressions with the locals of a nest replaced by what they stand for, and what they say."""

from __future__ import annotations

from collections.abc import Mapping

from netts.compiler.affine import Polynomial, polynomial_of
from netts.compiler.contraction import TOP_LEVEL
from netts.compiler.nest import Apply, Call, Expr, Index, Load, Local, Loop, walk_expression
from netts.compiler.terms import NotASumError

Known = Mapping[str, Expr]
"""What locals stand for, in loop indices, arrays and scalars from outside of the nest."""


def inlined(expr: Expr, known: Known) -> Expr:
    """Return an expression with the locals replaced by what they stand for."""
    match expr:
        case Local(name=name):
            return known.get(name, expr)
        case Load(array=array, subscripts=subscripts, place=place):
            return Load(array, tuple(inlined(one, known) for one in subscripts), place)
        case Apply(function=function, arguments=arguments, place=place):
            return Apply(function, tuple(inlined(one, known) for one in arguments), place)
        case Call(function=callee, arguments=arguments, place=place):
            return Call(callee, tuple(inlined(one, known) for one in arguments), place)
        case _:
            return expr


def conjuncts(test: Expr, holds: bool) -> list[Expr]:
    """Return tests that must all hold for `test` to be `holds`."""
    match test:
        case Apply(function="not", arguments=(inner,)):
            return conjuncts(inner, not holds)
        case Apply(function=("and" | "or") as function, arguments=arguments) if (
            function == "and"
        ) == holds:
            return [part for one in arguments for part in conjuncts(one, holds)]
        case _:
            return [test if holds else Apply("not", (test,))]


def alternatives(loop: Loop, bound: Expr, function: str) -> tuple[Polynomial, ...]:
    """Return the polynomials that together bound an index."""
    if isinstance(bound, Apply) and bound.function == function:
        return tuple(p for one in bound.arguments for p in alternatives(loop, one, function))
    polynomial = polynomial_of(bound, TOP_LEVEL)
    if polynomial is None and not any(
        isinstance(one, Index | Load) for one in walk_expression(bound)
    ):
        polynomial = Polynomial.atom(bound)
    if polynomial is None or not polynomial.is_affine:
        raise NotASumError(f"the loop over {loop.index} has bounds that depend on data")
    return (polynomial,)


def locals_of(polynomial: Polynomial) -> list[str]:
    """Return the names of the locals in a polynomial."""
    return [one.name for one in polynomial.atoms if isinstance(one, Local)]
