"""Time per training step of convolutional networks on the CPU, netts beside its peers.

    pytest bench/test_cnn_step.py -m bench --benchmark-json=cnn.json
    python bench/summarise.py cnn.json

As `test_training_step.py`: rounds of the libraries alternate, and a round is a whole training
divided by its steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cnn_peers import LIBRARIES, NETS, train
from separate import processes

STEPS = {32: 20, 128: 8}
"""Steps of an epoch by batch size."""

EPOCHS = 2
ROUNDS = 5

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module")
def workers() -> Iterator[dict[str, Any]]:
    """Load every library in its process, and compile what it compiles, before anything is timed."""
    with processes(LIBRARIES) as found:
        for library, worker in found.items():
            for net in NETS:
                for batch_size, steps in STEPS.items():
                    worker.submit(train, library, net, batch_size, steps, 1).result()
        yield found


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("batch_size", STEPS)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_cnn_step(benchmark, workers, net, batch_size, library, round_):
    steps = STEPS[batch_size]
    benchmark.extra_info.update(
        case=f"{net}, batch {batch_size}", library=library, steps=EPOCHS * steps
    )

    def run() -> None:
        workers[library].submit(train, library, net, batch_size, steps, EPOCHS).result()

    benchmark.pedantic(run, rounds=1, iterations=1)
