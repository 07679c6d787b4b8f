"""Loops that are vectorised whole: the last iterations run in masked lanes, none one by one.

LLVM makes of a loop of unknown length one of whole vectors, several at once, and a remainder that
runs one by one. Of a loop over 3 to 10 classes nearly everything is remainder, and an exponential
costs the same for one number as for a vector of them. `masked_loads` or `masked_stores` of
`runtime` marks such a loop, and here LLVM is asked to mask the lanes behind its end instead: the
mark becomes metadata of that loop, so no option of LLVM's changes for anybody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from llvmlite import ir
from llvmlite.ir.values import MDValue

_ENABLE = "llvm.loop.vectorize.predicate.enable"


class _LoopProperties(MDValue):
    """The properties of one loop: metadata that names itself first, so that no other equals it."""

    def __init__(self, module: Any, properties: Iterable[Any]) -> None:
        super().__init__(module, properties, name=str(len(module.metadata)))

    def descr(self, buf: list[str]) -> None:
        """Append the text behind the name."""
        every = ", ".join(one.get_reference() for one in (self, *self.operands))
        buf += (f"distinct !{{ {every} }}", "\n")


def mask_loops(module: ir.Module, marked: Iterable[ir.Block]) -> None:
    """Ask LLVM to mask the lanes behind the end of the innermost loop around each marked block.

    numba names blocks by the places of Python's instructions, so a loop is what lies between the
    block that a jump backwards goes to and the one that it comes from.
    """
    for block in marked:
        place = _place(block)
        jumps = [
            (_place(target), one.terminator)
            for one in block.function.blocks
            for target in _targets(one)
            if _place(target) <= place <= _place(one) and _is_first(target)
        ]
        if not jumps:
            continue
        start = max(first for first, _ in jumps)
        enable = module.add_metadata([_ENABLE, ir.Constant(ir.IntType(1), 1)])
        properties = _LoopProperties(module, [enable])
        for first, jump in jumps:
            if first == start:
                jump.set_metadata("llvm.loop", properties)


def _targets(block: ir.Block) -> list[ir.Block]:
    """Return the blocks that a block goes on with."""
    operands = block.terminator.operands if block.terminator is not None else ()
    return [one for one in operands if isinstance(one, ir.Block)]


def _place(block: ir.Block) -> int:
    """Return the place of the instruction that a block begins with, -1 before the first."""
    found = re.match(r"B(\d+)", block.name)
    return int(found[1]) if found else -1


def _is_first(block: ir.Block) -> bool:
    """Whether a block is the first of those of its instruction: the others have longer names."""
    return re.fullmatch(r"B\d+", block.name) is not None
