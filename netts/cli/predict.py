"""`netts predict`: one prediction for each row of a table."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path

import numpy as np
from sklearn.base import is_classifier

from netts.cli.exit_codes import SUCCESS
from netts.cli.messages import note
from netts.cli.options import add_device, add_reading, read_options
from netts.cli.predictions import load_model, predict, predict_proba, read_for
from netts.data.datasets import find_path
from netts.data.reading import RowsToPredict
from netts.errors import ModelFileError, ModelKindError
from netts.estimators import TableModel
from netts.persistence import replace_file

EPILOG = """\
The table needs the columns that the model was trained on, in any order; the
target may be missing. Predictions are CSV with a header, one row for each row
of the table, in its order:

  netts predict houses.netts new_houses.csv > prices.csv
  netts predict iris.netts flowers.csv --proba
  query | netts predict houses.netts -
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file of `netts train`")
    parser.add_argument(
        "table",
        metavar="TABLE",
        help="a CSV or Parquet file, - for CSV that is piped in, or a bundled table's name",
    )
    parser.add_argument(
        "--proba", action="store_true", help="add the probability of each class, one column each"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write (default: standard output)"
    )
    add_device(parser)
    add_reading(parser)


def run(options: argparse.Namespace) -> int:
    """Load, read, predict, write."""
    _check_out(options)
    model, reading = load_model(options.model, options.device, options.precision)
    if options.proba and not is_classifier(model):
        raise ModelKindError(f"{options.model} predicts quantities, which have no probabilities")
    rows = read_for(model, reading, options.table, read_options(options), with_target=False)
    if rows.unused:
        note(f"not used, as the model was trained without: {', '.join(map(repr, rows.unused))}")
    text = _as_csv(model, reading.target.name, rows, has_probabilities=options.proba)
    if options.out is None:
        sys.stdout.write(text)
    else:
        replace_file(options.out, text.encode())
        note(f"wrote {len(rows.line_numbers):,} predictions to {options.out}")
    return SUCCESS


def _check_out(options: argparse.Namespace) -> None:
    for source in (options.model, find_path(options.table)):
        if options.out is not None and options.out.resolve() == source.resolve():
            raise ModelFileError(f"--out {options.out} would replace {source} itself")


def _as_csv(model: TableModel, target: str, rows: RowsToPredict, *, has_probabilities: bool) -> str:
    header = [target]
    if has_probabilities:
        probabilities = predict_proba(model, rows.columns, rows.line_numbers)
        header += [f"probability of {label}" for label in model.classes_]
        labels = model.classes_[probabilities.argmax(axis=1)]
        table = [
            [_cell(label), *map(_cell, row)]
            for label, row in zip(labels, probabilities, strict=True)
        ]
    else:
        predictions = predict(model, rows.columns, rows.line_numbers)
        table = [[_cell(prediction)] for prediction in predictions]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([header, *table])
    return out.getvalue()


def _cell(value: np.generic) -> str:
    """Return a value so that it reads back to the last bit."""
    return str(value.item())
