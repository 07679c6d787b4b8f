"""What `device="auto"` costs: short fits and predictions with and without a device named.

    python -m bench run device_choice

Each of the two in a process of its own, by turns: iris, one epoch, and a prediction of one row.
"First" is the first of a process, which asks the driver whether there is a GPU. Which device is
chosen is kept. What transfers cost, and whether the choice is right, needs a GPU:
`bench/gpu/policy.py` and `bench/gpu/epoch.py`.
"""

from __future__ import annotations

import pytest

from bench.device_cases import WAYS, first_fit, later_call
from bench.separate import alone
from bench.size import sized

ROUNDS = sized(5, smoke=1)
SECONDS = sized(0.1, smoke=1e-3)
LATER = ("fit, 1 epoch", "predict, 1 row")

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("way", sized(list(WAYS), smoke=["netts"]))
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_first_device_choice(one_round, way, round_):
    one_round.value(
        lambda: alone(first_fit, way), case="first fit, 1 epoch", library=way, unit="seconds"
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", LATER)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_later_device_choice(one_round, workers, call, way, round_):
    one_round.value(
        lambda: workers.run(way, later_call, way, call, SECONDS),
        case=f"later {call}",
        library=way,
        unit="seconds per call",
    )
