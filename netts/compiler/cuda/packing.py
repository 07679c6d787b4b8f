"""Packing on a GPU: the matrix that an operand is copied into, an element or some for each thread.

Neighbouring threads write neighbouring elements. Where there are more elements than threads run at
once, a thread has several, as those of a convolution's window. What conditions exclude is zero: a
thread tests them, as it has too few elements for loops that they could bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from netts.compiler.cuda.emit import CudaEmitter
from netts.compiler.cuda.product_plan import Factor
from netts.compiler.cuda.program import Geometry
from netts.compiler.cuda.widths import width_of
from netts.compiler.nest import Index, Set
from netts.compiler.operand import Extent, Form, Frame, Operand, Steps
from netts.compiler.packing import counter, form_text, offset
from netts.compiler.scalars import Type


def read_by(operand: Operand) -> tuple[Set, ...]:
    """Return what the packing of an operand evaluates, as statements that read it."""
    return tuple(Set("", one) for one in (*operand.factors, *operand.masks))


def emit_packing(
    emitter: CudaEmitter, frame: Frame, factor: Factor, target: str, geometry: Geometry
) -> int:
    """Print the packing of an operand into the memory that a pointer points to.

    Returns how many threads have something to do.
    """
    serial = _serial(frame, factor, geometry)
    shared = [one for one in factor.order if one not in serial]
    counts = [frame.extents[one].count for one in shared]
    width, ends = emitter.count_known(counts)
    names = [counter(one) for one in shared]
    with (
        emitter.flattened(names, ends, width, "cuda.grid(1)", "cuda.gridsize(1)"),
        ExitStack() as inside,
    ):
        for one in serial:
            turns = f"range({width}({emitter.number(frame.extents[one].count)}))"
            inside.enter_context(emitter.indented(f"for {counter(one)} in {turns}:"))
        _emit_element(emitter, frame, factor)
        place = offset(emitter, factor.steps) if serial else "flat"
        emitter.line(f"{target}[{width_of(factor.size)}({place})] = value")
    return math.prod(counts)


def _serial(frame: Frame, factor: Factor, geometry: Geometry) -> list[str]:
    """Return the indices that a thread runs over by itself: what is left has threads enough.

    It takes indices apart once for all of these elements. Elements in a row are left to neighbours.
    """
    counts = {one: frame.extents[one].count for one in factor.order}
    threads, row, found = factor.size, 1, []
    candidates = list(factor.order)
    while candidates and row < geometry.neighbours:
        row *= counts[candidates.pop()]
    for one in sorted(candidates, key=lambda one: counts[one]):
        if counts[one] > 1 and threads // counts[one] >= geometry.busy_threads:
            threads //= counts[one]
            found.append(one)
    return [one for one in factor.order if one in found]


def _emit_element(emitter: CudaEmitter, frame: Frame, factor: Factor) -> None:
    """Print the value of an element, zero where a condition excludes it."""
    operand, type_ = factor.operand, Type(frame.dtype)
    emitter.line(f"value = {type_.value}(0)")
    with ExitStack() as inside:
        guards = " and ".join(_guards(emitter, frame, operand.guards))
        if guards:
            inside.enter_context(emitter.indented(f"if {guards}:"))
        if operand.masks or None in operand.steps:
            _define_indices(emitter, frame, factor.order)
        masks = " and ".join(emitter.value(one, Type.BOOL) for one in operand.masks)
        if masks:
            inside.enter_context(emitter.indented(f"if {masks}:"))
        emitter.line(f"value = {_product(emitter, operand, type_)}")


def _guards(emitter: CudaEmitter, frame: Frame, guards: Sequence[Form]) -> Iterator[str]:
    """Yield the text of each inequality."""
    for one in guards:
        reach = abs(one.constant) + sum(
            abs(factor) * frame.extents[index].count for index, factor in one.of.items()
        )
        yield f"{width_of(reach)}({form_text(emitter, one)}) >= 0"


def _define_indices(emitter: CudaEmitter, frame: Frame, order: Sequence[str]) -> None:
    for index in order:
        define_index(emitter, index, frame.extents[index], counter(index))


def define_index(emitter: CudaEmitter, index: str, extent: Extent, count: str) -> None:
    """Print the value of an index from how many steps it has taken."""
    assert emitter.widths is not None
    width = "int32" if emitter.widths.fits(Index(index)) else "int64"
    first = emitter.number(extent.first)
    emitter.line(f"v_{index} = {width}({first} + {count} * {extent.step})")


def _product(emitter: CudaEmitter, operand: Operand, type_: Type) -> str:
    texts = [
        emitter.value(expr, type_) if steps is None else _read(emitter, steps)
        for expr, steps in zip(operand.factors, operand.steps, strict=True)
    ]
    return " * ".join(texts)


def _read(emitter: CudaEmitter, steps: Steps) -> str:
    assert emitter.widths is not None
    place = offset(emitter, steps)
    if emitter.widths.fits_offsets(steps.array):
        place = f"int32({place})"
    return f"{emitter.pointer(steps.array)}[{place}]"
