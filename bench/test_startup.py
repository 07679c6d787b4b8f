"""How long a fresh process waits: for `import netts`, and for the first fit on iris.

    python -m bench run startup

Every round is a new process that imports scikit-learn first, reads the clock, then does the work;
importing netts's estimators counts, importing scikit-learn does not. "empty cache", the cold start,
gives the process a cache directory of its own, so that every kernel is compiled. Python's own
bytecode is compiled beforehand, as installing does. Beside the seconds that pass, processor seconds
are kept: the machine's other work changes them less.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from bench.size import is_smoke, sized

pytestmark = pytest.mark.bench

ROUNDS = sized(5, smoke=1)

IMPORT = """
import time
start, cpu = time.perf_counter(), time.process_time()
import netts
print(time.perf_counter() - start, time.process_time() - cpu)
import sys
heavy = {"torch", "pandas", "cupy", "jax"} & set(sys.modules)
assert not heavy and not any(name.startswith("numba.cuda") for name in sys.modules), heavy
"""

FIT = """
import time, warnings
import numpy as np
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier as Peer
from sklearn.preprocessing import scale
warnings.simplefilter("ignore")
X, y = load_iris(return_X_y=True)
X = scale(X).astype(np.float32)
start, cpu = time.perf_counter(), time.process_time()
{library}
Classifier((64, 32), random_state=0, max_iter=200).fit(X, y)
print(time.perf_counter() - start, time.process_time() - cpu)
"""

LIBRARIES = {
    "netts": FIT.format(library="from netts import MLPClassifier as Classifier"),
    "scikit-learn": FIT.format(library="Classifier = Peer"),
}
COLD = ("first fit, empty cache", "netts", LIBRARIES["netts"])
CASES = [
    ("import", "netts", IMPORT),
    *(("first fit", library, script) for library, script in LIBRARIES.items()),
    *sized([COLD], smoke=[]),
]


def seconds(script: str, cache: str | None) -> tuple[float, dict[str, float]]:
    """Run a script in a new process and return the seconds that it prints: passed, and worked."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if cache:
        environment["NETTS_CACHE_DIR"] = cache
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    passed, worked = map(float, done.stdout.split())
    return passed, {"processor seconds": worked}


@pytest.mark.parametrize(("case", "library", "script"), CASES)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_startup(one_round, case, library, script, round_):
    with tempfile.TemporaryDirectory() as empty:
        cache = empty if "empty cache" in case else None
        if library == "netts" and not is_smoke():
            seconds(script, None)  # files in the page cache, bytecode, kernels in netts's
        one_round.value(lambda: seconds(script, cache), case=case, library=library, unit="seconds")
