"""What `train` and `evaluate` write beside what they print: an HTML page, and JSON."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from netts.errors import ModelFileError
from netts.estimators import TableModel
from netts.evaluation import Evaluation, Page, check_packages, training_sections
from netts.persistence import check_replaceable
from netts.training import StepProfile


def add_report(parser: argparse.ArgumentParser) -> None:
    """Describe the page."""
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write the report with plots too, as one HTML file (needs the extra `report`)",
    )


def check_report(path: Path | None) -> None:
    """Refuse, before time is spent, a page that could not be written or would replace a file.

    Raises
    ------
    MissingPackageError, ModelFileError
    """
    if path is not None:
        check_packages()
        check_own(path, b"<!doctype html", "HTML page")


def check_own(path: Path, beginning: bytes, kind: str) -> None:
    """Refuse to replace a file that is not of the kind that is to be written.

    Raises
    ------
    ModelFileError
    """
    check_replaceable(path)
    if not path.exists():
        return
    with path.open("rb") as file:
        found = file.read(len(beginning))
    if found.lower() != beginning:
        raise ModelFileError(
            f"{path} is no {kind}, and would be replaced by one: choose another name, or delete it"
        )


def write_report(
    path: Path,
    title: str,
    facts: Mapping[str, str],
    model: TableModel,
    evaluation: Evaluation | None,
) -> str:
    """Write the page: scores where there are, then how the model was trained; say so.

    Parameters
    ----------
    path
    title, facts
        What stands on top.
    model
        Fitted. What a step of its training spent its time on is shown where it was measured, by a
        `StepProfile` among the callbacks.
    evaluation
        None where nothing was held back.
    """
    estimator = model.estimator_
    watches = (one for one in estimator.callbacks if isinstance(one, StepProfile))
    watch = next(watches, None)
    sections = [
        *(evaluation.sections() if evaluation is not None else []),
        *training_sections(estimator.history_, watch.profile_ if watch else None),
    ]
    Page(title, sections, {**facts, **_describe(model)}).save(path)
    return f"wrote the report to {path} ({path.stat().st_size / 1000:,.0f} kB)"


def _describe(model: TableModel) -> dict[str, str]:
    estimator = model.estimator_
    units = [len(coef) for coef in estimator.coefs_] + [estimator.n_outputs_]
    return {
        "network": f"{'-'.join(map(str, units))}, {estimator.activation}",
        "device": estimator.device_,
    }
