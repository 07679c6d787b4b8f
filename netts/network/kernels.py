"""What a device does with samples that lie there, before a network sees them."""

from __future__ import annotations

import math

from netts.compiler import accelerate, parallel


@accelerate
def add_not_finite(values, count):
    """Add how many values are infinite or no numbers."""
    total = 0
    for i in parallel(values.shape[0]):
        total += 0 if math.isfinite(values[i]) else 1
    count[0] += total


@accelerate
def take_rows(X, rows, taken):
    """Copy some rows, in the order of their numbers."""
    for i, j in parallel(taken.shape[0], taken.shape[1]):
        taken[i, j] = X[rows[i], j]
