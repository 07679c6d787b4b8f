"""`netts train`: from a table to a report and a model file in one command."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from netts import devices
from netts.cli.exit_codes import INTERRUPTED, SUCCESS
from netts.cli.messages import note
from netts.cli.options import (
    add_device,
    add_reading,
    layer_sizes,
    positive_integer,
    positive_number,
    read_options,
    seed,
    share,
)
from netts.cli.output import print_columns, print_wrapped
from netts.cli.predictions import evaluate
from netts.cli.reports import add_report, check_report, write_report
from netts.compiler.cache import cache_size_bytes
from netts.data import Table, TableEncoder, dataset_names, find_table
from netts.data.splitting import split_table
from netts.errors import BrokenModelError, InterruptedFitWarning, ModelFileError, ParameterError
from netts.estimators import MLPClassifier, MLPRegressor, TableModel
from netts.evaluation import Evaluation
from netts.persistence import check_replaceable, read_model_file
from netts.training import Callback, Checkpoint, JsonLog, ProgressBar, StepProfile

EPILOG = f"""\
A table is a CSV or Parquet file. What its columns are is told from their cells
or types, and said before training: numbers, categories, dates, yes or no, with
missing cells.
Part of the rows is held back, the network learns from the rest, and the report
says how well it does on the rows held back. The model file holds all that it
takes to predict from another table:

  netts train houses.csv --target price
  netts predict houses.netts new_houses.csv

bundled tables: {", ".join(dataset_names())}
"""

# The best compromise over the five bundled tables: bench/train_defaults.py and its results.
DEFAULT_HIDDEN = (64, 32)
DEFAULT_EPOCHS = 100
BATCH_SIZE = 32
WEIGHT_PENALTY = 0.3

# Beyond that many rows the penalty falls as their number grows, as data speak for themselves:
# bench/train_penalty.py and its results.
PENALIZED_ROWS = 4000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = EPILOG
    _add_model(parser)
    add_report(parser)
    _add_network(parser)
    _add_split(parser)
    add_device(parser)
    _add_files(parser)
    parser.add_argument("--quiet", action="store_true", help="print the report, nothing else")
    _add_columns(add_reading(parser))


def _add_model(parser: argparse.ArgumentParser) -> None:
    """Add what is to be learned, and where that goes."""
    parser.add_argument(
        "table", metavar="TABLE", help="a CSV or Parquet file, or the name of a bundled table"
    )
    parser.add_argument(
        "--target", metavar="COLUMN", help="what to learn (default: the last column)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="MODEL",
        help="the model file to write (default: TABLE's name with .netts, in this directory)",
    )
    parser.add_argument("--no-save", action="store_true", help="write no model file")
    parser.add_argument(
        "--task",
        choices=("classification", "regression"),
        help="by default classification for text and for at most 20 different whole numbers",
    )


def _add_columns(group: argparse._ArgumentGroup) -> None:
    """Add what the columns are, where their cells do not say it."""
    group.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column not to learn from; may be repeated",
    )
    group.add_argument(
        "--category",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column whose numbers are names, such as postal codes; may be repeated",
    )


def _add_network(parser: argparse.ArgumentParser) -> None:
    """Add the network and how its weights change."""
    parser.add_argument(
        "--hidden",
        type=layer_sizes,
        default=DEFAULT_HIDDEN,
        metavar="UNITS",
        help="units of each hidden layer (default: 64,32)",
    )
    parser.add_argument(
        "--epochs",
        type=positive_integer,
        default=DEFAULT_EPOCHS,
        metavar="N",
        help="passes over the rows, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--solver",
        choices=("adam", "sgd", "lbfgs"),
        default="adam",
        help="how weights change; lbfgs is good for small tables, an epoch being an iteration over "
        "all rows (default: %(default)s)",
    )
    parser.add_argument(
        "--learning-rate",
        type=positive_number,
        default=0.001,
        metavar="RATE",
        help="how far a step goes, for adam and sgd (default: %(default)s)",
    )


def _add_split(parser: argparse.ArgumentParser) -> None:
    """Add which rows are held back, and what all drawing begins with."""
    parser.add_argument(
        "--test-size",
        type=share,
        default=0.2,
        metavar="SHARE",
        help="share of the rows to hold back; 0 for none, and no report (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="the same seed gives the same result (default: %(default)s)",
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    """Add what is written while the network learns, and read to go on."""
    parser.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="append what happens in training to FILE, a JSON object a line",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="keep in FILE, epoch by epoch, all that it takes to go on with the training",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the --checkpoint, if it is there: as if the training had not been ended",
    )


def run(options: argparse.Namespace) -> int:
    """Load, split, train, report and save; 130 if Ctrl-C ended the training early."""
    devices.choose(options.device)  # refuses a wrong name before anything is printed
    table = _find(options)
    check_report(options.report)
    _check_checkpoint(options)
    path = _model_path(options)
    if path is not None:
        _check_path(path)  # before the time for training is spent
    training, held_back = table, None
    if options.test_size:
        training, held_back = split_table(table, options.test_size, random_state=options.seed)
    if not options.quiet:
        _describe_data(table, training, held_back)
    model = TableModel(_estimator(table, options, training.n_samples))
    start = time.perf_counter()
    was_interrupted = _fit(model, training)
    seconds = time.perf_counter() - start
    if was_interrupted and not model.estimator_.n_iter_:
        note("no epoch had ended: nothing was learned, and nothing is reported or saved")
        return INTERRUPTED
    model.reading_ = table.reading
    if not options.quiet:
        print(_describe_training(model, seconds))
    evaluation = None
    if held_back is not None:
        evaluation = _evaluate(model, held_back, is_quiet=options.quiet)
        model.report_ = evaluation.report
    if path is not None:
        _save(model, path, is_quiet=options.quiet)
    if options.report is not None:
        title, facts = f"Learning {table.target_name}", _facts(table, training, held_back)
        said = write_report(options.report, title, facts, model, evaluation)
        if not options.quiet:
            print(said)
    return INTERRUPTED if was_interrupted else SUCCESS


def _find(options: argparse.Namespace) -> Table:
    return find_table(
        options.table, options.target, task=options.task, options=read_options(options)
    )


def _model_path(options: argparse.Namespace) -> Path | None:
    if options.no_save:
        return None
    return options.out or Path(f"{Path(options.table).stem}.netts")


def _check_path(path: Path) -> None:
    """Refuse to write where that is impossible, or would replace what is no model."""
    check_replaceable(path)
    if not path.exists():
        return
    try:
        read_model_file(path)
    except BrokenModelError as error:
        raise ModelFileError(
            f"{error}; it would be replaced by the model: choose another --out, or delete it"
        ) from error


def _check_checkpoint(options: argparse.Namespace) -> None:
    """Refuse what cannot be kept, or gone on from, before the time for training is spent."""
    if options.checkpoint is None:
        if options.resume:
            raise ParameterError("--resume goes on from a file: name it by --checkpoint FILE")
        return
    if options.solver == "lbfgs":
        raise ParameterError("--checkpoint is for solvers that go step by step: adam or sgd")
    _check_path(options.checkpoint)


def _describe_data(table: Table, training: Table, held_back: Table | None) -> None:
    print_wrapped(str(table))
    held = f", {held_back.n_samples:,} held back" if held_back is not None else ""
    print(f"training on {training.n_samples:,} rows{held}\n")
    print_columns(TableEncoder().fit(training).columns_, training.n_samples)
    print()
    if sys.stderr.isatty() and not cache_size_bytes():
        note("compiling for this machine, once: some seconds (`netts warmup` does it beforehand)")


def _estimator(table: Table, options: argparse.Namespace, n_samples: int) -> Any:
    kind = MLPClassifier if table.task == "classification" else MLPRegressor
    return kind(
        hidden_layer_sizes=options.hidden,
        alpha=WEIGHT_PENALTY * min(1.0, PENALIZED_ROWS / n_samples),
        batch_size=min(BATCH_SIZE, n_samples),
        max_iter=options.epochs,
        solver=options.solver,
        learning_rate_init=options.learning_rate,
        random_state=options.seed,
        device=options.device,
        precision=options.precision,
        callbacks=_callbacks(options),
    )


def _callbacks(options: argparse.Namespace) -> list[Callback]:
    found: list[Callback] = []
    if sys.stderr.isatty() and not options.quiet:
        found.append(ProgressBar())
    if options.report is not None:
        found.append(StepProfile())
    if options.log is not None:
        found.append(JsonLog(options.log))
    if options.checkpoint is not None:
        found.append(Checkpoint(options.checkpoint, resume=options.resume))
    return found


def _fit(model: TableModel, training: Table) -> bool:
    """Fit, pass warnings on as messages, and tell whether Ctrl-C ended it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        # To have run all the epochs asked for is no mistake here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(training, training.y)
    for warning in caught:
        note(f"warning: {warning.message}")
    return any(issubclass(warning.category, InterruptedFitWarning) for warning in caught)


def _describe_training(model: TableModel, seconds: float) -> str:
    estimator = model.estimator_
    sizes = [layer.shape[0] for layer in estimator.coefs_] + [estimator.coefs_[-1].shape[1]]
    layers = "-".join(map(str, sizes))
    return (
        f"trained a {layers} network for {estimator.n_iter_} epochs on {estimator.device_} "
        f"in {seconds:.2f} s, loss {estimator.loss_:.4g}"
    )


def _facts(table: Table, training: Table, held_back: Table | None) -> dict[str, str]:
    held = "none" if held_back is None else f"{held_back.n_samples:,}"
    return {
        "table": table.name,
        "target": f"{table.target_name} ({table.task})",
        "rows trained on": f"{training.n_samples:,}",
        "rows held back": held,
    }


def _evaluate(model: TableModel, held_back: Table, *, is_quiet: bool) -> Evaluation:
    result = evaluate(model, held_back.y, held_back.columns, held_back.line_numbers)
    if not is_quiet:
        print(f"\non the {held_back.n_samples:,} rows held back:")
    print(result)
    return result


def _save(model: TableModel, path: Path, *, is_quiet: bool) -> None:
    model.save(path)
    if not is_quiet:
        size = path.stat().st_size
        print(f"\nsaved {path} ({size / 1000:,.0f} kB); predict with: netts predict {path} TABLE")
