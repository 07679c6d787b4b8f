"""Peak memory of a fit beside what docs/numerics.md says it is.

    python bench/fit_memory.py

Each net is fitted in a process of its own, after a fit of the same kind of net that is small: what
that one needed (the interpreter, numba, BLAS) is not counted. Batches come from data in memory that
are read where they are. With early stopping, so that the best epoch is kept too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

NETS = {"784-256-128-10": (128, 12_800), "1024-2048-2048-10": (512, 10_240)}
MEGABYTE = 1e6


def megabytes(field: str) -> float:
    """Return what the system says of this process: VmRSS now, VmHWM at most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise KeyError(field)


def fit(sizes: tuple[int, ...], batch_size: int, n_samples: int):
    """Fit a net for a few epochs; return its network and what it was trained on."""
    from netts import Network, Trainer, layers
    from netts.training import EarlyStopping

    generator = np.random.default_rng(0)
    X = generator.random((n_samples, sizes[0]), np.float32)
    y = np.arange(n_samples) % sizes[-1]
    hidden = [layers.Dense(units, "relu") for units in sizes[1:-1]]
    network = Network([*hidden, layers.Dense(sizes[-1])], dtype=np.float32)
    before = megabytes("VmRSS")
    Trainer(
        network,
        epochs=3,
        batch_size=batch_size,
        early_stopping=EarlyStopping("loss", patience=5),
        random_state=0,
    ).fit(X, y)
    return network, megabytes("VmHWM") - before


def report(name: str) -> str:
    """Fit a net in this process and return a row of the table."""
    sizes = tuple(map(int, name.split("-")))
    batch_size, n_samples = NETS[name]
    fit((64, 128, 10), 128, 512)
    network, measured = fit(sizes, batch_size, n_samples)
    parameters = network.parameters.arena.nbytes / MEGABYTE
    state = 2 * parameters
    widest = 2 * batch_size * sum(sizes) * 4 / MEGABYTE
    expected = 4 * parameters + state + widest
    return (
        f"| {name}, batch {batch_size} | {parameters:.1f} | {4 * parameters:.1f} | {state:.1f} "
        f"| {widest:.1f} | {expected:.0f} | {measured:.0f} |"
    )


def main() -> None:
    """Print the table."""
    if len(sys.argv) > 1:
        print(report(sys.argv[1]))
        return
    print("| net | P | 4 P | optimiser | values and gradients | together | measured |")
    print("|---|---|---|---|---|---|---|")
    for name in NETS:
        row = subprocess.run(
            [sys.executable, __file__, name], check=True, capture_output=True, text=True
        )
        print(row.stdout.strip())


if __name__ == "__main__":
    main()
