"""`netts evaluate`: how good a model is on a table whose target is known."""

from __future__ import annotations

import argparse
from pathlib import Path

from netts.cli.exit_codes import SUCCESS
from netts.cli.options import add_device, add_reading, read_options
from netts.cli.predictions import load_model, predict, read_for, report

EPILOG = """\
The table needs the columns that the model was trained on and the target. Rows
that the model was trained on flatter it: use others.

  netts evaluate houses.netts houses_sold_since.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file of `netts train`")
    parser.add_argument(
        "table", metavar="TABLE", help="a CSV or Parquet file, or a bundled table's name"
    )
    add_device(parser)
    add_reading(parser)


def run(options: argparse.Namespace) -> int:
    """Load, read, predict, compare."""
    model, reading = load_model(options.model, options.device, options.precision)
    rows = read_for(model, reading, options.table, read_options(options), with_target=True)
    assert rows.y is not None
    print(f"on the {len(rows.y):,} rows of {options.table}:")
    print(report(model, rows.y, predict(model, rows.columns, rows.line_numbers)))
    return SUCCESS
