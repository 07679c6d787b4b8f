"""Packing: the loops that copy an operand of a contraction into a dense matrix.

Conditions are solved into bounds of the loops, as far outside as they allow, and what they exclude
is filled with zeros in one go: there is no test per element, unless of elements of an array.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from netts.compiler.arguments import ArrayInfo
from netts.compiler.binding import FOLDED_LIMIT
from netts.compiler.emit import Emitter
from netts.compiler.operand import Extent, Form, Operand, Steps
from netts.compiler.plan import Matrix, Plan
from netts.compiler.scalars import Type


class Packing:
    """Prints the packing of one operand.

    Parameters
    ----------
    pointer
        The text of the typed pointer to where the matrix goes.
    """

    def __init__(
        self, emitter: Emitter, plan: Plan, matrix: Matrix, pointer: str, type_: Type
    ) -> None:
        self.emitter, self.plan, self.matrix = emitter, plan, matrix
        self.pointer, self.type = pointer, type_
        self.extents: Mapping[str, Extent] = plan.frame.extents
        self.operand: Operand = matrix.operand
        sizes = [plan.counted(one) for one in matrix.order]
        self.sizes = [emitter.number(math.prod(sizes[n:])) for n in range(len(sizes) + 1)]

    def emit(self) -> None:
        """Print the loops."""
        inside = set(self.matrix.order)
        outside = [one for one in self.operand.guards if not inside & one.of.keys()]
        if not outside:
            self._level(0, "0")
            return
        tests = " and ".join(f"{form_text(self.emitter, one)} >= 0" for one in outside)
        with self.emitter.indented(f"if {tests}:"):
            self._level(0, "0")
        with self.emitter.indented("else:"):
            self._zeros("0", self.sizes[0])

    def _level(self, level: int, base: str) -> None:
        """Print the loop over one index, `base` being where its first element goes."""
        emitter = self.emitter
        if level == len(self.matrix.order):
            self._element(base)
            return
        if level == len(self.matrix.order) - 2 and self._is_plane():
            self._plane(base)
            return
        index = self.matrix.order[level]
        first, end = counter_range(emitter, self.plan, index)
        guards = self._guards(level)
        size = self.sizes[level + 1]
        low, high = first, end
        if guards:
            low, high = self._bounds(index, guards, first, end)
            self._zeros(base, f"{base} + ({low} - {first}) * {size}")
        with emitter.indented(f"for {counter(index)} in range({low}, {high}):"):
            define_index(emitter, index, self.extents[index])
            offset = f"({counter(index)} - {first})" if first != "0" else counter(index)
            place = offset if size == "1" else f"{offset} * {size}"
            here = emitter.fresh(place if base == "0" else f"{base} + {place}")
            self._level(level + 1, here)
        if guards:
            whole = emitter.number(self.plan.counted(index))
            self._zeros(f"{base} + ({high} - {first}) * {size}", f"{base} + {whole} * {size}")

    def _guards(self, level: int) -> list[Form]:
        """Return the inequalities that are solved for the index of a level."""
        index, inner = self.matrix.order[level], set(self.matrix.order[level + 1 :])
        return [one for one in self.operand.guards if index in one.of and not inner & one.of.keys()]

    # ------------------------------------------------------------ whole planes

    def _is_plane(self) -> bool:
        """Whether the two innermost indices run through memory as they do through the matrix.

        Then what lies between two elements are elements too, as the array has no gaps.
        """
        operand, (*_, outer, inner) = self.operand, self.matrix.order
        steps = operand.steps[0] if len(operand.steps) == 1 else None
        width = self.plan.counted(inner)
        return (
            steps is not None
            and not operand.masks
            and bool(self._guards(len(self.matrix.order) - 1))
            and steps.of.get(inner) == 1
            and steps.of.get(outer) == width == self.extents[inner].count
            and not any({outer, inner} <= one.of.keys() for one in operand.guards)
            and is_dense(self.plan.frame.arrays[steps.array])
        )

    def _plane(self, base: str) -> None:
        """Copy rows in one go, with what lies between them, then fill the borders with zeros.

        A copy of rows of 14 takes 0.5 ns an element, one of whole planes less than half of it.
        """
        emitter, operand, (*_, outer, inner) = self.emitter, self.operand, self.matrix.order
        steps = operand.steps[0]
        assert steps is not None
        depth = len(self.matrix.order)
        first, end = counter_range(emitter, self.plan, outer)
        low, high = self._bounds(outer, self._guards(depth - 2), first, end)
        width = self.sizes[depth - 1]
        left, right = self._bounds(inner, self._guards(depth - 1), "0", width)
        rows = emitter.number(self.plan.counted(outer))
        with emitter.indented(f"if {low} < {high} and {left} < {right}:"):
            others = frozenset(steps.of) - {outer, inner}
            source = emitter.fresh(offset(emitter, steps, others))
            place = emitter.fresh(base if first == "0" else f"{base} - {first} * {width}")
            pointer = emitter.pointer(steps.array)
            span = f"{low} * {width} + {left}, ({high} - 1) * {width} + {right}"
            with emitter.indented(f"for z in range({span}):"):
                emitter.line(f"{self.pointer}[{place} + z] = {pointer}[{source} + z]")
            with emitter.indented(f"for row in range({low}, {high}):"):
                start = f"{place} + row * {width}"
                self._zeros(start, f"{start} + {left}")
                self._zeros(f"{start} + {right}", f"{start} + {width}")
            self._zeros(base, f"{place} + {low} * {width}")
            self._zeros(f"{place} + {high} * {width}", f"{base} + {rows} * {width}")
        with emitter.indented("else:"):
            self._zeros(base, f"{base} + {rows} * {width}")

    # ------------------------------------------------------------ conditions

    def _bounds(self, index: str, guards: list[Form], first: str, end: str) -> tuple[str, str]:
        """Print the range of a counter in which inequalities hold; return its ends."""
        emitter = self.emitter
        lows, highs = [first], [end]
        for guard in guards:
            factor = guard.of[index]
            rest = form_text(emitter, guard, without=index)
            size = coefficient(emitter, abs(factor), guard.is_small)
            if factor > 0:  # counter >= -rest / factor, rounded up
                lows.append(f"-({rest})" if factor == 1 else f"-(({rest}) // {size})")
            else:  # counter <= rest / -factor, rounded down
                highs.append(f"({rest}) // {size} + 1" if factor != -1 else f"({rest}) + 1")
        low = emitter.fresh(f"min(max({', '.join(lows)}), {end})" if lows[1:] else first)
        high = emitter.fresh(f"max(min({', '.join(highs)}), {low})" if highs[1:] else end)
        return low, high

    def _zeros(self, start: str, stop: str) -> None:
        with self.emitter.indented(f"for z in range({start}, {stop}):"):
            self.emitter.line(f"{self.pointer}[z] = {self.type.value}(0)")

    def _element(self, place: str) -> None:
        emitter, operand = self.emitter, self.operand
        if operand.masks:
            tests = " and ".join(emitter.value(one, Type.BOOL) for one in operand.masks)
            emitter.line(f"{self.pointer}[{place}] = {self.type.value}(0)")
            with emitter.indented(f"if {tests}:"):
                self._product(place)
        else:
            self._product(place)

    def _product(self, place: str) -> None:
        emitter, operand = self.emitter, self.operand
        texts = [
            emitter.value(expr, self.type) if steps is None else read(emitter, steps)
            for expr, steps in zip(operand.factors, operand.steps, strict=True)
        ]
        emitter.line(f"{self.pointer}[{place}] = {' * '.join(texts)}")


def is_dense(info: ArrayInfo) -> bool:
    """Whether an array has no gaps, in C order."""
    size = 1
    for extent, stride in zip(reversed(info.shape), reversed(info.strides), strict=True):
        if extent > 1 and stride != size:
            return False
        size *= extent
    return True


def counter(index: str) -> str:
    """Return the name of the counter of an index."""
    return f"q_{index}"


def define_index(emitter: Emitter, index: str, extent: Extent) -> None:
    """Print the value of an index from its counter."""
    first = emitter.number(extent.first)
    emitter.line(f"v_{index} = {first} + {counter(index)} * {extent.step}")


def counter_range(emitter: Emitter, plan: Plan, index: str) -> tuple[str, str]:
    """Return the texts of the first value of a counter and of its end."""
    if plan.split is not None and plan.split.index == index:
        return "low", "high"
    return "0", emitter.number(plan.frame.extents[index].count)


def coefficient(emitter: Emitter, value: int, is_small: bool) -> str:
    """Return the text of a factor: a literal where no shape is in it, as of strides and paddings.

    The compiler then knows how the bounds of the copied rows vary.
    """
    if is_small and abs(value) <= FOLDED_LIMIT:
        return repr(value) if value >= 0 else f"({value})"
    return emitter.number(value)


def form_text(emitter: Emitter, form: Form, without: str = "") -> str:
    """Return the text of a linear form of counters."""
    terms = [coefficient(emitter, form.constant, form.is_small)]
    for index, factor in form.of.items():
        if index != without:
            text = coefficient(emitter, factor, form.is_small)
            terms.append(counter(index) if text == "1" else f"{text} * {counter(index)}")
    return " + ".join(terms)


def offset(emitter: Emitter, steps: Steps, indices: frozenset[str] | None = None) -> str:
    """Return the text of where a load reads, in elements; of some indices only, if given."""
    terms = [emitter.number(steps.base)] if steps.base else []
    for index, step in steps.of.items():
        if step and (indices is None or index in indices):
            text = emitter.number(step)
            terms.append(counter(index) if text == "1" else f"{counter(index)} * {text}")
    return " + ".join(terms) or "0"


def read(emitter: Emitter, steps: Steps) -> str:
    """Return the text of an element that counters say."""
    return f"{emitter.pointer(steps.array)}[{offset(emitter, steps)}]"
