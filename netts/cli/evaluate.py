"""`netts evaluate`: how good a model is on a table whose target is known."""

from __future__ import annotations

import argparse
from pathlib import Path

from netts.cli.exit_codes import SUCCESS
from netts.cli.messages import note
from netts.cli.options import add_device, add_reading, read_options
from netts.cli.predictions import evaluate, load_model, read_for
from netts.cli.reports import add_report, check_own, check_report, write_report
from netts.errors import ModelFileError
from netts.persistence import replace_file

EPILOG = """\
The table needs the columns that the model was trained on and the target. Rows
that the model was trained on flatter it: use others.

  netts evaluate houses.netts houses_sold_since.csv --report since.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file of `netts train`")
    parser.add_argument(
        "table", metavar="TABLE", help="a CSV or Parquet file, or a bundled table's name"
    )
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        help="the column to compare with (default: the one that the model learned)",
    )
    add_report(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers too, as JSON")
    add_device(parser)
    add_reading(parser)


def run(options: argparse.Namespace) -> int:
    """Load, read, predict, compare."""
    check_report(options.report)
    if options.json is not None:
        check_own(options.json, b"{", "JSON text")
        if options.json == options.report:
            raise ModelFileError(f"--report and --json both name {options.json}: choose two files")
    model, reading = load_model(options.model, options.device, options.precision)
    if options.target is not None:
        reading = reading.with_target(options.target)
    rows = read_for(model, reading, options.table, read_options(options), with_target=True)
    assert rows.y is not None
    print(f"on the {len(rows.y):,} rows of {options.table}:")
    evaluation = evaluate(model, rows.y, rows.columns, rows.line_numbers)
    print(evaluation)
    if options.json is not None:
        replace_file(options.json, (evaluation.to_json() + "\n").encode(errors="replace"))
        note(f"wrote all numbers to {options.json}")
    if options.report is not None:
        target = reading.target.name
        facts = {"model": str(options.model), "table": options.table, "target": target}
        note(write_report(options.report, f"How {target} is predicted", facts, model, evaluation))
    return SUCCESS
