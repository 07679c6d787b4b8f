"""Time per training step on the CPU, netts beside its peers.

    pytest bench/test_training_step.py -m bench --benchmark-json=step.json
    python bench/summarise.py step.json

Each library has a process of its own, and their rounds alternate, so that a busy moment of the
machine hits all of them. A round is a whole training from its start, divided by its steps: what a
user waits for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from peers import LIBRARIES, train
from separate import processes

NETS = {
    "4-16-16-3": (16, 1000, (40, 2, 1, 2, 5)),
    "64-100-50-10": (32, 300, (30, 3, 2, 3, 8)),
    "784-256-128-10": (128, 100, (5, 3, 3, 3, 3)),
    "1024-2048-2048-10": (512, 20, (1, 1, 1, 1, 1)),
}
"""Batch size, steps per epoch (so 16,000, 9,600, 12,800 and 10,240 samples), and for each
of `LIBRARIES` as many epochs as make a round of a fraction of a second."""

ROUNDS = 5

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module")
def workers() -> Iterator[dict[str, Any]]:
    """Load every library in its process, and compile what it compiles, before anything is timed."""
    with processes(LIBRARIES) as found:
        for library, worker in found.items():
            for name, (batch_size, *_) in NETS.items():
                worker.submit(train, library, name, batch_size, 2, 1).result()
        yield found


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_training_step(benchmark, workers, net, library, round_):
    batch_size, n_steps, all_epochs = NETS[net]
    epochs = dict(zip(LIBRARIES, all_epochs, strict=True))[library]
    benchmark.extra_info.update(
        case=f"{net}, batch {batch_size}", library=library, steps=epochs * n_steps
    )

    def run() -> None:
        workers[library].submit(train, library, net, batch_size, n_steps, epochs).result()

    benchmark.pedantic(run, rounds=1, iterations=1)
