"""The cpu lowering: each nest becomes one serial function that does its share of the outer axis.

A lowered kernel is a list of operations, run one after the other:

- a nest, `entry(args, part, parts)`, splittable along its first axis whose iterations do not add to
  common elements; a contraction calls BLAS on its share of the rows and then applies the epilogue;
- the combination of a reduction's partial results with the scalar statements behind the nest.

A reduction is split into blocks whose number depends on shapes only, and the partial results are
combined in the order of the blocks, so a sum has the same bits on one core and on all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from netts.compiler.binding import Binding, Word
from netts.compiler.emit import Emitter
from netts.compiler.interchange import emit_column_sums, find_column_sums
from netts.compiler.nest import (
    Apply,
    Expr,
    Load,
    Local,
    Nest,
    Routine,
    Set,
    Stmt,
    assigned,
    body_of,
    expressions,
    stores,
    walk_expression,
    walk_statements,
)
from netts.compiler.plan import Plan
from netts.compiler.products import Products, loops_over
from netts.compiler.program import Program, assembled
from netts.compiler.races import Independence
from netts.compiler.scalars import DIVISIONS, Type
from netts.compiler.tails import emit_tail, find_tail
from netts.compiler.threads import most_threads

BLOCKS = 64
"""Blocks of a reduction: enough for the cores of a machine, few enough to combine at once."""

BLOCK_ITERATIONS = 8192
"""Reductions with fewer iterations are one block: about 4 us of additions, less than a wake-up."""

ALIGNMENT_BYTES = 64
"""A cache line."""

LEAST_SLOTS = 4
"""Parts that have scratch even on a machine of fewer threads: tests ask for more than there are."""


@dataclass(frozen=True)
class Lowered:
    """A lowered kernel: its operations in order, and the scratch memory that they share."""

    programs: tuple[Program, ...]
    scratch_bytes: int


def lower(
    routine: Routine,
    proofs: Mapping[int, Independence],
    binding: Binding,
    plans: Mapping[int, Plan],
) -> Lowered:
    """Generate the code of a routine.

    Parameters
    ----------
    proofs
        What was proved of each nest, by phase.
    plans
        How BLAS does the nests, by phase, that it does with these arguments.
    """
    return Lowering(routine, proofs, binding, plans).lowered()


@dataclass
class Lowering:
    """Turns the phases of a routine into programs; the CUDA lowering overrides what differs."""

    routine: Routine
    proofs: Mapping[int, Independence]
    binding: Binding
    plans: Mapping[int, Plan]
    slots: dict[str, int] = field(default_factory=dict)
    partials: dict[tuple[int, str], int] = field(default_factory=dict)
    scratch_bytes: int = 0

    def __post_init__(self) -> None:
        every = [one for phase in self.routine.phases for one in walk_statements(body_of(phase))]
        written = {
            self.binding.canonical(one.array)
            for phase in self.routine.phases
            for one in stores(body_of(phase))
        }
        names = [one.name for one in every if isinstance(one, Set)]
        reduced = {name for proof in self.proofs.values() for name in proof.reductions}
        self.fixed: dict[str, Set] = {}
        self.initial: dict[str, Set] = {}
        for phase in self.routine.phases:
            if not isinstance(phase, Set) or not self._is_fixed(phase.value, written):
                continue
            if names.count(phase.name) == 1:
                self.fixed[phase.name] = phase
            elif phase.name in reduced and self._top_level_sets(phase.name) == 1:
                self.initial[phase.name] = phase
        self._unfix_the_unread()

    def _unfix_the_unread(self) -> None:
        """Take from the recomputed scalars those that nothing would compute, if they may fail.

        With them go those that read them: what is not read by anything has no reader that is.
        """
        read = self._needed(
            tuple(
                one
                for phase in self.routine.phases
                if not (isinstance(phase, Set) and phase.name in self.fixed)
                for one in (*body_of(phase), *extents_of(phase))
            )
        )
        taken: set[str] = set()
        for name in [name for name in self.fixed if name not in read]:
            value = self.fixed[name].value
            reads = {one.name for one in walk_expression(value) if isinstance(one, Local)}
            if self._may_fail(value) or reads & taken:
                taken.add(name)
                del self.fixed[name]

    def _may_fail(self, value: Expr) -> bool:
        """Whether a value is tested at run time: a subscript, or a divisor that is no literal."""
        tested = {node for node, _ in self.binding.unproved}
        return any(
            one.function in DIVISIONS if isinstance(one, Apply) else id(one) in tested
            for one in walk_expression(value)
        )

    def _is_fixed(self, value: Expr, written: set[str]) -> bool:
        """Whether a top-level value depends on nothing that the kernel changes."""
        return not any(
            (isinstance(one, Load) and self.binding.canonical(one.array) in written)
            or (isinstance(one, Local) and one.name not in self.fixed)
            for one in walk_expression(value)
        )

    def _top_level_sets(self, name: str) -> int:
        return sum(isinstance(one, Set) and one.name == name for one in self.routine.phases)

    def lowered(self) -> Lowered:
        """Return the programs of all phases, in order."""
        programs: list[Program] = []
        nest: int | None = None  # whose reductions wait to be combined
        scalars: list[Stmt] = []
        done: set[str] = set()

        def combine(phase: int) -> None:
            nonlocal nest
            if nest is not None or scalars:
                programs.append(self._combination(phase, nest, scalars, done))
            scalars.clear()
            nest = None

        for number, phase in enumerate(self.routine.phases):
            if isinstance(phase, Nest):
                combine(number)
                programs += self._nest(number, phase, done)
                nest = number if self.proofs[number].reductions else None
            elif not (isinstance(phase, Set) and phase in self._recomputed()):
                scalars.append(phase)
        combine(len(self.routine.phases))
        return Lowered(tuple(programs), self.scratch_bytes)

    def _recomputed(self) -> Sequence[Set]:
        return (*self.fixed.values(), *self.initial.values())

    # ------------------------------------------------------------ operations

    def _nest(self, number: int, nest: Nest, done: set[str]) -> Sequence[Program]:
        emitter = self._emitter()
        reductions = self.proofs[number].reductions
        self._bring(emitter, (*nest.body, *extents_of(nest)), done, without=set(reductions))
        plan = self.plans.get(number)
        split = self._split_axis(number, nest)
        if plan is not None:
            self._contract(emitter, nest, plan)
        elif reductions:
            self._reduce(emitter, number, nest)
        else:
            ends = [emitter.value(axis.extent, Type.INT) for axis in nest.axes]
            limits = [("0", end) for end in ends]
            if split is not None:
                limits[split] = self._share(emitter, ends[split])
            sums = find_column_sums(nest, self.binding)
            if sums is None:
                self._as_written(emitter, nest, limits)
            else:
                emit_column_sums(
                    emitter, sums, nest, limits[0], lambda: loops_over(emitter, nest, limits)
                )
        # Blocks of a reduction are of the first axis, whichever axes are independent.
        is_splittable = split == 0 if reductions else split is not None
        return [self._assembled(emitter, self._label(number), number, is_splittable, plan)]

    def _as_written(self, emitter: Emitter, nest: Nest, limits: Sequence[tuple[str, str]]) -> None:
        tail = find_tail(nest, self.binding)
        if tail is None:
            loops_over(emitter, nest, limits)
        else:
            loops_over(emitter, nest, limits, partial(emit_tail, emitter, tail))

    def _emitter(self) -> Emitter:
        return Emitter(self.binding)

    def _assembled(
        self, emitter: Emitter, label: str, phase: int, is_splittable: bool, plan: Plan | None
    ) -> Program:
        return assembled(emitter, label, phase, is_splittable, plan)

    def _label(self, number: int) -> str:
        nests = [n for n, phase in enumerate(self.routine.phases) if isinstance(phase, Nest)]
        suffix = f" nest {nests.index(number) + 1}" if len(nests) > 1 else ""
        return self.routine.name + suffix

    def _split_axis(self, number: int, nest: Nest) -> int | None:
        """Return the axis to share between parts: the first whose iterations are independent."""
        scattered = self.proofs[number].scattered
        free = [n for n, index in enumerate(nest.indices) if index not in scattered]
        return free[0] if free else None

    def _share(self, emitter: Emitter, end: str) -> tuple[str, str]:
        emitter.line(f"low = part * {end} // parts")
        emitter.line(f"high = (part + 1) * {end} // parts")
        return "low", "high"

    def _reduce(self, emitter: Emitter, number: int, nest: Nest) -> None:
        ends = [emitter.value(axis.extent, Type.INT) for axis in nest.axes]
        self._count_blocks(emitter, ends)
        with emitter.indented(
            "for block in range(part * blocks // parts, (part + 1) * blocks // parts):"
        ):
            for name, combine in self.proofs[number].reductions.items():
                type_ = self.binding.types.concrete(self.binding.types.locals[name])
                emitter.line(f"v_{name} = {identity(type_, combine)}")
            emitter.line(f"low = block * {ends[0]} // blocks")
            emitter.line(f"high = (block + 1) * {ends[0]} // blocks")
            loops_over(emitter, nest, [("low", "high"), *(("0", end) for end in ends[1:])])
            for name in self.proofs[number].reductions:
                offset = self._partials(number, name)
                emitter.line(f"{self._scratch(emitter, name, offset)}[block] = v_{name}")

    def _count_blocks(self, emitter: Emitter, ends: Sequence[str]) -> None:
        size = " * ".join(ends)
        emitter.line(f"blocks = 1 if {size} < {BLOCK_ITERATIONS} else min({ends[0]}, {BLOCKS})")

    def _combination(
        self, number: int, nest: int | None, scalars: Sequence[Stmt], done: set[str]
    ) -> Program:
        """Print the combination of partial results, and the scalar statements behind the nest."""
        emitter = self._emitter()
        changed: list[str] = []
        combined: tuple[Stmt, ...] = ()
        if nest is not None:
            phase = self.routine.phases[nest]
            assert isinstance(phase, Nest)
            changed += self.proofs[nest].reductions
            combined = tuple(Set("", Local(name)) for name in changed) + extents_of(phase)
        # What is assigned under a condition, or in a loop, may keep its value.
        compound = tuple(one for one in scalars if not isinstance(one, Set))
        kept = tuple(Set("", Local(name)) for name in sorted(assigned(compound)))
        self._bring(emitter, (*combined, *kept, *scalars), done, without=set())
        if nest is not None:
            self._combine(emitter, nest)
        emitter.block(tuple(scalars))
        changed += [one.name for one in walk_statements(tuple(scalars)) if isinstance(one, Set)]
        for name in dict.fromkeys(changed):
            if self._is_read_after(number, name):
                emitter.line(f"{self._scratch(emitter, name, self._slot(name))}[0] = v_{name}")
        done.update(changed)
        label = f"{self.routine.name} {'combine' if nest is not None else 'scalars'}"
        return self._assembled(emitter, label, number - 1, False, None)

    def _combine(self, emitter: Emitter, nest: int) -> None:
        phase = self.routine.phases[nest]
        assert isinstance(phase, Nest)
        self._count_blocks(emitter, [emitter.value(a.extent, Type.INT) for a in phase.axes])
        texts = {
            "add": "{0} = {0} + {1}",
            "max": "{0} = {1} if {1} > {0} else {0}",
            "min": "{0} = {1} if {1} < {0} else {0}",
        }
        for name, combine in self.proofs[nest].reductions.items():
            partials = self._scratch(emitter, name, self._partials(nest, name))
            with emitter.indented("for block in range(blocks):"):
                emitter.line(texts[combine].format(f"v_{name}", f"{partials}[block]"))

    def _is_read_after(self, number: int, name: str) -> bool:
        return any(
            Local(name) in walk_expression(expr)
            for phase in self.routine.phases[number:]
            for one in (*walk_statements(body_of(phase)), *extents_of(phase))
            for expr in expressions(one)
        )

    # ------------------------------------------------------------ scalars between operations

    def _bring(
        self, emitter: Emitter, statements: Sequence[Stmt], done: set[str], without: set[str]
    ) -> None:
        """Print the top-level scalars that statements read: recomputed, or from their slots."""
        needed = self._needed(statements) - without
        for phase in self.routine.phases:
            if not isinstance(phase, Set) or phase.name not in needed:
                continue
            is_initial = phase.name in self.initial and phase.name not in done
            if phase.name in self.fixed or is_initial:
                emitter.statement(phase)
        for name in sorted(needed & set(self.slots)):
            if name in done:
                emitter.line(f"v_{name} = {self._scratch(emitter, name, self.slots[name])}[0]")

    def _needed(self, statements: Sequence[Stmt]) -> set[str]:
        """Return the locals that statements read, and those that fixed ones among them read."""
        found: set[str] = set()
        waiting = [e for one in walk_statements(tuple(statements)) for e in expressions(one)]
        while waiting:
            for one in walk_expression(waiting.pop()):
                if isinstance(one, Local) and one.name not in found:
                    found.add(one.name)
                    source = self.fixed.get(one.name) or self.initial.get(one.name)
                    if source is not None:
                        waiting.append(source.value)
        return found

    def _slot(self, name: str) -> int:
        if name not in self.slots:
            self.slots[name] = self._reserve(8)
        return self.slots[name]

    def _partials(self, number: int, name: str) -> int:
        if (number, name) not in self.partials:
            self.partials[number, name] = self._reserve(8 * BLOCKS)
        return self.partials[number, name]

    def _reserve(self, n_bytes: int) -> int:
        offset = -(-self.scratch_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        self.scratch_bytes = offset + n_bytes
        return offset

    def _scratch(self, emitter: Emitter, name: str, offset: int) -> str:
        """Return the text of a pointer to scratch memory for values of a local's type."""
        type_ = self.binding.types.concrete(self.binding.types.locals[name])
        pointer = "pointer_int64" if type_ is Type.BOOL else f"pointer_{type_.value}"
        emitter.runtime.add(pointer)
        return f"{pointer}({emitter.word(Word('scratch'))} + {offset})"

    # ------------------------------------------------------------ contractions

    def _contract(self, emitter: Emitter, nest: Nest, plan: Plan) -> None:
        """Print a contraction with scratch for as many parts as there are threads or units."""
        slots = min(plan.units, max(most_threads(), LEAST_SLOTS))
        item_bytes = np.dtype(plan.frame.dtype).itemsize
        scratch = self._reserve(slots * plan.scratch_elements * item_bytes)
        Products(emitter, plan, nest, scratch, slots).emit()


def extents_of(phase: Stmt | Nest) -> tuple[Set, ...]:
    """Return the extents of a nest, as statements that read them."""
    return tuple(Set("", axis.extent) for axis in phase.axes) if isinstance(phase, Nest) else ()


def identity(type_: Type, combine: str) -> str:
    """Return the text of what leaves a combination unchanged."""
    if combine == "add":
        return f"{type_.value}(0)"
    sign = "-" if combine == "max" else ""
    if type_ is Type.INT:
        return f"int64({sign}{2**63 - 1})"
    return f"{type_.value}({sign}math.inf)"
