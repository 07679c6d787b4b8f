"""Nets and data along one axis each, and how often a training is repeated to make a round."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

from bench.peers import train

MOST_EPOCHS = 500


@dataclass(frozen=True)
class Point:
    """One training step on an axis of what is varied, all else as in the middle."""

    axis: str
    value: int
    net: str
    batch_size: int
    n_steps: int
    cores: int | None = None

    @property
    def case(self) -> str:
        """Return the point in words."""
        return f"{self.axis} {self.value:,}"


def dense(features: int, *hidden: int) -> str:
    """Return the name of a net, as `peers.train` reads it."""
    return "-".join(map(str, (features, *hidden, 10)))


def steps_of(batch_size: int) -> int:
    """Return the steps of an epoch of about 4,000 rows, at least 4."""
    return max(4, 4096 // batch_size)


def points(n_cores: int) -> list[Point]:
    """Return the curves: around 128-128-128-10 in batches of 64, but for depth and cores."""
    net, batch_size = dense(128, 128, 128), 64
    steps = steps_of(batch_size)
    return [
        *(Point("batch", n, net, n, steps_of(n)) for n in (1, 16, 256, 2048)),
        *(Point("width", n, dense(n, n, n), batch_size, steps) for n in (16, 64, 256, 1024)),
        *(Point("depth", n, dense(64, *[64] * n), batch_size, steps) for n in (1, 2, 4, 8)),
        *(Point("rows", n, dense(32, 64), batch_size, n // 64) for n in (1024, 16_384, 262_144)),
        *(
            Point("cores", n, dense(512, 512, 512), 512, 8, cores=n)
            for n in sorted({2**k for k in range(8) if 2**k <= n_cores} | {n_cores})
        ),
    ]


def trained(point: Point, library: str, epochs: int) -> None:
    """Train a point's net for a number of epochs."""
    train(library, point.net, point.batch_size, point.n_steps, epochs)


@functools.cache
def epochs_of(point: Point, library: str, seconds: float) -> int:
    """Return how many epochs take about so long, having compiled and warmed up."""
    trained(point, library, 1)
    start = time.perf_counter()
    trained(point, library, 1)
    return min(MOST_EPOCHS, max(1, int(seconds / (time.perf_counter() - start))))
