"""`netts train`: from a table to a report in one command."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
import time
import warnings
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from netts import devices
from netts.cli.exit_codes import INTERRUPTED, SUCCESS
from netts.compiler.cache import cache_size_bytes
from netts.data import Table, dataset_names, find_table
from netts.data.splitting import split_table
from netts.errors import DataError, InterruptedFitWarning
from netts.estimators import MLPClassifier, MLPRegressor
from netts.evaluation import classification_report, regression_report
from netts.training import ProgressBar

EPILOG = f"""\
A table is a CSV file of numbers whose target may also be text. Columns are
separated by commas, semicolons or tabs; a first line without any number is
taken for the column names. Part of the rows is held back, the columns are
standardised, the network learns from the rest, and the report says how well
it does on the rows held back.

bundled tables: {", ".join(dataset_names())}
"""

# The best compromise over the five bundled tables: bench/train_defaults.py and its results.
DEFAULT_HIDDEN = (64, 32)
DEFAULT_EPOCHS = 100
BATCH_SIZE = 32
WEIGHT_PENALTY = 0.3

LARGEST = 1e150
"""Standard deviations add up squares, which float64 holds up to 1.8e308."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = EPILOG
    parser.add_argument("table", metavar="NAME_OR_TABLE", help="a bundled table, or a CSV file")
    parser.add_argument(
        "--target", metavar="COLUMN", help="what to learn (default: the last column)"
    )
    parser.add_argument(
        "--task",
        choices=("classification", "regression"),
        help="by default classification for text and for at most 20 different whole numbers",
    )
    parser.add_argument(
        "--hidden",
        type=_layer_sizes,
        default=DEFAULT_HIDDEN,
        metavar="UNITS",
        help="units of each hidden layer (default: 64,32)",
    )
    parser.add_argument(
        "--epochs",
        type=_positive_integer,
        default=DEFAULT_EPOCHS,
        metavar="N",
        help="passes over the rows, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--test-size",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="share of the rows to hold back (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="the same seed gives the same result (default: %(default)s)",
    )
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="one of `netts devices` (default: auto)"
    )
    parser.add_argument("--quiet", action="store_true", help="print the report, nothing else")


def run(options: argparse.Namespace) -> int:
    """Load, split, train and report; 130 if Ctrl-C ended the training early."""
    devices.choose(options.device)  # refuses a wrong name before anything is printed
    table = find_table(options.table, options.target, task=options.task)
    _check_magnitudes(table)
    training, held_back = split_table(table, options.test_size, random_state=options.seed)
    if not options.quiet:
        _print_wrapped(str(table))
        print(f"training on {training.n_samples} rows, {held_back.n_samples} held back")
        _explain_first_run()
    model = _build_model(training, options)
    start = time.perf_counter()
    was_interrupted = _fit(model, training)
    seconds = time.perf_counter() - start
    if not options.quiet:
        print(_describe_training(model, seconds))
        print(f"\non the {held_back.n_samples} rows held back:")
    print(_report(model, table, held_back))
    return INTERRUPTED if was_interrupted else SUCCESS


def _check_magnitudes(table: Table) -> None:
    columns = dict(zip(table.feature_names, table.X.T, strict=True))
    if table.task == "regression":
        columns[table.target_name] = table.y
    for name, values in columns.items():
        largest = values[np.abs(values).argmax()]
        if abs(largest) > LARGEST:
            raise DataError(
                f"{table.name}: column {name!r} holds {largest:g}, and netts train standardises "
                f"numbers up to {LARGEST:g} only: write the column in a larger unit"
            )


def _print_wrapped(text: str) -> None:
    width = shutil.get_terminal_size().columns
    for line in text.splitlines():
        print(textwrap.fill(line, width, subsequent_indent="  "))


def _explain_first_run() -> None:
    """Say what a person waits for when there is nothing in the cache yet."""
    if sys.stderr.isatty() and not cache_size_bytes():
        print("compiling for this machine, once: some seconds", file=sys.stderr)


def _build_model(training: Table, options: argparse.Namespace) -> Any:
    """Put an estimator behind standardised inputs, and standardised targets for regression."""
    settings = {
        "hidden_layer_sizes": options.hidden,
        "alpha": WEIGHT_PENALTY,
        "batch_size": min(BATCH_SIZE, training.n_samples),
        "max_iter": options.epochs,
        "random_state": options.seed,
        "device": options.device,
        "callbacks": [ProgressBar()] if sys.stderr.isatty() and not options.quiet else [],
    }
    if training.task == "classification":
        return make_pipeline(StandardScaler(), MLPClassifier(**settings))
    regressor = make_pipeline(StandardScaler(), MLPRegressor(**settings))
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def _fit(model: Any, training: Table) -> bool:
    """Fit, pass warnings on as messages, and tell whether Ctrl-C ended it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        # To have run all the epochs asked for is no mistake here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(training.X, training.y)
    for warning in caught:
        print(f"netts: warning: {warning.message}", file=sys.stderr)
    return any(issubclass(warning.category, InterruptedFitWarning) for warning in caught)


def _describe_training(model: Any, seconds: float) -> str:
    pipeline = getattr(model, "regressor_", model)
    estimator = pipeline[-1]
    sizes = [layer.shape[0] for layer in estimator.coefs_] + [estimator.coefs_[-1].shape[1]]
    layers = "-".join(map(str, sizes))
    return (
        f"trained a {layers} network for {estimator.n_iter_} epochs on {estimator.device_} "
        f"in {seconds:.2f} s, loss {estimator.loss_:.4g}"
    )


def _report(model: Any, table: Table, held_back: Table) -> str:
    predictions = model.predict(held_back.X)
    if table.task == "regression":
        return str(regression_report(held_back.y, predictions))
    return str(classification_report(held_back.y, predictions, model.classes_))


def _layer_sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(_positive_integer(part) for part in text.split(","))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of units such as 64 or 64,32"
        ) from error


def _positive_integer(text: str) -> int:
    if not text.strip().isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _seed(text: str) -> int:
    # The range of numpy.random.RandomState, which divides the rows.
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and below 1")
    return value
