"""Peak memory of a fit, of this process: to be run in one of its own.

What a fit of a small net of the same kind needs (the interpreter, numba, BLAS) is not counted.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from bench.peers import LIBRARIES, data, netts_network

MEGABYTE = 1e6
KEEPING_BEST = "netts, best epoch kept"
EPOCHS = 2


def megabytes(field: str) -> float:
    """Return what the system says of this process: VmRSS now, VmHWM at most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise KeyError(field)


def train_keeping_best(sizes: tuple[int, ...], batch_size: int, epochs: int, X, y) -> None:
    """Train with early stopping, so that the best epoch is kept beside the last one."""
    from netts import Trainer
    from netts.training import EarlyStopping

    Trainer(
        netts_network(sizes),
        epochs=epochs,
        batch_size=batch_size,
        early_stopping=EarlyStopping("loss", patience=5),
        random_state=0,
    ).fit(X, y)


def by_formula(sizes: tuple[int, ...], batch_size: int) -> dict[str, float]:
    """Return the terms of docs/numerics.md for Adam with early stopping, in MB."""
    n_parameters = sum((a + 1) * b for a, b in itertools.pairwise(sizes))
    parameters = n_parameters * 4 / MEGABYTE
    activations = 2 * batch_size * sum(sizes) * 4 / MEGABYTE
    return {
        "parameters, MB": parameters,
        "optimiser, MB": 2 * parameters,
        "values and gradients, MB": activations,
        "by the formula, MB": 6 * parameters + activations,
    }


def peak(library: str, net: str, batch_size: int, n_samples: int) -> tuple[float, dict[str, float]]:
    """Return by how many megabytes a fit makes this process grow at its peak."""
    sizes = tuple(map(int, net.split("-")))
    train = train_keeping_best if library == KEEPING_BEST else LIBRARIES[library]
    train((64, 128, 10), 128, EPOCHS, *data((64, 128, 10), 512))
    X, y = data(sizes, n_samples)
    before = megabytes("VmRSS")
    train(sizes, batch_size, EPOCHS, X, y)
    details = by_formula(sizes, batch_size) if library == KEEPING_BEST else {}
    return megabytes("VmHWM") - before, details
