"""`netts cache`: the compiled kernels kept on disk."""

from __future__ import annotations

import argparse

from netts.cli.exit_codes import SUCCESS
from netts.compiler.cache import cache_directory, cache_size_bytes, clear_cache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "--clear", action="store_true", help="empty it; kernels are compiled again when needed"
    )


def run(options: argparse.Namespace) -> int:
    """Say where the cache is and how large, or empty it."""
    size = f"{cache_size_bytes() / 1e6:.1f} MB"
    if options.clear:
        n_entries = clear_cache()
        print(f"emptied {cache_directory()}: {n_entries} entries, {size}")
    else:
        print(f"{cache_directory()}: {size}")
    return SUCCESS
