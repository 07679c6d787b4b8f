"""`netts warmup`: compile what training needs before somebody waits for it."""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from netts.cli.costs import calibrate_aloud
from netts.cli.exit_codes import SUCCESS
from netts.compiler import calibration
from netts.compiler.cache import cache_directory, cache_size_bytes, count_entries
from netts.data import dataset_names, load
from netts.estimators import MLPClassifier, MLPRegressor

EPILOG = """\
The first training on a machine compiles its kernels, for some seconds; later
ones load them from the cache. This fills the cache after installing, in an
image for instance: set NETTS_CACHE_DIR to where the image keeps it. Before, it
measures what things cost on this machine, unless that is kept already, as
`netts devices --calibrate` does: choices between loops and BLAS rest on it, so
results may change in their last bits. NETTS_COSTS=defaults leaves that out.
"""

# One axis at a time: kernels know nothing of one another, so that their combinations are the same.
CLASSIFIERS: tuple[dict[str, Any], ...] = (
    {},
    {"activation": "tanh"},
    {"activation": "logistic"},
    {"activation": "identity"},
    {"solver": "sgd"},
    {"solver": "sgd", "nesterovs_momentum": False},
    {"solver": "sgd", "momentum": 0.0},
    {"alpha": 0.0},
    {"dropout": 0.5},
    {"early_stopping": True, "validation_fraction": 0.5},
)
REGRESSORS: tuple[dict[str, Any], ...] = (
    {},
    {"loss": "poisson"},
    {"early_stopping": True, "validation_fraction": 0.5},
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command; it has no options."""
    parser.epilog = EPILOG


def run(options: argparse.Namespace) -> int:
    """Calibrate, train tiny networks of every kind, and say what that left in the cache."""
    start, before = time.perf_counter(), count_entries()
    calibrate_aloud()  # first, as what is compiled depends on it
    for estimator, X, y in _fits():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of scores and convergence, on data without meaning
            estimator.fit(X, y)
            estimator.fit(X, y, sample_weight=np.linspace(0.5, 1.0, len(X)))
            estimator.predict(X)
            estimator.predict(X[:1])
            estimator.predict(X[: -(-len(X) // 4)])
    seconds, new = time.perf_counter() - start, count_entries() - before
    size = f"{cache_size_bytes() / 1e6:.1f} MB"
    print(f"compiled {new} functions in {seconds:.1f} s; {cache_directory()}: {size}")
    print(f"costs: {calibration.current()}")
    return SUCCESS


def _fits() -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
    """Give an estimator with data for every kernel that estimators use."""
    tables = [load(name) for name in dataset_names()]
    for dtype, table in itertools.product((np.float64, np.float32), tables):
        X = (table.X / np.abs(table.X).max()).astype(dtype)
        kind = MLPClassifier if table.task == "classification" else MLPRegressor
        variants = CLASSIFIERS if table.task == "classification" else REGRESSORS
        for settings in variants:
            shared = {"hidden_layer_sizes": (16, 8), "max_iter": 2, "random_state": 0}
            yield kind(**{**shared, **settings}), X, table.y
        # The plan of a product depends on its shape: `netts train` has four fifths of a table.
        rows = np.random.RandomState(0).permutation(len(X))[: len(X) - -(-len(X) // 5)]
        yield kind(hidden_layer_sizes=(64, 32), batch_size=32, max_iter=2), X[rows], table.y[rows]
