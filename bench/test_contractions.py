"""Naive loops that become matrix products, beside NumPy (dense) and PyTorch (convolutions).

    pytest bench/test_contractions.py -m bench --benchmark-json=contractions.json
    python bench/summarise.py contractions.json

float32, a process for each library, rounds of the libraries alternate. With one thread each, and
with all cores, which says little on a machine where others work. A round is so many calls that it
lasts a few hundredths of a second: netts replays them as a plan does, the others are called from
Python.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import contraction_cases
import pytest
from contraction_cases import CASES
from separate import processes

ROUNDS = 9
ROUND_SECONDS = 0.05

QUIET_SECONDS = 0.25
"""Before each round: threads of the library that ran before still spin, in vain, for so long."""

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module", params=["one thread", "all cores"])
def workers(request) -> Iterator[dict[str, Any]]:
    with processes(("netts", "NumPy", "PyTorch"), one_thread=request.param == "one thread") as all_:
        yield {"threads": request.param, **all_}


@pytest.mark.parametrize("is_peer", [False, True], ids=["netts", "peer"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_contraction(benchmark, workers, case, is_peer, round_):
    library = CASES[case].peer if is_peer else "netts"
    worker = workers[library]
    times = worker.submit(contraction_cases.repetitions, case, library, ROUND_SECONDS).result()

    def run() -> None:
        worker.submit(contraction_cases.run, case, library, times).result()

    time.sleep(QUIET_SECONDS)
    benchmark.extra_info.update(
        case=f"{case}, {workers['threads']}",
        library=library if library == "netts" else "NumPy or PyTorch",
        steps=times,
    )
    benchmark.pedantic(run, rounds=1, iterations=1)
