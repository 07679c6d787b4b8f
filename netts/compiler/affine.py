"""Integer polynomials over loop indices and symbols: what subscripts mean.

A subscript such as `i * stride + k - padding` is affine in the loop indices, with coefficients that
are polynomials of shapes and integer arguments. Both are kept in one `Polynomial`, whose atoms are
expressions of the nest; `at` replaces the symbols by their values when arguments are bound.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from netts.compiler.nest import (
    Apply,
    Const,
    Expr,
    Extent,
    Global,
    Index,
    Local,
    Scalar,
    walk_expression,
)

Monomial = tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A sum of integer multiples of products of atoms, in a canonical order."""

    terms: tuple[tuple[Monomial, int], ...]

    @staticmethod
    def of(terms: Mapping[Monomial, int]) -> Polynomial:
        """Return the polynomial with these terms; zero coefficients vanish."""
        kept = ((m, c) for m, c in terms.items() if c)
        return Polynomial(tuple(sorted(kept, key=lambda term: repr(term[0]))))

    @staticmethod
    def constant(value: int) -> Polynomial:
        """Return a constant."""
        return Polynomial.of({(): value})

    @staticmethod
    def atom(expr: Expr) -> Polynomial:
        """Return a single symbol or index."""
        return Polynomial(((((expr,)), 1),))

    def __add__(self, other: Polynomial) -> Polynomial:
        total = dict(self.terms)
        for monomial, coefficient in other.terms:
            total[monomial] = total.get(monomial, 0) + coefficient
        return Polynomial.of(total)

    def __neg__(self) -> Polynomial:
        return Polynomial(tuple((m, -c) for m, c in self.terms))

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def __mul__(self, other: Polynomial) -> Polynomial:
        total: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in other.terms:
                monomial = tuple(sorted(left + right, key=repr))
                total[monomial] = total.get(monomial, 0) + a * b
        return Polynomial.of(total)

    @property
    def atoms(self) -> frozenset[Expr]:
        """The symbols and indices in it, those inside of opaque quotients too."""
        return frozenset(one for m, _ in self.terms for a in m for one in walk_expression(a))

    @property
    def indices(self) -> frozenset[str]:
        """The loop indices in it."""
        return frozenset(a.name for m, _ in self.terms for a in m if isinstance(a, Index))

    def coefficient(self, index: str) -> Polynomial | None:
        """Return the factor of a loop index, or None where the index is not linear."""
        total: dict[Monomial, int] = {}
        for monomial, c in self.terms:
            count = sum(isinstance(a, Index) and a.name == index for a in monomial)
            if count > 1:
                return None
            if count == 1:
                rest = tuple(a for a in monomial if not (isinstance(a, Index) and a.name == index))
                if any(isinstance(a, Index) for a in rest):
                    return None
                total[rest] = total.get(rest, 0) + c
        return Polynomial.of(total)

    @property
    def is_affine(self) -> bool:
        """Whether every loop index is linear, with a factor free of other indices."""
        return all(self.coefficient(index) is not None for index in self.indices)


@dataclass(frozen=True, slots=True)
class Linear:
    """A polynomial with its symbols replaced by numbers: constant + sum of factor * index."""

    constant: Fraction
    factors: tuple[tuple[str, Fraction], ...]

    @staticmethod
    def of(constant: Fraction, factors: Mapping[str, Fraction]) -> Linear:
        """Return a linear form; zero factors vanish."""
        return Linear(constant, tuple(sorted((k, v) for k, v in factors.items() if v)))

    def factor(self, index: str) -> Fraction:
        """Return the factor of an index, zero where it does not occur."""
        return dict(self.factors).get(index, Fraction(0))

    def combined(self, other: Linear, scale: Fraction | int) -> Linear:
        """Return self + scale * other."""
        factors = dict(self.factors)
        for index, value in other.factors:
            factors[index] = factors.get(index, Fraction(0)) + scale * value
        return Linear.of(self.constant + scale * other.constant, factors)

    def substituted(self, index: str, value: Linear) -> Linear:
        """Return the form with an index replaced by another form."""
        factors = dict(self.factors)
        factor = factors.pop(index)
        return Linear.of(self.constant, factors).combined(value, factor)


def at(polynomial: Polynomial, symbols: Mapping[Expr, int]) -> Linear | None:
    """Replace the symbols by their values; None where one is unknown or an index not linear."""
    constant = 0
    factors: dict[str, Fraction] = {}
    for monomial, coefficient in polynomial.terms:
        product, index = coefficient, None
        for atom in monomial:
            if isinstance(atom, Index):
                if index is not None:
                    return None
                index = atom.name
            else:
                value = evaluate(atom, symbols)
                if value is None:
                    return None
                product *= value
        if index is None:
            constant += product
        else:
            factors[index] = factors.get(index, Fraction(0)) + product
    return Linear.of(Fraction(constant), factors)


def polynomial_of(expr: Expr, locals_: Mapping[str, Polynomial]) -> Polynomial | None:
    """Return the polynomial that an integer expression computes, or None.

    Parameters
    ----------
    locals_
        What is known of the scalars assigned so far. A local that is missing has no polynomial.
    """
    match expr:
        case Const(value=bool()):
            return None
        case Const(value=int() as value):
            return Polynomial.constant(value)
        case Index() | Extent() | Scalar() | Global():
            return Polynomial.atom(expr)
        case Local(name=name):
            return locals_.get(name)
        case Apply(function=("add" | "sub" | "mul") as op, arguments=(left, right)):
            a, b = polynomial_of(left, locals_), polynomial_of(right, locals_)
            if a is None or b is None:
                return None
            return a + b if op == "add" else a - b if op == "sub" else a * b
        case Apply(function="neg", arguments=(operand,)):
            a = polynomial_of(operand, locals_)
            return None if a is None else -a
        case Apply(function="floordiv" | "mod"):
            return _invariant_quotient(expr, locals_)
        case _:
            return None


def _invariant_quotient(expr: Apply, locals_: Mapping[str, Polynomial]) -> Polynomial | None:
    """Return a quotient as one opaque symbol where nothing in it varies with a loop."""
    operands = []
    for argument in expr.arguments:
        operand = polynomial_of(argument, locals_)
        if operand is None or operand.indices:
            return None
        operands.append(_expression(operand))
    return Polynomial.atom(Apply(expr.function, tuple(operands)))


def _expression(polynomial: Polynomial) -> Expr:
    """Return a polynomial as an expression."""
    total: Expr = Const(0)
    for monomial, coefficient in polynomial.terms:
        product: Expr = Const(coefficient)
        for atom in monomial:
            product = Apply("mul", (product, atom))
        total = Apply("add", (total, product))
    return total


def evaluate(expr: Expr, symbols: Mapping[Expr, int]) -> int | None:
    """Return the value of an integer expression without loop indices, None where unknown."""
    if expr in symbols:
        return symbols[expr]
    if isinstance(expr, Const):
        return None if isinstance(expr.value, float) else int(expr.value)
    if not isinstance(expr, Apply) or expr.function not in _INTEGER_OPERATORS:
        return None
    operands = [evaluate(argument, symbols) for argument in expr.arguments]
    if any(operand is None for operand in operands):
        return None
    try:
        return _INTEGER_OPERATORS[expr.function](*operands)
    except ZeroDivisionError:
        return None


_INTEGER_OPERATORS: dict[str, Callable[..., int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "min": min,
    "max": max,
    "abs": abs,
}
