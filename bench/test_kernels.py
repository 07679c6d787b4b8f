"""Naive loops that become matrix products, beside NumPy (dense) and PyTorch (convolutions).

    python -m bench run kernels
    python -m bench run kernels -k one_core

float32, a process for each library and number of cores, rounds of the libraries alternate. With one
core each, netts's sequential form, and with all cores, which says little on a machine where others
work. A round is so many calls that it lasts a few hundredths of a second: netts replays them as a
plan does, the others are called from Python.
"""

from __future__ import annotations

import time

import pytest

from bench import contraction_cases
from bench.contraction_cases import CASES
from bench.size import installed, sized

ROUNDS = sized(5, smoke=1)
ROUND_SECONDS = sized(0.05, smoke=1e-3)

QUIET_SECONDS = sized(0.25, smoke=0.0)
"""Before each round with all cores: threads of the library before still spin, in vain, so long."""

HERE = [case for case, one in CASES.items() if installed([one.peer])]
THREADS = sized({"one core": 1, "all cores": None}, smoke={"all cores": None})

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("is_peer", [False, True], ids=["netts", "peer"])
@pytest.mark.parametrize("case", sized(HERE, smoke=HERE[:1]))
@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("threads", THREADS, ids=lambda name: name.replace(" ", "_"))
def test_kernels(one_round, workers, case, is_peer, round_, threads):
    library, cores = CASES[case].peer if is_peer else "netts", THREADS[threads]
    named = case, library
    repetitions, run = contraction_cases.repetitions, contraction_cases.run
    times = workers.run(library, repetitions, *named, ROUND_SECONDS, cores=cores)
    time.sleep(QUIET_SECONDS if cores is None else 0.0)
    one_round.time(
        lambda: workers.run(library, run, *named, times, cores=cores),
        case=f"{case}, {threads}",
        library=library,
        unit="seconds per call",
        steps=times,
    )
