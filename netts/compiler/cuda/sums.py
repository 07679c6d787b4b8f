"""How the rest of a nest reads the sums that products have computed, whole or in parts.

The parts of a divided sum are read by the threads of a block, each some of them, and added up in
shared memory in a fixed order.
"""

from __future__ import annotations

from netts.compiler.binding import Word
from netts.compiler.cuda.emit import CudaEmitter
from netts.compiler.cuda.product_plan import ProductPlan
from netts.compiler.cuda.rows import COMBINED, RowEmitter, reduce_in_block
from netts.compiler.cuda.widths import width_of
from netts.compiler.epilogue import result_element
from netts.compiler.scalars import Type

PARTS = "0"
"""In place of the name of a scalar, for the sum of parts: no scalar of a kernel is called that."""


def read_sum(emitter: CudaEmitter, plan: ProductPlan, total: Word) -> str:
    """Return the text of a sum, where the indices that it varies with have their values."""
    if plan.is_direct:
        return result_element(emitter, plan.frame.contraction)
    if plan.parts > 1:
        assert isinstance(emitter, RowEmitter)
        return _add_parts(emitter, plan, total)
    return f"{emitter.word(total)}[{width_of(plan.total_size)}({_place(emitter, plan)})]"


def declare_parts(emitter: RowEmitter, plan: ProductPlan) -> None:
    """Print the memory that the threads of a block add up parts in."""
    emitter.line(f'shared_{PARTS} = cuda.shared.array({emitter.threads}, "{plan.frame.dtype}")')


def _add_parts(emitter: RowEmitter, plan: ProductPlan, total: Word) -> str:
    """Print the sum of the parts of a sum; return where it is."""
    width, type_ = width_of(plan.total_size), Type(plan.frame.dtype)
    place, size = emitter.fresh(f"{width}({_place(emitter, plan)})"), emitter.number(plan.n_sums)
    turns = f"range(lane, int32({emitter.number(plan.parts)}), int32({emitter.threads}))"
    emitter.line(f"v_{PARTS} = {type_.value}(0)")
    with emitter.indented(f"for one in {turns}:"):
        element = f"{emitter.word(total)}[{width}({place} + {width}(one) * {size})]"
        emitter.line(f"v_{PARTS} = v_{PARTS} + {element}")
    reduce_in_block(emitter, {PARTS: (f"shared_{PARTS}", COMBINED["add"])}, emitter.threads)
    value = emitter.fresh(f"shared_{PARTS}[0]")
    emitter.barrier()
    return value


def _place(emitter: CudaEmitter, plan: ProductPlan) -> str:
    """Return the text of which sum it is, or which first part."""
    terms = []
    for index, step in plan.total.of.items():
        extent = plan.frame.extents[index]
        if extent.count > 1:
            first = emitter.number(extent.first)
            text = f"v_{index}" if first == "0" else f"(v_{index} - {first})"
            terms.append(text if step == 1 else f"{text} * {emitter.number(step)}")
    return " + ".join(terms) or "0"
