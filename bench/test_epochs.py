"""Seconds of an epoch within a training that goes on, netts beside its peers.

    python -m bench run epochs

Set-up and first epoch of a fit are left out; a round is the median of three epochs, each library in
a process of its own. Where there is a GPU netts trains on it too, and what an epoch moves there
and back is kept. The last batch is short, as it mostly is.
"""

from __future__ import annotations

import pytest

from bench.cnn_peers import NETS as IMAGES
from bench.epoch_cases import LIBRARIES, ON_GPU, epoch_seconds
from bench.machine import gpu
from bench.size import installed, sized

SIZES = sized(
    {
        "4-16-16-3": (16, 500),
        "64-100-50-10": (32, 300),
        "784-256-128-10": (128, 50),
        "1024-2048-2048-10": (512, 8),
        "LeNet-5": (128, 8),
    },
    smoke={"4-16-16-3": (16, 2)},
)
"""Batch size and full batches of an epoch."""
ROUNDS = sized(3, smoke=1)
DEVICES = [] if gpu() == "no GPU" else [ON_GPU]
CASES = [
    (net, library)
    for net in SIZES
    for library in (*installed(LIBRARIES), *DEVICES)
    if net not in IMAGES or library != "scikit-learn"  # which has no convolutions
]

pytestmark = pytest.mark.bench


@pytest.mark.parametrize(("net", "library"), CASES)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_epochs(one_round, workers, net, library, round_):
    batch_size, n_steps = SIZES[net]
    n_samples = n_steps * batch_size + batch_size // 2
    one_round.value(
        lambda: workers.run(library, epoch_seconds, library, net, batch_size, n_samples),
        case=f"{net}, {n_samples:,} rows in batches of {batch_size}",
        library=library,
        unit="seconds per epoch",
    )
