"""Time of predictions, of one row and of a million, and of calls that are all overhead.

    python -m bench run predictions

Each library in a process of its own, which times as many calls as take a tenth of a second; the
libraries take turns. PyTorch gets and gives NumPy arrays, as the others do.
"""

from __future__ import annotations

import pytest

from bench.prediction_cases import CALLS, ROUND_SECONDS, seconds_per_call
from bench.size import installed, sized

ROUNDS = sized(5, smoke=1)
SECONDS = sized(ROUND_SECONDS, smoke=1e-3)
NAMES = sized(list(CALLS), smoke=["predict, 1 row", "partial_fit, 150 rows"])
CASES = [(name, library) for name in NAMES for library in installed(CALLS[name])]

pytestmark = pytest.mark.bench


@pytest.mark.parametrize(("name", "library"), CASES)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_predictions(one_round, workers, name, library, round_):
    one_round.value(
        lambda: workers.run(library, seconds_per_call, library, name, SECONDS),
        case=name,
        library=library,
        unit="seconds per call",
    )
