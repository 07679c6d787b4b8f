"""A sum of products, whatever the loops around it look like.

    init + sum over inner loops of  factor * factor * ...   where conditions hold

Every factor and condition is an expression of loop indices and arrays alone, locals inlined, so it
can be evaluated ahead of the sum: while an operand is packed. Which factors are multiplied with
which, and in which memory, is decided when arguments are bound (`plan`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netts.compiler.affine import Polynomial, polynomial_of
from netts.compiler.nest import (
    Expr,
    Index,
    Load,
    Local,
    Loop,
    Set,
    Stmt,
    Store,
    walk_expression,
)


class _TopLevel(Mapping[str, Polynomial]):
    """The locals that are left when those of the nest are inlined: symbols, all of them."""

    def __getitem__(self, name: str) -> Polynomial:
        return Polynomial.atom(Local(name))

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


TOP_LEVEL = _TopLevel()


@dataclass(frozen=True, slots=True)
class Span:
    """A loop index: it lies between every `lower` and every `upper`, both included."""

    index: str
    lowers: tuple[Polynomial, ...]
    uppers: tuple[Polynomial, ...]
    step: int
    is_parallel: bool

    @property
    def is_box(self) -> bool:
        """Whether it takes every value between bounds that vary with no other index."""
        bounds = (*self.lowers, *self.uppers)
        return self.step in (1, -1) and not any(one.indices for one in bounds)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a term needs: that `polynomial >= 0`, or without one, that `test` holds (a mask).

    `is_kept` says that the sum is not even read where it does not hold.
    """

    polynomial: Polynomial | None
    test: Expr
    is_kept: bool = False

    @property
    def indices(self) -> frozenset[str]:
        """The loop indices that it varies with."""
        return indices_of(self.test) if self.polynomial is None else self.polynomial.indices


@dataclass(frozen=True)
class Contraction:
    """A sum of products in a nest.

    Attributes
    ----------
    root
        The loop that a product replaces.
    outer, inner
        The indices that the sum varies with, outermost first, and those that it is over.
    scale, divisors
        What every sum is multiplied with and divided by.
    is_negative
        Whether the sum is subtracted.
    rebuilt
        What stands in the place of `root` once the sum is known: `update`, perhaps in loops.
    update
        The statement of `rebuilt` that adds the sum.
    result
        The element that each sum ends in, if the product may be put there and read again.
    is_plain
        Whether nothing is left to do after a product that is put, or added, there.
    """

    root: Loop
    outer: tuple[Span, ...]
    inner: tuple[Span, ...]
    factors: tuple[Expr, ...]
    conditions: tuple[Condition, ...]
    scale: tuple[Expr, ...]
    divisors: tuple[Expr, ...]
    is_negative: bool
    rebuilt: tuple[Stmt, ...]
    update: Set | Store
    result: Store | None
    is_plain: bool

    @property
    def accumulates(self) -> bool:
        """Whether a plain product is added to its element."""
        return self.result is not None and self.result.accumulates


def indices_of(expr: Expr) -> frozenset[str]:
    """Return the loop indices in an expression."""
    return frozenset(one.name for one in walk_expression(expr) if isinstance(one, Index))


def subscripts_of(load: Load | Store) -> tuple[Polynomial, ...] | None:
    """Return the subscripts as polynomials, None where one depends on data or is not affine."""
    found = []
    for one in load.subscripts:
        polynomial = polynomial_of(one, TOP_LEVEL)
        if polynomial is None or not polynomial.is_affine:
            return None
        found.append(polynomial)
    return tuple(found)
