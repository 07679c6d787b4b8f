"""What a sum adds in each step: factors, divisors, a sign, and the conditions for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netts.compiler.nest import Apply, Const, Expr


class NotASumError(Exception):
    """Why a loop is no sum of products; never leaves the compiler."""


@dataclass(frozen=True, slots=True)
class Term:
    """`+- product of factors / product of divisors`, zero unless all tests hold."""

    factors: tuple[Expr, ...]
    divisors: tuple[Expr, ...] = ()
    tests: tuple[Expr, ...] = ()
    is_negative: bool = False

    def negated(self) -> Term:
        """Return the term with the other sign."""
        return replace(self, is_negative=not self.is_negative)

    def times(self, other: Term) -> Term:
        """Return the product of two terms."""
        return Term(
            self.factors + other.factors,
            self.divisors + other.divisors,
            self.tests + other.tests,
            self.is_negative != other.is_negative,
        )


def flattened(expr: Expr) -> Term:
    """Return an expression as a product."""
    match expr:
        case Apply(function="mul", arguments=(left, right)):
            return flattened(left).times(flattened(right))
        case Apply(function="neg", arguments=(operand,)):
            return flattened(operand).negated()
        case Apply(function="truediv", arguments=(left, right)):
            return flattened(left).times(Term((), (right,)))
        case Apply(function="select", arguments=(test, then, orelse)) if _is_zero(orelse):
            return flattened(then).times(Term((), (), (test,)))
        case Apply(function="select", arguments=(test, then, orelse)) if _is_zero(then):
            return flattened(orelse).times(Term((), (), (Apply("not", (test,)),)))
        case _:
            return Term((expr,))


def _is_zero(expr: Expr) -> bool:
    return isinstance(expr, Const) and expr.value == 0
