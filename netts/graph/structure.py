"""What compiling comes to, kept by the form of what was recorded.

A training begins with the recordings of the training before, on other memory. Their tasks are fused
alike, their transients lie alike, and their operations are the same but for addresses and numbers.
So that is found once for each form (`form.py` says what that is), and filled in for all graphs that
have it. Nothing that is kept holds an argument, a buffer or an array of a graph.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from netts.devices.memory import Buffer
from netts.forks import ForkableLock
from netts.graph.arrangement import Arrangements
from netts.graph.form import Recordings, form_of
from netts.graph.fusion import Chain, fused_and_chains, fused_by
from netts.graph.memory import MemoryPlan, lifespans, pack

MOST_KEPT = 64
"""Structures: a search over sizes of layers and batches has some dozens. Each takes some kilobytes
besides what its kernels remember anyway; to make one anew costs about a millisecond."""


@dataclass(frozen=True)
class Places:
    """Where transients lie, by their numbers: the order in which tasks first name them."""

    offsets: tuple[tuple[int, int], ...]
    nbytes: int
    unshared_bytes: int

    @classmethod
    def of(cls, plan: MemoryPlan, transients: Sequence[Buffer]) -> Places:
        """Return the places of a plan."""
        numbers = {buffer: number for number, buffer in enumerate(transients)}
        offsets = tuple((numbers[buffer], offset) for buffer, offset in plan.offsets.items())
        return cls(offsets, plan.nbytes, plan.unshared_bytes)

    def plan(self, transients: Sequence[Buffer]) -> MemoryPlan:
        """Return the plan for these transients."""
        offsets = {transients[number]: offset for number, offset in self.offsets}
        return MemoryPlan(offsets, self.nbytes, self.unshared_bytes)


@dataclass(frozen=True)
class Structure:
    """What recordings of one form are compiled to.

    Attributes
    ----------
    chains
        How the tasks of each recording are fused.
    places
        Where their transients lie.
    arrangements
        Their operations on the CPU.
    """

    chains: Mapping[str, tuple[Chain, ...]]
    places: Places
    arrangements: Arrangements


@dataclass(frozen=True)
class Structured:
    """Recordings with what they are compiled to.

    Attributes
    ----------
    fused
        Their tasks, neighbours fused where that is possible.
    memory
        Where their transients are to lie.
    arrangements
        Of all recordings of this form.
    """

    fused: Recordings
    memory: MemoryPlan
    arrangements: Arrangements


class _Kept:
    """The structures that were used last."""

    def __init__(self) -> None:
        self._structures: dict[Hashable, Structure] = {}
        self._lock = ForkableLock()

    def __len__(self) -> int:
        return len(self._structures)

    def find(self, key: Hashable) -> Structure | None:
        with self._lock.current:
            found = self._structures.pop(key, None)
            if found is not None:
                self._structures[key] = found  # behind those that were used before it
            return found

    def keep(self, key: Hashable, structure: Structure) -> None:
        with self._lock.current:
            self._structures[key] = structure
            if len(self._structures) > MOST_KEPT:
                del self._structures[next(iter(self._structures))]

    def clear(self) -> None:
        with self._lock.current:
            self._structures.clear()


kept = _Kept()


def structured(recordings: Recordings) -> Structured:
    """Return recordings with tasks fused and memory planned, as those of some like them were.

    Raises
    ------
    GraphError
        Where a transient is read before it is written.
    """
    key, transients = form_of(recordings)
    structure = None if key is None else kept.find(key)
    if structure is not None:
        fused = {name: fused_by(structure.chains[name], recordings[name]) for name in recordings}
        return Structured(fused, structure.places.plan(transients), structure.arrangements)
    both = {name: fused_and_chains(tasks) for name, tasks in recordings.items()}
    fused = {name: tuple(task for task, _ in pairs) for name, pairs in both.items()}
    # The memory serves the tasks as they were recorded, which the reference runs, and fused.
    replayed = {f"{name}, fused": tasks for name, tasks in fused.items()}
    memory = pack(lifespans({**recordings, **replayed}))
    chains = {name: tuple(chain for _, chain in pairs) for name, pairs in both.items()}
    structure = Structure(chains, Places.of(memory, transients), Arrangements())
    if key is not None:
        kept.keep(key, structure)
    return Structured(fused, memory, structure.arrangements)
