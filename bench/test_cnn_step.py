"""Time per training step of convolutional networks on the CPU, netts beside its peers.

    pytest bench/test_cnn_step.py -m bench --benchmark-json=cnn.json
    python bench/summarise.py cnn.json

As `test_training_step.py`: rounds of the libraries alternate, and a round is a whole training
divided by its steps.
"""

from __future__ import annotations

import pytest
from cnn_peers import LIBRARIES, NETS, images

STEPS = {32: 20, 128: 8}
"""Steps of an epoch by batch size."""

EPOCHS = 2
ROUNDS = 5

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Load every library, and compile what is compiled, before anything is timed."""
    for train in LIBRARIES.values():
        for net in NETS.values():
            for batch_size, steps in STEPS.items():
                train(net, batch_size, 1, *images(batch_size * steps))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("batch_size", STEPS)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_cnn_step(benchmark, net, batch_size, library, round_):
    X, y = images(batch_size * STEPS[batch_size])
    benchmark.extra_info.update(
        case=f"{net}, batch {batch_size}", library=library, steps=EPOCHS * STEPS[batch_size]
    )
    benchmark.pedantic(
        LIBRARIES[library], args=(NETS[net], batch_size, EPOCHS, X, y), rounds=1, iterations=1
    )
