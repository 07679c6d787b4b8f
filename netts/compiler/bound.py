"""A kernel checked against arguments: types, subscripts, independence."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from netts.compiler import plan
from netts.compiler.access import Range
from netts.compiler.affine import at, evaluate
from netts.compiler.arguments import ArrayInfo
from netts.compiler.binding import FOLDED_LIMIT, Binding
from netts.compiler.bounds import find_unproved
from netts.compiler.clamps import settled_clamps
from netts.compiler.cost_constants import CostConstants
from netts.compiler.eligibility import plan_contraction
from netts.compiler.nest import (
    Expr,
    Extent,
    Global,
    Local,
    Nest,
    Routine,
    Scalar,
    Set,
    body_of,
    walk_expression,
    walk_statements,
)
from netts.compiler.plan import Plan
from netts.compiler.races import Independence, prove_independent
from netts.compiler.scalars import ELEMENT_TYPES
from netts.compiler.typing import infer, type_of_number
from netts.errors import AliasError, RaceError

if TYPE_CHECKING:
    from netts.compiler.loops import Loops


@dataclass(frozen=True)
class Bound:
    """A kernel checked against arguments: what every lowering starts from.

    Attributes
    ----------
    symbols
        The values of everything that is known and integer.
    proofs
        What is proved of each nest with these arguments, by phase.
    costs
        What choices between ways of running rest on.
    """

    kernel: Loops
    arrays: Mapping[str, ArrayInfo]
    binding: Binding
    symbols: Mapping[Expr, int]
    proofs: Mapping[int, Independence]
    costs: CostConstants

    @cached_property
    def plans(self) -> dict[int, Plan | str]:
        """How BLAS computes each nest on the CPU, by phase, or why its loops do."""
        return {
            number: plan_contraction(
                phase, self.kernel.accesses[number], self.proofs[number], self.arrays,
                self.symbols, self.binding, self.costs, plan.choose,
            )
            for number, phase in enumerate(self.kernel.routine.phases)
            if isinstance(phase, Nest)
        }  # fmt: skip


def bind(
    kernel: Loops,
    arrays: Mapping[str, ArrayInfo],
    numbers: Mapping[str, bool | int | float],
    aliases: Mapping[str, str],
    constants: Mapping[str, Any],
    costs: CostConstants,
) -> Bound:
    """Check a kernel against arguments: types, subscripts, independence."""
    routine = kernel.routine
    symbols = symbols_of(routine, arrays, numbers, constants)
    elements = {name: ELEMENT_TYPES[np.dtype(one.dtype)] for name, one in arrays.items()}
    scalars = {name: type_of_number(value) for name, value in numbers.items()}
    types = infer(routine, kernel.source_code, kernel.scope, elements, scalars)
    shapes = {name: one.shape for name, one in arrays.items()}
    unproved = frozenset[tuple[int, int]]().union(
        *(find_unproved(one, shapes, symbols, kernel.source_code) for one in kernel.accesses)
    )
    proofs = _proofs(kernel, aliases, symbols)
    binding = Binding(
        types,
        {name: one.dtype for name, one in arrays.items()},
        {name: one.unit_axis for name, one in arrays.items()},
        aliases,
        unproved,
        _folded(kernel, numbers),
        settled_clamps(itertools.chain.from_iterable(kernel.accesses), symbols),
        frozenset((name, len(one) - 1) for name, one in shapes.items() if _is_single(one)),
    )
    return Bound(kernel, arrays, binding, symbols, proofs, costs)


def symbols_of(
    routine: Routine,
    arrays: Mapping[str, ArrayInfo],
    numbers: Mapping[str, bool | int | float],
    constants: Mapping[str, Any],
) -> dict[Expr, int]:
    """Return the values of everything that is known and integer."""
    symbols: dict[Expr, int] = {
        Extent(name, axis): extent
        for name, one in arrays.items()
        for axis, extent in enumerate(one.shape)
    }
    symbols |= {Scalar(name): int(n) for name, n in numbers.items() if isinstance(n, int)}
    symbols |= {Global(name): int(n) for name, n in constants.items() if isinstance(n, int)}
    every = [one for phase in routine.phases for one in walk_statements(body_of(phase))]
    names = [one.name for one in every if isinstance(one, Set)]
    for phase in routine.phases:
        if isinstance(phase, Set) and names.count(phase.name) == 1:
            value = evaluate(phase.value, symbols)
            if value is not None:
                symbols[Local(phase.name)] = value
    return symbols


def prove_aliased(kernel: Loops, aliases: Mapping[str, str]) -> dict[int, Independence]:
    """Return what is proved of each nest, with the arrays that are the same taken as one.

    Raises
    ------
    AliasError
        Where iterations depend on one another because arrays are the same.
    """
    proofs = dict(kernel.proofs)
    if aliases:
        for number in proofs:
            phase = kernel.routine.phases[number]
            assert isinstance(phase, Nest)
            touched, outer = kernel.accesses[number], kernel.outer[number]
            try:
                proofs[number] = prove_independent(
                    phase, touched, outer, kernel.source_code, aliases
                )
            except RaceError as error:
                names = ", ".join(f"{one} and {other}" for one, other in aliases.items())
                raise AliasError(
                    f"{names} are the same array, and then {error}\n"
                    "  pass a copy, or write the result into another array"
                ) from None
    return proofs


def _proofs(
    kernel: Loops, aliases: Mapping[str, str], symbols: Mapping[Expr, int]
) -> dict[int, Independence]:
    """Return what is proved of each nest with these arguments."""
    proofs = prove_aliased(kernel, aliases)
    for proof in proofs.values():
        for axis, factor, access in proof.factors:
            extent, form = evaluate(axis.extent, symbols), at(factor, symbols)
            if extent is not None and extent <= 1:
                continue
            if form is None or form.constant == 0:
                known = "0 with these arguments" if form else "not known before the kernel runs"
                raise kernel.source_code.error(
                    RaceError,
                    access.place,
                    f"the factor of {axis.index} in {access.node} is {known}, so several "
                    "iterations may write the same element",
                    "compute the factor from shapes and integer arguments that make it other "
                    f"than 0, or make {axis.index} a range() loop inside the nest",
                )
    return proofs


def _is_single(shape: tuple[int, ...]) -> bool:
    """Whether the last of several axes has one element. The first counts rows: any number."""
    return len(shape) > 1 and shape[-1] == 1


def _folded(kernel: Loops, numbers: Mapping[str, bool | int | float]) -> dict[str, int]:
    """Return the small integer arguments that stand in subscripts, or in clamped loop bounds."""
    every = [access for touched in kernel.accesses for access in touched]
    places = [subscript for access in every for subscript in access.node.subscripts]
    loops = {loop for access in every for loop in access.scope if isinstance(loop, Range)}
    for loop in loops:
        places += [clamp.node for clamp in loop.clamps]
    inside = {
        one.name for place in places for one in walk_expression(place) if isinstance(one, Scalar)
    }
    return {
        name: int(number)
        for name, number in numbers.items()
        if name in inside and type(number) is int and abs(number) <= FOLDED_LIMIT
    }
