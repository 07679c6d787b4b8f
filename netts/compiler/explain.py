"""What netts understood of a kernel, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.compiler.contraction import Contraction
from netts.compiler.cuda.product_plan import ProductPlan
from netts.compiler.nest import Nest, Set
from netts.compiler.plan import Matrix, Plan
from netts.compiler.recognise import find_contraction

if TYPE_CHECKING:
    from netts.compiler.kernel import Kernel


def explain(kernel: Kernel) -> str:
    """Return the explanation of a kernel; see `Kernel.explain`."""
    lines = [
        f"kernel {kernel.routine.name}({', '.join(kernel.parameters)})",
        f"  reads   {', '.join(sorted(kernel.reads)) or 'nothing'}",
        f"  writes  {', '.join(sorted(kernel.writes)) or 'nothing'}",
    ]
    number_of = 0
    for phase_number, phase in enumerate(kernel.routine.phases):
        if isinstance(phase, Nest):
            number_of += 1
            lines += _nest(kernel, phase_number, number_of, phase)
    return "\n".join(lines + _compiled(kernel))


def _nest(kernel: Kernel, number: int, ordinal: int, nest: Nest) -> list[str]:
    axes = ", ".join(f"{axis.index} < {axis.extent}" for axis in nest.axes)
    proof = kernel.proofs[number]
    lines = [f"  nest {ordinal}: parallel over {axes}"]
    for name, combine in proof.reductions.items():
        lines.append(f"    reduces {name} ({combine}) in a fixed order")
    if proof.scattered:
        lines.append(
            f"    adds at indices from data; {', '.join(sorted(proof.scattered))} in order"
        )
    found = find_contraction(nest) if kernel.last is None else kernel.last.reasons[number]
    if isinstance(found, Plan):
        lines += _plan(found)
    elif isinstance(found, Contraction):
        lines.append(f"    contraction: {_sum(found)}")
    else:
        lines.append(f"    no contraction: {found}")
    return lines


def _sum(found: Contraction) -> str:
    """Return a contraction as the formula that it is."""
    target = found.update.name if isinstance(found.update, Set) else str(found.update)
    sign = "-" if found.is_negative else "+"
    over = ", ".join(one.index for one in found.inner)
    product = " * ".join(map(str, (*found.scale, *found.factors)))
    return f"{target} {sign}= sum over {over} of {product}"


def _plan(plan: Plan) -> list[str]:
    """Return how BLAS computes a contraction."""
    found = plan.frame.contraction
    rows, columns, inner = (
        ", ".join(group) or "1" for group in (plan.rows, plan.columns, plan.inner)
    )
    lines = [
        f"    contraction: {_sum(found)}, by BLAS",
        f"      ({rows}) x ({inner}) times ({inner}) x ({columns})",
    ]
    around = (*plan.hoisted, *plan.batched, *plan.repeated)
    if around:
        lines.append(f"      one product for each {', '.join(around)}")
    if plan.split is not None:
        lines.append(f"      in {plan.split.blocks} blocks of {plan.split.index}")
    lines += [
        f"      {'turns' if one.is_turned else 'packs'} {_packed(one)}"
        for one in (plan.left, plan.right)
        if one.size
    ]
    where = str(found.result) if plan.is_direct else "scratch"
    lines.append(f"      into {where}" + ("" if plan.is_plain else ", then scalar code"))
    return lines


def _packed(matrix: Matrix) -> str:
    """Return what is packed, and where it is not zero."""
    text = " * ".join(map(str, matrix.operand.factors))
    conditions = len(matrix.operand.guards) + len(matrix.operand.masks)
    return f"{text} with {conditions} conditions" if conditions else text


def _compiled(kernel: Kernel) -> list[str]:
    if kernel.last is None and kernel.last_cuda is None:
        return ["  not compiled yet: it is when first called"]
    return _chosen(kernel) + _on_cpu(kernel) + _on_cuda(kernel)


def _chosen(kernel: Kernel) -> list[str]:
    """Return what "auto" took for the last call that left the device open."""
    found = kernel.last_estimates
    return [] if found is None else [f"  auto: {found.device}, {found.reason}"]


def _on_cpu(kernel: Kernel) -> list[str]:
    if kernel.last is None:
        return []
    lines = [f"  on the cpu, by costs: {kernel.last.costs}"]
    for one in kernel.last.operations:
        origin = "from the cache" if one.native.was_cached else "compiled now"
        split = f"up to {one.parts} parts" if one.parts > 1 else "one part"
        lines.append(
            f"    {one.label}: about {one.seconds * 1e6:.3g} us on one core, {split}, {origin}"
        )
    return lines


def _on_cuda(kernel: Kernel) -> list[str]:
    """Return the operations on a GPU, and for sums of products why they are computed like that."""
    if kernel.last_cuda is None:
        return []
    lines = ["  on cuda"]
    for phase, reason in kernel.last_cuda.reasons.items():
        nest = kernel.routine.phases[phase]
        assert isinstance(nest, Nest)
        if isinstance(find_contraction(nest), Contraction):
            lines.append(f"    {_products(reason)}")
    lines += [f"    {one.label}: {one.size}" for one in kernel.last_cuda.operations]
    return lines


def _products(reason: tuple[ProductPlan, ...] | str) -> str:
    """Return how cuBLAS computes a contraction, or why it does not."""
    if isinstance(reason, str):
        return f"sum of products by loops: {reason}"
    plan = reason[0]
    rows, columns, inner = (
        ", ".join(group) or "1" for group in (plan.rows, plan.columns, plan.inner)
    )
    hoisted = ", ".join((*plan.calls, *plan.batch))
    around = f", one for each {hoisted}" if hoisted else ""
    blocks = f", in {len(reason)} blocks" if len(reason) > 1 else ""
    where = str(plan.frame.contraction.result) if plan.is_direct else "scratch"
    return (
        f"sum of products by cuBLAS: ({rows}) x ({inner}) times ({inner}) x ({columns})"
        f"{around}{blocks}, into {where}"
    )
