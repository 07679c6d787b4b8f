"""Whether a nest, with given arguments, is done by a matrix product, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from netts.compiler.access import Access
from netts.compiler.arguments import ArrayInfo
from netts.compiler.binding import Binding
from netts.compiler.contraction import Contraction
from netts.compiler.cost_constants import CostConstants
from netts.compiler.nest import Expr, Load, Nest, Store, stores, walk_expression
from netts.compiler.operand import Frame
from netts.compiler.races import Independence
from netts.compiler.recognise import find_contraction
from netts.compiler.terms import NotASumError

Chosen = TypeVar("Chosen")
"""How a device computes a contraction."""


def plan_contraction(
    nest: Nest,
    touched: Sequence[Access],
    proof: Independence,
    arrays: Mapping[str, ArrayInfo],
    symbols: Mapping[Expr, int],
    binding: Binding,
    costs: CostConstants,
    choose: Callable[[Frame], Chosen | str],
) -> Chosen | str:
    """Return how products compute a nest with these arguments, or the first reason why they do not.

    Parameters
    ----------
    choose
        Returns how a device computes a contraction, or why its loops are left alone.
    """
    found = find_contraction(nest)
    if isinstance(found, str):
        return found
    if proof.reductions:
        return f"the nest sums {', '.join(proof.reductions)} over its iterations"
    if proof.scattered:
        return "the nest adds at indices that depend on data"
    try:
        reason = (
            _dtype_reason(found, binding)
            or _alias_reason(found, nest, binding)
            or _tested_reason(found, touched, binding)
        )
        return (
            _planned(found, arrays, symbols, binding, costs, choose) if reason is None else reason
        )
    except NotASumError as error:
        return str(error)


def _planned(
    found: Contraction,
    arrays: Mapping[str, ArrayInfo],
    symbols: Mapping[Expr, int],
    binding: Binding,
    costs: CostConstants,
    choose: Callable[[Frame], Chosen | str],
) -> Chosen | str:
    frame = Frame.of(found, arrays, symbols, binding.types.weak.value, costs)
    if 0 in (one.count for one in frame.extents.values()):
        return "there is nothing to multiply"
    if isinstance(found.update, Store):
        kept = [one for one in found.conditions if one.is_kept and one.polynomial is not None]
        if not frame.is_in_range(found.update, kept):
            return f"the subscripts of {found.update} are in range only where terms are"
    return choose(frame)


def _expressions(found: Contraction) -> list[Expr]:
    tests = [one.test for one in found.conditions]
    every = (*found.factors, *tests, *found.scale, *found.divisors)
    return [one for expr in every for one in walk_expression(expr)]


def _dtype_reason(found: Contraction, binding: Binding) -> str | None:
    types, update = binding.types, found.update
    target = (
        types.elements[update.array] if isinstance(update, Store) else types.locals[update.name]
    )
    if types.concrete(target) is not types.weak:
        return "the sum is not of the arrays' floating dtype"
    factors = [types.concrete(types.of(one)) for one in found.factors]
    if types.weak not in factors or any(
        one.is_floating and one is not types.weak for one in factors
    ):
        return "the factors are not of one floating dtype"
    return None


def _alias_reason(found: Contraction, nest: Nest, binding: Binding) -> str | None:
    written = {binding.canonical(one.array) for one in stores(nest.body)}
    for one in _expressions(found):
        if isinstance(one, Load) and binding.canonical(one.array) in written:
            return "the result is also an operand"
    return None


def _tested_reason(found: Contraction, touched: Sequence[Access], binding: Binding) -> str | None:
    names = {one.array for one in _expressions(found) if isinstance(one, Load)}
    if isinstance(found.update, Store):
        names.add(found.update.array)
    for one in touched:
        is_tested = any((id(one.node), d) in binding.unproved for d in range(len(one.subscripts)))
        if one.array in names and is_tested:
            return "a subscript is tested at run time"
    return None
