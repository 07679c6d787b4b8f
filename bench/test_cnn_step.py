"""Time per training step of convolutional networks on the CPU, netts beside its peers.

    python -m bench run cnn_step

As `test_training_step.py`: rounds of the libraries alternate, and a round is a whole training
divided by its steps. scikit-learn has no convolutions.
"""

from __future__ import annotations

import pytest

from bench.cnn_peers import LIBRARIES, NETS, train
from bench.size import installed, sized

SIZES = sized({net: {32: 20, 128: 8} for net in NETS}, smoke={"LeNet-5": {4: 2}})
"""Steps of an epoch by network and batch size."""

EPOCHS = sized(2, smoke=1)
ROUNDS = sized(5, smoke=1)
CASES = [(net, batch_size, steps) for net in SIZES for batch_size, steps in SIZES[net].items()]

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module")
def warm(workers):
    """Load every library in its process, and compile what it compiles, before anything is timed."""
    for library in installed(LIBRARIES):
        for net, batch_size, steps in CASES:
            workers.run(library, train, library, net, batch_size, steps, 1)
    return workers


@pytest.mark.parametrize("library", installed(LIBRARIES))
@pytest.mark.parametrize(("net", "batch_size", "steps"), CASES)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_cnn_step(one_round, warm, net, batch_size, steps, library, round_):
    one_round.time(
        lambda: warm.run(library, train, library, net, batch_size, steps, EPOCHS),
        case=f"{net}, batch {batch_size}",
        library=library,
        unit="seconds per step",
        steps=EPOCHS * steps,
    )
