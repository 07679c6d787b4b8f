"""Recognition of sums of products: the nests that a matrix multiplication can do.

The first form: a nest over two indices i and j that sets a scalar, adds `A[...] * B[...]` to it in
one loop over k, and then stores a function of it into `out[i, j]` or `out[j, i]`; A is subscripted
by plain k and one of i and j, B by k and the other. Which of the arrays are matrix views (one unit
stride) is seen when arguments are bound.
"""

from __future__ import annotations

from dataclasses import dataclass

from netts.compiler.access import is_index
from netts.compiler.nest import (
    Apply,
    Const,
    Expr,
    Index,
    Jump,
    Load,
    Local,
    Loop,
    Nest,
    Set,
    Stmt,
    Store,
    all_expressions,
    loads,
    stores,
    walk_expression,
    walk_statements,
)


@dataclass(frozen=True)
class Operand:
    """A matrix of a contraction: an array, and the axes of it that the row and column index."""

    array: str
    row_axis: int
    column_axis: int


@dataclass(frozen=True)
class Contraction:
    """`sum = init + left @ right`, then scalar code, with i the row and j the column of the result.

    Attributes
    ----------
    before, after
        The statements around the sum. `before` ends with the assignment of `init`.
    is_plain
        Whether the result is stored as it is, so that nothing is left to do after the product.
    accumulates
        Whether the result is added to what is there.
    """

    left: Operand
    right: Operand
    out: Operand
    sum: str
    inner: Expr
    before: tuple[Stmt, ...]
    after: tuple[Stmt, ...]
    is_plain: bool
    accumulates: bool


def find_contraction(nest: Nest) -> Contraction | str:
    """Return the contraction that a nest is, or the first reason why it is none."""
    if len(nest.axes) != 2:
        return f"{len(nest.axes)} parallel indices, not 2"
    loops = [n for n, one in enumerate(nest.body) if isinstance(one, Loop)]
    if len(loops) != 1:
        return f"{len(loops)} serial loops in the nest, not 1"
    loop = nest.body[loops[0]]
    assert isinstance(loop, Loop)
    before, after = nest.body[: loops[0]], nest.body[loops[0] + 1 :]
    if any(isinstance(one, Jump) for one in walk_statements((*before, *after))):
        return "a jump leaves out elements of the result"
    product = _product(loop)
    if product is None:
        return "the loop does not add one product of two elements to a scalar"
    name, factors = product
    if not before or not isinstance(before[-1], Set) or before[-1].name != name:
        return f"{name} is not set just before the loop"
    if loop.start != Const(0) or loop.step != 1 or _mentions(loop.stop, nest.indices):
        return "the loop does not run from 0 to the same end for every element"
    return _matched(nest, loop, name, factors, before, after)


def _product(loop: Loop) -> tuple[str, tuple[Load, Load]] | None:
    """Return the scalar and the two factors of a loop that is `scalar += A[...] * B[...]`."""
    match loop.body:
        case (
            Set(
                name=name,
                value=Apply(
                    function="add",
                    arguments=(
                        Local(name=same),
                        Apply(function="mul", arguments=(Load() as left, Load() as right)),
                    ),
                ),
            ),
        ) if name == same:
            return name, (left, right)
        case _:
            return None


def _matched(
    nest: Nest,
    loop: Loop,
    name: str,
    factors: tuple[Load, Load],
    before: tuple[Stmt, ...],
    after: tuple[Stmt, ...],
) -> Contraction | str:
    row, column = nest.indices
    stored = list(stores(nest.body))
    if len(stored) != 1 or stored[0] not in after:
        return "the result is not stored once, behind the loop"
    out = _operand(stored[0], row, column)
    if out is None:
        return f"{stored[0]} is not subscripted by {row} and {column} alone"
    if any(load.array == out.array for load in loads(nest.body)):
        return f"{out.array} is read in the nest too"
    for left, right in (factors, factors[::-1]):
        a, b = _operand(left, row, loop.index), _operand(right, loop.index, column)
        if a is not None and b is not None:
            break
    else:
        return (
            f"the factors are not subscripted by ({row}, {loop.index}) and ({loop.index}, {column})"
        )
    if any(Local(name) in (expr,) for one in before for expr in all_expressions((one,))):
        return f"{name} is read before the loop"
    first = before[-1]
    assert isinstance(first, Set)
    is_zero = isinstance(first.value, Const) and first.value.value == 0
    is_plain = before == (first,) and is_zero and after == (stored[0],)
    is_plain = is_plain and stored[0].value == Local(name)
    accumulates = stored[0].accumulates
    if accumulates and not is_plain:
        return "the sum is changed before it is added to the result"
    return Contraction(a, b, out, name, loop.stop, before, after, is_plain, accumulates)


def _operand(node: Load | Store, row: str, column: str) -> Operand | None:
    """Return an access as a matrix, None where its subscripts are not the two plain indices."""
    if len(node.subscripts) != 2:
        return None
    first, second = node.subscripts
    if is_index(first, row) and is_index(second, column):
        return Operand(node.array, 0, 1)
    if is_index(first, column) and is_index(second, row):
        return Operand(node.array, 1, 0)
    return None


def _mentions(expr: Expr, indices: tuple[str, ...]) -> bool:
    """Whether an expression may vary with one of the indices."""
    return any(
        isinstance(one, Load | Local) or (isinstance(one, Index) and one.name in indices)
        for one in walk_expression(expr)
    )
