"""The text of a contraction: for each unit of work pack, multiply, and run the rest of the nest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netts.compiler.binding import Word
from netts.compiler.emit import Emitter
from netts.compiler.epilogue import result_element, sums_read
from netts.compiler.nest import Const, Loop, Nest, Stmt
from netts.compiler.operand import Steps
from netts.compiler.packing import (
    Packing,
    counter,
    counter_range,
    define_index,
    offset,
)
from netts.compiler.plan import LINE, Matrix, Plan
from netts.compiler.scalars import Type

Limits = Sequence[tuple[str, str] | None]
"""The ends of each parallel loop, None where the index has a value already."""


class Products:
    """Prints a contraction into an emitter.

    Parameters
    ----------
    scratch_offset
        Where the scratch of this nest starts, in bytes.
    slots
        How many parts have scratch of their own; more than that find nothing to do.
    """

    def __init__(
        self, emitter: Emitter, plan: Plan, nest: Nest, scratch_offset: int, slots: int
    ) -> None:
        self.emitter, self.plan, self.nest = emitter, plan, nest
        self.scratch_offset, self.slots = scratch_offset, slots
        self.contraction = plan.frame.contraction
        self.dtype = plan.frame.dtype
        self.item_bytes = 4 if self.dtype == "float32" else 8
        self.type = Type(self.dtype)

    def emit(self) -> None:
        """Print everything."""
        emitter, plan = self.emitter, self.plan
        emitter.blas.add(f"gemm_{self.dtype}")
        emitter.runtime.add(f"pointer_{self.dtype}")
        slots = emitter.number(self.slots)
        with emitter.indented(f"if part >= {slots}:"):
            emitter.line("return 0")
        emitter.line(f"parts = min(parts, {slots})")
        self._scratch()
        matrices = {"left": plan.left, "right": plan.right}
        for name, matrix in matrices.items():
            if matrix.size:
                emitter.line(f"packed_{name} = -1")
        units = emitter.number(plan.units)
        with emitter.indented(
            f"for unit in range(part * {units} // parts, (part + 1) * {units} // parts):"
        ):
            self._unit()
            self._around(plan.batched, self._repeated)
            if not plan.is_plain:
                self._rest()

    def _scratch(self) -> None:
        """Print where each scratch matrix of this part lies."""
        emitter, plan = self.emitter, self.plan
        sizes = {"left": plan.left.size, "right": plan.right.size, "total": plan.total_size}
        if not any(sizes.values()):
            return
        slot_bytes = emitter.number(plan.scratch_elements * self.item_bytes)
        start = emitter.number(self.scratch_offset)
        emitter.line(f"here = {emitter.word(Word('scratch'))} + {start} + part * {slot_bytes}")
        for name, size in sizes.items():
            if size:
                emitter.line(f"address_of_{name} = here")
                emitter.line(f"{name} = pointer_{self.dtype}(here)")
                step = emitter.number(-(-size // LINE) * LINE * self.item_bytes)
                emitter.line(f"here += {step}")

    def _unit(self) -> None:
        """Print which values of the hoisted indices, and which block, a unit is."""
        emitter, plan = self.emitter, self.plan
        emitter.line("rest = unit")
        if plan.split is not None:
            blocks, block = emitter.number(plan.split.blocks), emitter.number(plan.split.block)
            count = emitter.number(plan.frame.extents[plan.split.index].count)
            emitter.line(f"low = rest % {blocks} * {block}")
            emitter.line(f"high = min(low + {block}, {count})")
            emitter.line(f"rest = rest // {blocks}")
        for index in reversed(plan.hoisted):
            count = emitter.number(plan.frame.extents[index].count)
            emitter.line(f"{counter(index)} = rest % {count}")
            emitter.line(f"rest = rest // {count}")
            define_index(emitter, index, plan.frame.extents[index])

    def _around(self, indices: tuple[str, ...], body: Callable[[], None]) -> None:
        """Print loops over serial indices."""
        if not indices:
            body()
            return
        count = self.emitter.number(self.plan.frame.extents[indices[0]].count)
        with self.emitter.indented(f"for {counter(indices[0])} in range({count}):"):
            define_index(self.emitter, indices[0], self.plan.frame.extents[indices[0]])
            self._around(indices[1:], body)

    def _repeated(self) -> None:
        self.emitter.line(f"beta = {int(self.contraction.accumulates and self.plan.is_plain)}")
        self._around(self.plan.repeated, self._multiply)

    def _multiply(self) -> None:
        emitter, plan = self.emitter, self.plan
        left = self._matrix("left", plan.left)
        right = self._matrix("right", plan.right)
        blas = emitter.word(Word("blas", "sgemm" if self.dtype == "float32" else "dgemm"))
        rows, columns, inner = (
            self._count(group) for group in (plan.rows, plan.columns, plan.inner)
        )
        out = self._address(plan.total, "total")
        steps = [
            emitter.number(one)
            for one in (
                plan.left.outer_step, plan.left.inner_step, plan.right.inner_step,
                plan.right.outer_step, plan.row_step, plan.column_step,
            )
        ]  # fmt: skip
        emitter.line(
            f"gemm_{self.dtype}({blas}, {rows}, {columns}, {inner}, {left}, {steps[0]}, "
            f"{steps[1]}, {right}, {steps[2]}, {steps[3]}, beta, {out}, {steps[4]}, {steps[5]})"
        )
        if plan.repeated:
            emitter.line("beta = 1")

    def _count(self, group: tuple[str, ...]) -> str:
        """Return the text of the extent of an axis of this product."""
        plan, emitter = self.plan, self.emitter
        others = 1
        text = ""
        for index in group:
            if plan.split is not None and plan.split.index == index:
                text = "(high - low)"
            else:
                others *= plan.frame.extents[index].count
        number = emitter.number(others)
        return f"{text} * {number}" if text else number

    def _matrix(self, name: str, matrix: Matrix) -> str:
        """Print the packing of an operand, where it needs any; return the text of its address."""
        if not matrix.size:
            assert matrix.operand.view is not None
            return self._address(matrix.operand.view, name)
        emitter, plan = self.emitter, self.plan
        around = [one for one in (*plan.hoisted, *plan.batched, *plan.repeated)
                  if one in matrix.operand.indices]  # fmt: skip
        key = "0"
        for index in around:
            count = emitter.number(plan.frame.extents[index].count)
            key = counter(index) if key == "0" else f"({key}) * {count} + {counter(index)}"
        if plan.split is not None and plan.split.index in matrix.operand.indices:
            count = emitter.number(plan.frame.extents[plan.split.index].count)
            key = f"({key}) * {count} + low"
        emitter.line(f"key = {key}")
        with emitter.indented(f"if key != packed_{name}:"):
            emitter.line(f"packed_{name} = key")
            Packing(emitter, plan, matrix, name, self.type).emit()
        return f"address_of_{name}"

    def _address(self, steps: Steps, name: str) -> str:
        """Return the text of the address of a product's first element."""
        emitter, plan = self.emitter, self.plan
        fixed = {*plan.hoisted, *plan.batched, *plan.repeated}
        if not steps.array:
            fixed -= set(plan.hoisted)
        first = offset(emitter, steps, frozenset(fixed))
        if steps.array:
            emitter.pointer(steps.array)
            canonical = emitter.binding.canonical(steps.array)
            address = f"address_{canonical}"
            if plan.split is not None and steps.of.get(plan.split.index):
                first += f" + low * {emitter.number(steps.of[plan.split.index])}"
        else:
            address = f"address_of_{name}"
        return address if first == "0" else f"{address} + ({first}) * {self.item_bytes}"

    # ------------------------------------------------------------ the rest of the nest

    def _rest(self) -> None:
        """Print the nest with the sum read from where the product is."""
        emitter, plan, found = self.emitter, self.plan, self.contraction
        limits: list[tuple[str, str] | None] = []
        with sums_read(emitter, found, self.type, self._sum):
            for axis in self.nest.axes:
                is_fixed = axis.index in plan.hoisted
                limits.append(None if is_fixed else counter_range(emitter, plan, axis.index))
            loops_over(emitter, self.nest, limits)

    def _sum(self) -> str:
        emitter, plan = self.emitter, self.plan
        if plan.is_direct:
            return result_element(emitter, self.contraction)
        terms = []
        for index, step in plan.total.of.items():
            if plan.frame.extents[index].count == 1:
                continue
            text = f"v_{index}"
            if plan.split is not None and plan.split.index == index:
                text = f"({text} - low)"
            elif plan.frame.extents[index].first:
                text = f"({text} - {emitter.number(plan.frame.extents[index].first)})"
            number = emitter.number(step)
            terms.append(text if number == "1" else f"{text} * {number}")
        return f"total[{' + '.join(terms) or '0'}]"


def loops_over(
    emitter: Emitter,
    nest: Nest,
    limits: Limits,
    innermost: Callable[[Loop, tuple[str, str]], None] | None = None,
) -> None:
    """Print the loops over the parallel axes, each between its limits.

    Parameters
    ----------
    innermost
        Prints the last of them in another way.
    """
    axes = [(one, limit) for one, limit in zip(nest.axes, limits, strict=True) if limit is not None]

    def loop_inside(position: int) -> tuple[Stmt, ...]:
        body = nest.body
        for one, _ in reversed(axes[position:]):
            body = (Loop(one.index, Const(0), one.extent, 1, body),)
        return body

    def printed(position: int) -> None:
        if position == len(axes):
            emitter.block(nest.body)
            return
        (loop,) = loop_inside(position)
        assert isinstance(loop, Loop)
        if innermost is not None and position == len(axes) - 1:
            innermost(loop, axes[position][1])
        else:
            emitter.loop(loop, axes[position][1], lambda: printed(position + 1))

    printed(0)
