"""Scalar code as text for numba-cuda: what differs from the text for the CPU.

Arrays are pointers with parameters for extents and strides. Integers that fit 32 bits are computed
in 32 (`widths`). A test that fails leaves its mark and the value it met in `fault`, two words for
each test, and ends the thread; as each test has words of its own, threads that fail at once need no
atomic operation to leave a value that one of them met.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from netts.compiler.binding import Check, Word
from netts.compiler.cuda.widths import Widths, width_of
from netts.compiler.emit import Emitter
from netts.compiler.nest import Apply, Axis, Load, Loop, Store
from netts.compiler.scalars import ROWS, Type

FAULT_WORDS = 2
"""For each test: whether it failed, and the value."""

_COMPOSED = {
    "sigmoid": (
        "tail = math.exp(-abs(x))",
        "return (tail if x < {type}(0) else {type}(1)) / ({type}(1) + tail)",
    ),
    "softplus": ("return (x if x > {type}(0) else {type}(0)) + math.log1p(math.exp(-abs(x)))",),
}
"""Functions of netts's own that CUDA's library lacks, as `functions` has them."""


@dataclass
class CudaEmitter(Emitter):
    """Prints scalar code for one thread of a GPU."""

    is_vectorised = False

    widths: Widths | None = None  # element functions know nothing of their arguments
    _reciprocals: dict[str, tuple[str, str]] = field(default_factory=dict)
    """For what is divided by: the words of `reciprocal`."""

    def form(self, function: str) -> str:
        return ROWS[function].cuda or ROWS[function].cpu

    def need_function(self, function: str, type_name: str) -> None:
        if function in _COMPOSED:
            lines = [f"    {one.format(type=type_name)}" for one in _COMPOSED[function]]
            self.elements[f"{function}_{type_name}"] = "\n".join(["(x):", *lines])

    def word(self, word: Word) -> str:
        """Return the name of a parameter; scratch memory is one for each dtype and place.

        Places depend on shapes, so they are counted, and the code is the same for all shapes.
        """
        if word.kind != "scratch":
            return super().word(word)
        if word not in self.words:
            self.words.append(word)
        places = [one for one in self.words if one.kind == "scratch"]
        return f"scratch_{places.index(word)}"

    def _apply(self, expr: Apply) -> tuple[str, Type]:
        text, type_ = super()._apply(expr)
        if type_ is Type.INT and self.widths is not None and self.widths.fits(expr):
            text = f"int32({text})"
        return text, type_

    def assign(self, name: str, text: str) -> None:
        if self.binding.types.locals[name] is Type.INT:
            text = f"{self._width_of_local(name)}({text})"
        self.line(f"v_{name} = {text}")

    def _width_of_local(self, name: str) -> str:
        return "int32" if self.widths is not None and self.widths.fits_local(name) else "int64"

    def range(self, loop: Loop, start: str, stop: str) -> str:
        fits = self.widths is not None and self.widths.fits(loop.start, loop.stop)
        width = "int32" if fits else "int64"
        if loop.step == 1 and start == "0":
            return f"range({width}({stop}))"
        return f"range({width}({start}), {width}({stop}), {width}({loop.step}))"

    def offset(self, node: Load | Store) -> str:
        text = super().offset(node)
        # The whole is known to fit, so what its parts lose above 32 bits was of no account.
        assert self.widths is not None
        is_plain = text.isidentifier() or text.isdecimal()
        return text if is_plain or not self.widths.fits_offsets(node.array) else f"int32({text})"

    def _fail_if(self, test: str, value: str, check: Check) -> None:
        place = FAULT_WORDS * len(self.checks)
        self.checks.append(check)
        with self.indented(f"if {test}:"):
            self.line(f"{self.word(Word('fault'))}[{place}] = 1")
            self.line(f"fault[{place + 1}] = {value}")
            self.line("return")

    # ------------------------------------------------------------ iteration domains

    def count(self, axes: Sequence[Axis]) -> tuple[str, list[str]]:
        """Print how many iterations some axes have; return their integer type and each extent."""
        assert self.widths is not None
        width = "int32" if self.widths.fits_product(*(axis.extent for axis in axes)) else "int64"
        ends = []
        for position, axis in enumerate(axes):
            text = self.value(axis.extent, Type.INT)
            self.line(f"end_{position} = {width}({text}) if {text} > 0 else {width}(0)")
            ends.append(f"end_{position}")
            self._prepare_division(ends, self.widths.value(axis.extent), width)
        self.line(f"size = {width}({' * '.join(ends) or '1'})")
        return width, ends

    def count_known(self, counts: Sequence[int]) -> tuple[str, list[str]]:
        """Print how many iterations there are where the compiler knows; return as `count` does."""
        width = width_of(math.prod(counts))
        ends: list[str] = []
        for one in counts:
            ends.append(self.number(one))
            self._prepare_division(ends, one, width)
        self.line(f"size = {width}({' * '.join(ends) or '1'})")
        return width, ends

    def _prepare_division(self, ends: Sequence[str], count: int | None, width: str) -> None:
        """Let the last of some extents be divided by as a multiplication, where it is known.

        Nothing is divided by the first, and literals need no help.
        """
        if len(ends) > 1 and count is not None and width == "int32" and not ends[-1].isdecimal():
            factor, shift = reciprocal(max(count, 1))
            self._reciprocals[ends[-1]] = self.number(factor), self.number(shift)

    @contextmanager
    def flattened(
        self, names: Sequence[str], ends: Sequence[str], width: str, first: str, step: str
    ) -> Iterator[None]:
        """Print a loop over iterations `first`, `first + step`, ..., the last name fastest.

        Parameters
        ----------
        names
            Of what each axis counts.
        ends
            How far each counts.
        """
        with self.indented(f"for flat in range({width}({first}), size, {width}({step})):"):
            rest, unsigned = "flat", f"u{width}"
            for name, end in zip(reversed(names[1:]), reversed(ends[1:]), strict=True):
                if end in self._reciprocals:
                    factor, shift = self._reciprocals[end]
                    product = f"uint64({unsigned}({rest})) * uint64(uint32({factor}))"
                    self.line(f"quotient = {width}(({product}) >> uint64({shift}))")
                else:  # unsigned: rounding down takes more instructions for negative numbers
                    self.line(f"quotient = {width}({unsigned}({rest}) // {unsigned}({end}))")
                self.line(f"{name} = {width}({rest} - quotient * {end})")
                rest = self.fresh("quotient")
            for name in names[:1]:
                self.line(f"{name} = {rest}")
            yield


def reciprocal(divisor: int) -> tuple[int, int]:
    """Return f and s such that n // divisor is (n * f) >> s for every n below 2**31.

    f has 32 bits, so the product has 63. T. Granlund and P. L. Montgomery, "Division by invariant
    integers using multiplication", PLDI 1994, theorem 4.2: f exceeds 2**s / divisor by at most 1,
    and 2**(s - 31) is at least the divisor.
    """
    shift = 31 + (divisor - 1).bit_length()
    return (1 << shift) // divisor + 1, shift


def indices_of(axes: Sequence[Axis]) -> list[str]:
    """Return the names of the indices of axes in generated code."""
    return [f"v_{axis.index}" for axis in axes]
