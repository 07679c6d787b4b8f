"""Time per training step on the CPU, netts beside its peers.

    pytest bench/test_training_step.py -m bench --benchmark-json=step.json
    python bench/summarise.py step.json

Rounds of the libraries alternate, so that a busy moment of the machine hits all of them. A round
is a whole training from its start, divided by its steps: what a user waits for.
"""

from __future__ import annotations

import pytest
from peers import LIBRARIES, data

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


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Load every library, and compile netts's kernels, before anything is timed."""
    for train in LIBRARIES.values():
        for name, (batch_size, _, _) in NETS.items():
            sizes = tuple(map(int, name.split("-")))
            train(sizes, batch_size, 1, *data(sizes, 2 * batch_size))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_training_step(benchmark, net, library, round_):
    sizes = tuple(map(int, net.split("-")))
    batch_size, steps_per_epoch, all_epochs = NETS[net]
    epochs = dict(zip(LIBRARIES, all_epochs, strict=True))[library]
    X, y = data(sizes, batch_size * steps_per_epoch)
    benchmark.extra_info.update(
        case=f"{net}, batch {batch_size}", library=library, steps=epochs * steps_per_epoch
    )
    benchmark.pedantic(
        LIBRARIES[library], args=(sizes, batch_size, epochs, X, y), rounds=1, iterations=1
    )
