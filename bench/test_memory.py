"""Peak memory of a fit, netts beside its peers, and beside what docs/numerics.md says it is.

    python -m bench run memory

Megabytes of 10^6 bytes by VmHWM, over what the process had when its data were made. Each fit has a
process of its own, in which a small net of the same kind is fitted before. Batches come from data
in memory that are read where they are. "Best epoch kept" is with early stopping: the formula is of
that.
"""

from __future__ import annotations

import sys

import pytest

from bench.memory_cases import KEEPING_BEST, peak
from bench.separate import alone
from bench.size import installed, sized

NETS = sized(
    {"784-256-128-10": (128, 12_800), "1024-2048-2048-10": (512, 10_240)},
    smoke={"64-100-50-10": (32, 320)},
)
LIBRARIES = (KEEPING_BEST, "netts", "scikit-learn", "PyTorch eager", "JAX scan")
ROUNDS = sized(2, smoke=1)

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status"),
]


@pytest.mark.parametrize("library", installed(LIBRARIES[sized(0, smoke=1) :]))
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_memory(one_round, net, library, round_):
    batch_size, n_samples = NETS[net]
    one_round.value(
        lambda: alone(peak, library, net, batch_size, n_samples),
        case=f"{net}, batch {batch_size}",
        library=library,
        unit="MB",
    )
