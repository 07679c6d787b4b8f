"""Predictions and small fits by name, of netts's MLP, scikit-learn's and the same in PyTorch.

scikit-learn's defaults: one hidden layer of 100. One row and 150 rows are of iris in float64, as
scikit-learn's users have them; a million rows are normal float32 numbers, 20 columns, two classes.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

ENGINES = {"netts": "netts", "scikit-learn": "sklearn.neural_network"}
LIBRARIES = ("netts", "scikit-learn", "PyTorch eager")
MILLION = 1_000_000
ROUND_SECONDS = 0.1

CALLS = {
    "predict, 1 row": LIBRARIES,
    "predict_proba, 1 row": LIBRARIES,
    "network.predict, 1 row": ("netts",),
    "predict, 150 rows": LIBRARIES,
    "predict, 1,000,000 rows": LIBRARIES,
    "partial_fit, 150 rows": tuple(ENGINES),
    "fit, 1 epoch, 150 rows": tuple(ENGINES),
    "fit, 1 epoch more (warm_start), 150 rows": tuple(ENGINES),
}
"""What can be asked, and of whom. `network.predict` is the plan behind netts's estimator, so the
difference to `predict` is what the estimator adds."""


@functools.cache
def few() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


@functools.cache
def many() -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).standard_normal((MILLION, 20), np.float32)
    return X, np.arange(MILLION) % 2


def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    return many() if "1,000,000" in name else few()


@functools.cache
def model(library: str, is_large: bool) -> Any:
    """Return an estimator fitted for a few epochs; how well does not matter to the time."""
    warnings.simplefilter("ignore")
    X, y = many() if is_large else few()
    estimator = importlib.import_module(ENGINES[library]).MLPClassifier
    return estimator(max_iter=3, random_state=0).fit(X[:2000], y[:2000])


def torch_call(name: str) -> Callable[[], Any]:
    """Return a prediction by a module of the same layers, NumPy arrays in and out."""
    import torch

    X, y = data(name)
    sizes = (X.shape[1], 100, int(y.max()) + 1)
    first, second = (torch.nn.Linear(*fans) for fans in itertools.pairwise(sizes))
    module = torch.nn.Sequential(first, torch.nn.ReLU(), second).to(torch.from_numpy(X[:1]).dtype)
    X = X[:1] if "1 row" in name else X

    @torch.no_grad()
    def predict() -> np.ndarray:
        logits = module(torch.from_numpy(X))
        found = logits.softmax(1) if "proba" in name else logits.argmax(1)
        return found.numpy()

    return predict


@functools.cache
def call(library: str, name: str) -> Callable[[], Any]:
    """Return what is to be timed."""
    if library.startswith("PyTorch"):
        return torch_call(name)
    X, y = data(name)
    fitted = model(library, len(X) == MILLION)
    row = X[:1]
    if name.startswith("fit, 1 epoch"):
        again = type(fitted)(max_iter=1, random_state=0, warm_start="warm_start" in name)
        return lambda: again.fit(X, y)
    calls = {
        "predict, 1 row": lambda: fitted.predict(row),
        "predict_proba, 1 row": lambda: fitted.predict_proba(row),
        "network.predict, 1 row": lambda: fitted._network().predict(row),
        "predict, 150 rows": lambda: fitted.predict(X),
        "predict, 1,000,000 rows": lambda: fitted.predict(X),
        "partial_fit, 150 rows": lambda: fitted.partial_fit(X, y),
    }
    return calls[name]


def seconds_per_call(library: str, name: str, round_seconds: float = ROUND_SECONDS) -> float:
    """Return the seconds of a call, over as many calls as take about so long."""
    warnings.simplefilter("ignore")
    return repeated(call(library, name), round_seconds)


def repeated(asked: Callable[[], Any], round_seconds: float) -> float:
    """Return the seconds of a call, over as many calls as take about so long, at least one."""
    asked()
    start = time.perf_counter()
    asked()
    times = max(1, int(round_seconds / (time.perf_counter() - start)))
    start = time.perf_counter()
    for _ in range(times):
        asked()
    return (time.perf_counter() - start) / times
