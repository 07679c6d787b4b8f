"""Snapshots of what a network has learned, as recordings of a training session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netts.devices.memory import BufferView
from netts.errors import BrokenModelError
from netts.graph import TaskGraph
from netts.network.parameters import ParameterSet
from netts.training.kernels import copy_vector, count_troubles, keep_sound


class Snapshots:
    """Copies of parameters, and of layer state where there is some, in numbered slots.

    On a device with memory of its own they stay there. Recordings are `keep_0`, which copies to
    the first slot, `restore_0`, which copies back, and so on.

    Parameters
    ----------
    learned
        What is copied.
    n_slots
    """

    def __init__(self, learned: Sequence[ParameterSet], n_slots: int) -> None:
        self._learned = [one.flat for one in learned]
        self._slots = [
            [one.like(f"snapshot {slot}").flat for one in learned] for slot in range(n_slots)
        ]

    def record(self, graph: TaskGraph) -> None:
        """Record the copies to and from each slot."""
        for slot, copies in enumerate(self._slots):
            kept = list(zip(self._learned, copies, strict=True))
            with graph.recording(f"keep_{slot}"):
                for flat, copy in kept:
                    copy_vector(flat, copy)
            with graph.recording(f"restore_{slot}"):
                for flat, copy in kept:
                    copy_vector(copy, flat)

    def record_sound(
        self, graph: TaskGraph, losses: BufferView, not_finite: BufferView, troubles: BufferView
    ) -> None:
        """Record `keep_sound`, which copies to the first slot what is free of trouble.

        Parameters
        ----------
        graph
        losses, not_finite
            Of the epochs of a run: what has to be finite, and how many parameters were not.
        troubles
            Int64 of shape (1,), for the count of what was not finite.
        """
        with graph.recording("keep_sound"):
            count_troubles(losses, not_finite, troubles)
            for flat, copy in zip(self._learned, self._slots[0], strict=True):
                keep_sound(flat, troubles, copy)

    def copied(self, slot: int) -> tuple[np.ndarray, ...]:
        """Return copies of what a slot holds: parameters, and layer state if there is some."""
        return tuple(one.read().copy() for one in self._slots[slot])

    def write(self, slot: int, arrays: Sequence[np.ndarray]) -> None:
        """Write a slot.

        Raises
        ------
        BrokenModelError
            Where the arrays are none of this network.
        """
        views = self._slots[slot] if slot < len(self._slots) else []
        kinds = [(one.shape, one.dtype) for one in arrays]
        if kinds != [(one.shape, one.dtype) for one in views]:
            raise BrokenModelError("a snapshot of the checkpoint is none of this network")
        for view, array in zip(views, arrays, strict=True):
            view.array[...] = array
