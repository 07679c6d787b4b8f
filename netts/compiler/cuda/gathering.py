"""The code of a gathered nest: an element's additions in a register; see `gathers`."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from netts.compiler.affine import Linear
from netts.compiler.binding import FOLDED_LIMIT
from netts.compiler.cuda.emit import CudaEmitter
from netts.compiler.cuda.gathers import Gather, Solved, places, solved_at
from netts.compiler.cuda.widths import width_of
from netts.compiler.nest import Index
from netts.compiler.scalars import Type


def element_counter(dimension: int) -> str:
    """Return the name of an element's place along a dimension that is no axis of the nest."""
    return f"at_{dimension}"


def emit_gather(emitter: CudaEmitter, gather: Gather, type_: Type) -> None:
    """Print one element, where the indices of the nest have their values.

    Parameters
    ----------
    type_
        Of the array's elements.
    """
    emitter.line(f"gathered = {type_.value}({emitter.value(gather.fill.value, type_)})")
    emitter.replaced[id(gather.addition)] = lambda: emitter.line(
        f"gathered = gathered + {emitter.value(gather.addition.value, type_)}"
    )
    for statement, dimension in places(gather):
        emitter.replaced[id(statement)] = partial(
            emitter.assign, statement.name, element_counter(dimension)
        )
    with ExitStack() as inside:
        for level in range(len(gather.kept) + 1):
            if level:
                index, start, end = gather.kept[level - 1]
                width = width_of(max(abs(start), abs(end)))
                turns = f"range({width}({_small(emitter, start)}), {width}({_small(emitter, end)}))"
                inside.enter_context(emitter.indented(f"for v_{index} in {turns}:"))
            for one in solved_at(gather, level):
                inside.enter_context(emitter.indented(f"if {_solve(emitter, one)}:"))
        emitter.block(gather.body)
    emitter.line(f"{_element(emitter, gather)} = gathered")


def _solve(emitter: CudaEmitter, one: Solved) -> str:
    """Print an index that is found from an element's place; return the test that it is one."""
    width = width_of(one.reach)
    name = f"v_{one.index}"
    emitter.line(
        f"{name} = {width}({element_counter(one.dimension)} - ({_form(emitter, one.rest)}))"
    )
    tests = [f"{name} >= {_small(emitter, one.first)}", f"{name} < {emitter.number(one.end)}"]
    if one.factor != 1:
        distance = emitter.fresh(name)
        emitter.line(f"{name} = {width}({distance} // {_small(emitter, one.factor)})")
        tests.append(f"{name} * {_small(emitter, one.factor)} == {distance}")
    return " and ".join(tests)


def _form(emitter: CudaEmitter, form: Linear) -> str:
    terms = [_small(emitter, int(form.constant))]
    terms += [f"{_small(emitter, int(factor))} * v_{index}" for index, factor in form.factors]
    return " + ".join(terms)


def _small(emitter: CudaEmitter, value: int) -> str:
    """Return the text of a setting: a literal, with which loops are unrolled, if small."""
    if abs(value) <= FOLDED_LIMIT:
        return repr(value) if value >= 0 else f"({value})"
    return emitter.number(value)


def _element(emitter: CudaEmitter, gather: Gather) -> str:
    assert emitter.widths is not None
    array = gather.fill.array
    terms = []
    for dimension, subscript in enumerate(gather.fill.subscripts):
        assert isinstance(subscript, Index)
        text = element_counter(dimension) if dimension in gather.elements else f"v_{subscript.name}"
        stride = emitter.stride(array, dimension)
        terms.append(text if stride == "1" else f"{text} * {stride}")
    place = " + ".join(terms)
    if emitter.widths.fits_offsets(array):
        place = f"int32({place})"
    return f"{emitter.pointer(array)}[{place}]"
