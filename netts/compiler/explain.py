"""What netts understood of a kernel, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.compiler.contraction import Contraction, find_contraction
from netts.compiler.nest import Nest

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
    reason = find_contraction(nest) if kernel.last is None else kernel.last.reasons[number]
    if isinstance(reason, Contraction):
        lines.append(f"    contraction: {_product(reason)}")
    else:
        lines.append(f"    no contraction: {reason}")
    return lines


def _product(found: Contraction) -> str:
    left = found.left.array + ("" if found.left.row_axis == 0 else "'")
    right = found.right.array + ("" if found.right.row_axis == 0 else "'")
    result = f"{found.out.array} {'+=' if found.accumulates else '='} {left} @ {right} by BLAS"
    return result if found.is_plain else f"{result}, then scalar code"


def _compiled(kernel: Kernel) -> list[str]:
    if kernel.last is None:
        return ["  not compiled yet: it is when first called"]
    lines = ["  on the cpu:"]
    for one in kernel.last.operations:
        origin = "from the cache" if one.native.was_cached else "compiled now"
        split = f"up to {one.parts} parts" if one.parts > 1 else "one part"
        lines.append(
            f"    {one.label}: about {one.seconds * 1e6:.3g} us on one core, {split}, {origin}"
        )
    return lines
