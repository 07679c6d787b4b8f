"""Time per training step of dense networks on the CPU, netts beside its peers.

    python -m bench run training_step

Each library has a process of its own, and their rounds alternate, so that a busy moment of the
machine hits all of them. A round is a whole training from its start, divided by its steps: what a
user waits for.
"""

from __future__ import annotations

import pytest

from bench.peers import LIBRARIES, train
from bench.size import installed, sized

NETS = sized(
    {
        "4-16-16-3": (16, 1000, (40, 2, 1, 2, 5)),
        "64-100-50-10": (32, 300, (30, 3, 2, 3, 8)),
        "784-256-128-10": (128, 100, (5, 3, 3, 3, 3)),
        "1024-2048-2048-10": (512, 20, (1, 1, 1, 1, 1)),
    },
    smoke={"4-16-16-3": (16, 4, (1, 1, 1, 1, 1))},
)
"""Batch size, steps per epoch (so 16,000, 9,600, 12,800 and 10,240 samples), and for each
of `LIBRARIES` as many epochs as make a round of a fraction of a second."""

ROUNDS = sized(5, smoke=1)

pytestmark = pytest.mark.bench


ONE_CORE = "netts, one core"
COLUMNS = [*installed(LIBRARIES), *sized([ONE_CORE], smoke=[])]
"""netts's sequential form is one of its peers."""


def trained(workers, column: str, *arguments) -> None:
    library, cores = ("netts", 1) if column == ONE_CORE else (column, None)
    workers.run(library, train, library, *arguments, cores=cores)


@pytest.fixture(scope="module")
def warm(workers):
    """Load every library in its process, and compile what it compiles, before anything is timed."""
    for column in COLUMNS:
        for net, (batch_size, *_) in NETS.items():
            trained(workers, column, net, batch_size, 2, 1)
    return workers


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_training_step(one_round, warm, net, column, round_):
    batch_size, n_steps, all_epochs = NETS[net]
    epochs = dict(zip(LIBRARIES, all_epochs, strict=True)).get(column, all_epochs[0])
    one_round.time(
        lambda: trained(warm, column, net, batch_size, n_steps, epochs),
        case=f"{net}, batch {batch_size}",
        library=column,
        unit="seconds per step",
        steps=epochs * n_steps,
    )
