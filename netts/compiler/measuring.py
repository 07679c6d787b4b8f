"""Calibration: a fit of the cost model to some dozens of short measurements on this machine.

The constants are those that make the estimates of all probes come closest to their times, in
relative terms. What the probes say little about stays near its default. Probes take turns for some
rounds, and the least time of each counts: other work on the machine only ever adds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import lsq_linear

from netts.compiler import calibration, records
from netts.compiler.cost_constants import DEFAULTS, LARGEST_FACTOR, CostConstants
from netts.compiler.cuda.gpu_measuring import calibrate_gpu
from netts.compiler.probes import FITTED, Probe, probes
from netts.compiler.sharing import Sharing
from netts.devices.registry import gpu_for_auto
from netts.errors import CalibrationWarning, warn

ROUNDS = 7
"""Of 50 probes and half a millisecond each: 0.2 s."""

PULL = 0.1
"""How a constant that is off by its whole default weighs against a probe that is off by as much:
so little that every constant that a probe depends on follows the probe."""

HELD = ("move",)
"""What the fit leaves at its default. `move` stands for matrices that come from memory, and those
of probes come from a cache: fitted to these, it sent 1024 x 1024 times a vector to BLAS, which
takes 200 us instead of 57 (bench/results/calibration-2026-11-23.md)."""

JOINS_PER_PART = 8
"""A part takes at least so many times what it costs to share: 4 to 6 us where a core is free, of
which an eighth is lost then; where the machine is busy it is some times more."""

TINY = 1e-6
"""Bounds of a fit have to be apart."""


def calibrate(*, anew: bool = False) -> CostConstants:
    """Measure what things cost on this machine, once, and choose by it from now on.

    netts chooses between loops and BLAS, between plans of a product, and how much work is worth
    sharing among threads, by estimates; their constants were measured on one machine. This measures
    them here, in about a second (and compiles what it measures, some seconds the first time), and
    keeps them in the cache directory, where other processes find them when they start.
    Where they are kept already, it only loads them. Where there is a GPU, it measures that too, by
    which "auto" chooses between the two.

    Other choices add up in another order: results differ in their last bits from those before.
    Kernels that are called again follow the new constants; plans keep those they were made with.

    Parameters
    ----------
    anew : bool
        Measure again, and replace what is kept.

    Returns
    -------
    CostConstants
        What choices on the CPU are made by from now on. Where the environment has
        ``NETTS_COSTS=defaults``, nothing is measured and those are the defaults.

    Warns
    -----
    CalibrationWarning
        Where the cache directory cannot be written. Then nothing changes: constants that only this
        process has would make it round differently from every other.
    """
    if calibration.is_off():
        return calibration.current()
    try:
        kept = None if anew else calibration.recorded()
        calibration.adopt(kept or calibration.record(measured_costs(), anew=anew))
        if gpu_for_auto().is_available:
            calibrate_gpu(anew=anew)
    except OSError as error:
        warn(
            f"the calibration cannot be kept in {records.directory()} "
            f"({error.strerror or error}), so it is not used; set NETTS_CACHE_DIR to a "
            "directory that can be written",
            CalibrationWarning,
        )
    return calibration.current()


def measured_costs() -> dict[str, float]:
    """Return the constants of this machine as they are measured now; what is not, is missing."""
    every, sharing = probes(), Sharing()
    for _ in range(ROUNDS):
        for one in every:
            one.measure()
        sharing.measure()
    join = sharing.join_seconds
    return fitted(every) | ({} if join is None else {"part_seconds": JOINS_PER_PART * join})


def fitted(measured: Sequence[Probe]) -> dict[str, float]:
    """Return the constants that explain the times of probes best."""
    defaults = np.array([DEFAULTS.numbers()[name] for name in FITTED])
    shares = np.array([one.counts * defaults / one.seconds for one in measured])
    rows = np.vstack([shares, PULL * np.eye(len(FITTED))])
    goals = np.concatenate([np.ones(len(measured)), np.full(len(FITTED), PULL)])
    is_held = np.isin(FITTED, HELD)
    least = np.where(is_held, 1 - TINY, 1 / LARGEST_FACTOR)
    most = np.where(is_held, 1 + TINY, LARGEST_FACTOR)
    factors = lsq_linear(rows, goals, bounds=(least, most)).x
    return dict(zip(FITTED, (factors * defaults).tolist(), strict=True))
