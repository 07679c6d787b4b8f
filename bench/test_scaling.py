"""How the time of a training step grows: with batch, width, depth, rows and cores.

    python -m bench run scaling

Trainings from their start, as in `test_training_step.py`, around 128-128-128-10 in batches of 64:
one axis is varied at a time, depth with layers of 64, rows with 32-64-10, cores with 512-512-512-10
in batches of 512. An epoch has about 4,000 rows, but on the axis "rows". A round is so many epochs
as take a tenth of a second, and at least one. PyTorch compiled is left out: it would compile longer
than all the rest takes.
"""

from __future__ import annotations

import os

import pytest

from bench.scaling_cases import Point, dense, epochs_of, points, trained
from bench.size import installed, sized

LIBRARIES = ("netts", "scikit-learn", "PyTorch eager", "JAX scan")
POINTS = sized(
    points(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1),
    smoke=[Point("batch", n, dense(8, 8), n, 2) for n in (1, 16)],
)
ROUNDS = sized(3, smoke=1)
ROUND_SECONDS = sized(0.1, smoke=1e-3)

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("library", installed(LIBRARIES))
@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.case.replace(" ", "_"))
def test_scaling(one_round, workers, point, round_, library):
    def ask(function, *arguments):
        return workers.run(library, function, point, library, *arguments, cores=point.cores)

    epochs = ask(epochs_of, ROUND_SECONDS)
    one_round.time(
        lambda: ask(trained, epochs),
        case=point.case,
        library=library,
        unit="seconds per step",
        steps=epochs * point.n_steps,
        axis=point.axis,
        point=point.value,
    )
