"""`netts cache`: the compiled kernels, and what was calibrated, kept on disk."""

from __future__ import annotations

import argparse

from netts.cli.exit_codes import SUCCESS
from netts.compiler import calibration, records
from netts.compiler.cache import cache_directory, cache_size_bytes, clear_cache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "--clear",
        action="store_true",
        help="empty it: kernels are compiled again when needed, and choices are made by the "
        "default costs until `netts devices --calibrate` or `netts warmup`",
    )


def run(options: argparse.Namespace) -> int:
    """Say where the cache is, how large, and whether costs are in it; or empty it."""
    size = f"{cache_size_bytes() / 1e6:.1f} MB"
    if options.clear:
        n_entries, n_machines = clear_cache(), records.forget()
        forgotten = f"; forgot the calibration of {_machines(n_machines)}" if n_machines else ""
        print(f"emptied {cache_directory()}: {n_entries} entries, {size}{forgotten}")
    else:
        print(f"{cache_directory()}: {size}")
        print(f"costs: {calibration.current()}{_others()}")
    return SUCCESS


def _others() -> str:
    n_machines = records.count() - (calibration.recorded() is not None)
    return f"; calibrations of {_machines(n_machines)} besides" if n_machines else ""


def _machines(number: int) -> str:
    return "1 machine" if number == 1 else f"{number} machines"
