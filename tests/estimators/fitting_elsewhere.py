"""Functions that other processes can import, as those of a test module they cannot."""

from __future__ import annotations

import threading

import numpy as np

from netts import MLPClassifier
from netts.compiler.engine import available_threads
from netts.data import load


def standardised_wine() -> tuple[np.ndarray, np.ndarray]:
    table = load("wine")
    return (table.X - table.X.mean(axis=0)) / table.X.std(axis=0), table.y


def classifier(seed: int = 0) -> MLPClassifier:
    """Return one that is large enough for its operations to be split among threads."""
    # On the CPU: a forked child cannot use CUDA.
    return MLPClassifier((256, 256), max_iter=4, batch_size=64, random_state=seed, device="cpu")


def fitted_coefs(seed: int, X: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    return [coef.copy() for coef in classifier(seed).fit(X, y).coefs_]


def fit_in_child(seed: int) -> tuple[int, list[np.ndarray]]:
    """Fit, and return how many threads there could be or were, too."""
    coefs = fitted_coefs(seed, *standardised_wine())
    n_workers = sum(one.name == "netts" for one in threading.enumerate())
    return max(available_threads(), 1 + n_workers), coefs
