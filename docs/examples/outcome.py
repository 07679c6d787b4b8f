"""What an example has to show at its end: its score, beside the one that Deep Netts publishes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What an example found."""

    data: str
    split: str
    measure: str
    score: float
    published: str
    """The figure of Deep Netts, or why there is none."""
    notes: tuple[str, ...] = ()


def show(example: Callable[[], Outcome]) -> None:
    """Run an example, and print what it found and how long it took."""
    start = time.perf_counter()
    outcome = example()
    seconds = time.perf_counter() - start
    print(f"data       {outcome.data}")
    print(f"split      {outcome.split}")
    print(f"{outcome.measure:10} {outcome.score:.4g}")
    print(f"published  {outcome.published}")
    for note in outcome.notes:
        print(f"note       {note}")
    print(f"seconds    {seconds:.1f}")
