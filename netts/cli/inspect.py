"""`netts inspect`: what is in a model file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_classifier

import netts
from netts.cli.exit_codes import SUCCESS
from netts.cli.output import print_columns, print_wrapped
from netts.compiler.cost_constants import DEFAULTS
from netts.estimators import ImageModel, MLPClassifier, MLPRegressor, TableModel
from netts.estimators.choice import DeviceChoice
from netts.network import Network
from netts.persistence import ModelFile, read_model_file

BARS = "▁▂▃▄▅▆▇█"
N_BARS = 24
"""Short enough to stand in a line of 80 characters with its numbers."""

# Class labels that are named before it is said how many more there are.
MAX_CLASSES_SHOWN = 10

ENDINGS = {
    "epochs": "all that were asked for",
    "early_stopping": "until there was no progress",
    "steps": "until all steps that were asked for",
    "seconds": "until its time was over",
    "target": "until the target was reached",
    "callback": "until it was told to stop",
    "interrupt": "until it was interrupted",
    "lost device": "until the device was lost",
}

EPILOG = """\
A model file is in the safetensors format, with a JSON header: nothing in it is
run by reading it, and other programs can read it too.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file of netts")
    parser.add_argument("--json", action="store_true", help="print the whole header, as JSON")


def run(options: argparse.Namespace) -> int:
    """Check the file and describe what it holds."""
    file = read_model_file(options.model)
    if options.json:
        print(json.dumps(_header(file), indent=2, ensure_ascii=False))
        return SUCCESS
    model: Any = netts.load(options.model)
    print_wrapped(f"{options.model}: {_describe_file(file)}")
    if isinstance(model, TableModel):
        _describe_table_model(model)
    elif isinstance(model, ImageModel):
        print_wrapped(f"{len(model.class_names)} classes: {', '.join(model.class_names)}")
        print(f"{model.options}\n\n{model.network.summary()}")
    elif isinstance(model, Network):
        print(f"\n{model.summary()}")
    else:
        _describe_estimator(model)
    return SUCCESS


def _describe_file(file: ModelFile) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in file.versions.items())
    return (
        f"{file.kind.replace('_', ' ')}, {file.n_bytes / 1000:,.0f} kB, whole\n"
        f"written by {versions}"
    )


def _describe_table_model(model: TableModel) -> None:
    columns = model.encoder_.columns_
    if model.reading_ is not None:
        target = model.reading_.target
        print(f"learned {target.name!r} ({target.task}) from {len(columns)} columns")
    if is_classifier(model):
        print_wrapped(_describe_classes(model.classes_))
    print()
    print_columns(columns, model.encoder_.n_samples_seen_)
    print()
    _describe_estimator(model.estimator_)
    if model.report_ is not None:
        print(f"\non the rows held back from training:\n{model.report_}")


def _describe_classes(classes: np.ndarray) -> str:
    more = len(classes) - MAX_CLASSES_SHOWN
    listed = ", ".join(map(str, classes[:MAX_CLASSES_SHOWN]))
    return f"{len(classes)} classes: {listed}" + (f", and {more} more" if more > 0 else "")


def _describe_estimator(estimator: MLPClassifier | MLPRegressor) -> None:
    units = [len(coef) for coef in estimator.coefs_] + [estimator.n_outputs_]
    n_parameters = sum(one.size for one in [*estimator.coefs_, *estimator.intercepts_])
    print(
        f"network: {'-'.join(map(str, units))} units, {estimator.activation}, "
        f"{n_parameters:,} parameters of {estimator.coefs_[0].dtype}"
    )
    history = estimator.history_
    seconds = sum(history.seconds)
    print_wrapped(
        f"trained for {len(history)} epochs in {seconds:.2f} s on {estimator.device_} "
        f"({_choice(estimator.device_choice_)}), "
        f"{ENDINGS.get(history.stopped_by, history.stopped_by)}"
    )
    if estimator.loss_curve_:
        print(f"loss: {_curve(estimator.loss_curve_)}")


def _choice(choice: DeviceChoice) -> str:
    """Say why a fit ran where it did, and by which costs unless those are everybody's."""
    said = [choice.reason, f"{choice.n_threads} threads"]
    if choice.precision == "tf32":
        said.append("products in TF32")
    if choice.costs not in (None, DEFAULTS.digest):
        said.append(f"calibrated costs {choice.costs}")
    return ", ".join(said)


def _curve(losses: list[float]) -> str:
    """Draw a curve in one line, on a logarithmic scale, between its first and last value."""
    places = np.linspace(0, len(losses) - 1, min(N_BARS, len(losses))).round().astype(int)
    heights = np.log(np.maximum(np.array(losses)[places], np.finfo(float).tiny))
    low, span = heights.min(), np.ptp(heights) or 1.0
    bars = [BARS[int((height - low) / span * (len(BARS) - 1))] for height in heights]
    return f"{losses[0]:.4g} {''.join(bars)} {losses[-1]:.4g}"


def _header(file: ModelFile) -> dict[str, Any]:
    return {
        "kind": file.kind,
        "format": file.format,
        "checksum": file.checksum,
        "versions": dict(file.versions),
        "content": file.content,
    }
