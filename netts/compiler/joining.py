"""The routine of two kernels that run as one: names, arrays and scalars of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netts.compiler.correspondence import (
    Bound,
    Correspondence,
    Layout,
    NotFusableError,
    laid_out,
)
from netts.compiler.element import ElementFunction
from netts.compiler.loops import Loops
from netts.compiler.nest import (
    Axis,
    Extent,
    Load,
    Local,
    Nest,
    Routine,
    Stmt,
    Store,
    all_expressions,
    body_of,
    stores,
    walk_expression,
)
from netts.compiler.rewriting import Renaming, fresh, names_of

Constants = tuple[tuple[str, bool | int | float], ...]


@dataclass(frozen=True)
class Joint:
    """How a kernel runs behind another as one: the same for arrays that meet in the same way.

    Attributes
    ----------
    loops
        Of both.
    more
        Which arguments of the second stand behind those of the first, by their positions, and under
        which layout, None for their own.
    """

    loops: Loops
    more: tuple[tuple[int, Layout | None], ...]

    def bound(self, first: Bound, second: Bound) -> Bound:
        """Return both with their arguments."""
        given = second.arguments
        more = (
            given[n] if layout is None else laid_out(given[n], layout) for n, layout in self.more
        )
        return Bound(self.loops, (*first.arguments, *more))


def joined(
    first: Loops, second: Loops, before: Renaming, behind: Renaming, body: tuple[Stmt, ...]
) -> Loops:
    """Return the loops of both: the first's nest with another body.

    Parameters
    ----------
    before, behind
        The names of what each has, in the nest of both.
    """
    one, other = first.routine, second.routine
    nest = one.phases[-1]
    assert isinstance(nest, Nest)
    known = set(names_of(one))
    axes = tuple(Axis(axis.index, before.expression(axis.extent)) for axis in nest.axes)
    sets = (*before.block(scalars_of(one)), *behind.block(scalars_of(other)))
    routine = Routine(
        f"{one.name} + {other.name}",
        (*one.parameters, *(n for n in map(behind.name, other.parameters) if n not in known)),
        *_arrays((*sets, Nest(axes, body, nest.place))),
        (*one.scalars, *map(behind.name, other.scalars)),
        (),
        _functions(one, other),
        (*sets, Nest(axes, body, nest.place)),
    )
    return Loops(routine, first.source_code, first.scope, (*first.callees, *second.callees))


def scalars_of(routine: Routine) -> tuple[Stmt, ...]:
    """Return what stands before the nest of a routine."""
    return tuple(one for one in routine.phases if not isinstance(one, Nest))


def renaming(
    first: Routine,
    second: Routine,
    correspondence: Correspondence,
    shared: Mapping[str, str],
    constants: Mapping[str, bool | int | float],
) -> Renaming:
    """Return new names for everything of the second that the first has not."""
    used = set(names_of(first))
    names, indices = dict(shared), dict(correspondence)
    for name in names_of(second):
        if name in shared or name in indices:
            continue
        new = fresh(name, used)
        used.add(new)
        names[name], indices[name] = new, (new,)
    return Renaming(names, indices, constants)


def _functions(first: Routine, second: Routine) -> tuple[tuple[str, ElementFunction], ...]:
    both = dict(first.functions)
    for name, function in second.functions:
        if both.setdefault(name, function) is not function:
            raise NotFusableError(f"they call two functions by the name {name}")
    return tuple(both.items())


def _arrays(phases: tuple[Stmt | Nest, ...]) -> tuple[dict[str, int | None], dict[str, int]]:
    """Return the ranks of arrays, and how many axes are asked for; see `Routine`."""
    ranks: dict[str, int | None] = {}
    axes: dict[str, int] = {}
    for phase in phases:
        every = [*all_expressions(body_of(phase))]
        if isinstance(phase, Nest):
            every += [e for axis in phase.axes for e in walk_expression(axis.extent)]
        for one in every:
            if isinstance(one, Extent):
                ranks.setdefault(one.array, None)
                axes[one.array] = max(axes.get(one.array, 0), one.axis + 1)
        for element in (*stores(body_of(phase)), *every):
            if isinstance(element, Load | Store):
                ranks[element.array] = len(element.subscripts)
    return ranks, axes


def replaced(body: tuple[Stmt, ...], element: Load, by: Local) -> tuple[Stmt, ...]:
    """Return a block with a local in the place of an element."""
    return Renaming(change=lambda expr: by if expr == element else None).block(body)
