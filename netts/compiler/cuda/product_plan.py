"""A contraction as cuBLAS computes it: operands, how its indices are laid out, and the products."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from netts.compiler.nest import Expr
from netts.compiler.operand import Frame, Operand, Steps
from netts.compiler.views import collapsed, readable
from netts.devices import gemm
from netts.devices.gemm import Gemm


@dataclass(frozen=True)
class Factor:
    """An operand as cuBLAS reads it: in place, or packed into scratch.

    Attributes
    ----------
    order
        The indices in the order in which a packed matrix stores them, outermost first.
    steps
        Where its elements are: in an array, or in its scratch.
    size
        The elements of scratch that it needs, 0 for a view.
    """

    operand: Operand
    order: tuple[str, ...]
    steps: Steps
    size: int


@dataclass(frozen=True)
class Layout:
    """What is chosen.

    Attributes
    ----------
    left_factors
        What the left operand multiplies.
    hoisted_rows, hoisted_columns
        How many of the outermost indices of each operand go around the product.
    is_direct
        Whether the product goes into the result.
    packs
        Which operands are packed even if they are matrices in place: to have a constant step.
    parts
        Into how many parts of the same length each sum is divided.
    """

    left_factors: tuple[Expr, ...]
    hoisted_rows: int
    hoisted_columns: int
    is_direct: bool
    packs: tuple[bool, bool] = (False, False)
    parts: int = 1


@dataclass(frozen=True)
class ProductPlan:
    """A contraction, or a block of one, ready to be printed.

    Attributes
    ----------
    calls
        Indices around the product: a call of cuBLAS for each combination of their values.
    batch
        Indices that one call runs over: each step of them is a constant step in memory.
    rows, columns, inner
        The indices that are collapsed into the axes of the product.
    total
        The place of each sum: in an array where `is_direct`, else in scratch. Where sums are
        divided, that of its first part; those of the next part follow behind all of them.
    continues
        Whether it is added to what an earlier block has left.
    """

    frame: Frame
    layout: Layout
    calls: tuple[str, ...]
    batch: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    inner: tuple[str, ...]
    left: Factor
    right: Factor
    total: Steps
    continues: bool = False

    @property
    def is_direct(self) -> bool:
        """Whether the product goes into the result."""
        return self.layout.is_direct

    @property
    def is_plain(self) -> bool:
        """Whether nothing is left to do after the products."""
        return self.is_direct and self.frame.contraction.is_plain

    @property
    def parts(self) -> int:
        """Into how many parts each sum is divided: products of a batch."""
        return self.layout.parts

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Rows and columns of a product, and the length of its sums, all parts together."""
        volume = self.frame.volume
        return volume(self.rows), volume(self.columns), volume(self.inner)

    @property
    def n_calls(self) -> int:
        """How often cuBLAS is called."""
        return self.frame.volume(self.calls)

    @property
    def multiply_adds(self) -> int:
        """How many products of two numbers are added up."""
        return math.prod(self.sizes) * self.frame.volume((*self.calls, *self.batch))

    @property
    def item_bytes(self) -> int:
        """The size of an element."""
        return 4 if self.frame.dtype == "float32" else 8

    @property
    def n_sums(self) -> int:
        """How many sums there are."""
        return self.frame.volume(self.total.of)

    @property
    def total_size(self) -> int:
        """The elements of scratch for the sums."""
        return 0 if self.is_direct else self.n_sums * self.parts

    @property
    def scratch_bytes(self) -> int:
        """The scratch of operands and sums together."""
        return (self.left.size + self.right.size + self.total_size) * self.item_bytes

    def gemms(self) -> Iterator[tuple[Gemm, tuple[int, int, int]]]:
        """Yield each product, with the first element of both operands and of the result."""
        m, n, k = self.sizes
        k //= self.parts
        left = self._matrix(self.left.steps, self.rows, m, self.inner, k)
        right = self._matrix(self.right.steps, self.inner, k, self.columns, n)
        out = self._matrix(self.total, self.rows, m, self.columns, n)
        is_added = self.continues or (self.is_plain and self.frame.contraction.accumulates)
        batch = self.frame.volume(self.batch)
        if self.parts > 1:
            batch = self.parts
            left, right = (
                replace(one, batch=k * self._step(self.inner, place))
                for one, place in ((left, self.left.steps), (right, self.right.steps))
            )
            out = replace(out, batch=self.n_sums)
        product = Gemm(self.frame.dtype, m, n, k, left, right, out, batch, is_added)
        places = (self.left.steps, self.right.steps, self.total)
        for values in itertools.product(
            *(range(self.frame.extents[one].count) for one in self.calls)
        ):
            first, second, third = (
                one.base
                + sum(one.of.get(i, 0) * v for i, v in zip(self.calls, values, strict=True))
                for one in places
            )
            yield product, (first, second, third)

    def _matrix(
        self, place: Steps, rows: tuple[str, ...], m: int, columns: tuple[str, ...], n: int
    ) -> gemm.Steps:
        steps = readable(self._step(rows, place), m, self._step(columns, place), n)
        assert steps is not None
        return gemm.Steps(*steps, self._step(self.batch, place))

    def _step(self, indices: tuple[str, ...], place: Steps) -> int:
        """Return the step of the axis that indices make."""
        step = collapsed(indices, place.of, self.frame.extents)
        assert step is not None
        return step
