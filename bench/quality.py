"""Does netts learn as well as scikit-learn? Prints a Markdown table for bench/results/.

Test scores (accuracy, R2 for diabetes) of both libraries' MLPs over the same 20 splits of
scikit-learn's bundled tables, at scikit-learn's defaults. Inputs are standardised, and so is the
target of diabetes, by what the training part shows.

netts runs three times: with scikit-learn's seeds, with which it starts from the same weights and
sees the same batches; with seeds of its own; and with those in float32. The first is the paired
comparison; the others show that what it learns does not hang on copied random numbers.
"""

from __future__ import annotations

import datetime
import platform
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import netts

TABLES = ("iris", "wine", "breast_cancer", "digits", "diabetes")
SETTINGS = {"hidden_layer_sizes": (100,), "max_iter": 200}
SEEDS = range(20)
OWN_SEEDS = 1000
TEST_SIZE = 0.25
TOLERANCE = 0.01
"""Must show 2 of the main job: netts's mean is not lower by more than this."""

RUNS: dict[str, tuple[Any, Callable[[int], dict[str, Any]]]] = {
    "scikit-learn": (sklearn.neural_network, lambda seed: {"random_state": seed}),
    "netts": (netts, lambda seed: {"random_state": seed}),
    "netts, own seeds": (netts, lambda seed: {"random_state": OWN_SEEDS + seed}),
    "netts, own seeds, float32": (
        netts,
        lambda seed: {"random_state": OWN_SEEDS + seed, "dtype": "float32"},
    ),
}


def score(table: str, run: str, seed: int) -> float:
    """Train on three quarters of a table and score the rest."""
    X, y = getattr(datasets, f"load_{table}")(return_X_y=True)
    is_regression = table == "diabetes"
    X, held_X, y, held_y = train_test_split(
        X, y, test_size=TEST_SIZE, random_state=seed, stratify=None if is_regression else y
    )
    engine, seeded = RUNS[run]
    kind = engine.MLPRegressor if is_regression else engine.MLPClassifier
    model = make_pipeline(StandardScaler(), kind(**SETTINGS, **seeded(seed)))
    if is_regression:
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    return model.fit(X, y).score(held_X, held_y)


def row(table: str) -> tuple[str, bool]:
    """Return a line of the table, and whether netts is good enough on it."""
    scores = {run: np.array([score(table, run, seed) for seed in SEEDS]) for run in RUNS}
    theirs, ours, *others = scores.values()
    difference = ours - theirs
    cells = [f"{one.mean():.4f} ± {one.std(ddof=1):.4f}" for one in (theirs, ours)]
    # A rounding error below 0 prints as +0.0000.
    cells += [f"{round(one, 4) + 0.0:+.4f}" for one in (difference.mean(), difference.min())]
    cells += [f"{one.mean():.4f} ({one.mean() - theirs.mean():+.4f})" for one in others]
    is_enough = all(one.mean() >= theirs.mean() - TOLERANCE for one in (ours, *others))
    return "| " + " | ".join([table, *cells]) + " |", is_enough


def machine() -> str:
    """Return processor and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    packages = ("numpy", "scipy", "numba", "scikit-learn")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{names[0] if names else platform.machine()}, {len(names)} cores, Python "
        f"{platform.python_version()}, {versions}, netts {netts.__version__}"
    )


def main() -> int:
    """Print the table; return 1 where netts is not good enough."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    settings = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
    print(
        "# Test scores of netts and scikit-learn at equal settings\n\n"
        f"`python -m bench run quality`, {datetime.date.today()}. {machine()}.\n\n"
        f"{len(SEEDS)} splits, a quarter held out; accuracy, R2 for diabetes. scikit-learn's "
        f"defaults: {settings}, Adam, batches of 200, float64. Mean ± standard deviation; the "
        "difference is netts - scikit-learn, its mean and the worst of any split. The last two "
        "columns: means of netts with other seeds than scikit-learn's, and the difference.\n"
    )
    header = ["table", "scikit-learn", "netts", "difference", "worst", *list(RUNS)[2:]]
    print("| " + " | ".join(header) + " |", "|---" * len(header) + "|", sep="\n")
    failed = []
    for table in TABLES:
        line, is_enough = row(table)
        print(line, flush=True)
        failed += [] if is_enough else [table]
    verdict = f"lower by more than on {', '.join(failed)}" if failed else "nowhere lower by more"
    print(f"\nThe limit is a mean {TOLERANCE} below scikit-learn's: netts is {verdict}.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
