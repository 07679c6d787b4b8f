"""What `train`, `predict` and `evaluate` share: predictions from columns, and how good they are."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_classifier

import netts
from netts import devices, evaluation
from netts.cli.messages import note
from netts.data import Reading, ReadOptions
from netts.data.datasets import find_path
from netts.data.reading import RowsToPredict, read_again
from netts.errors import DataError, ModelKindError
from netts.estimators import TableModel
from netts.evaluation import Evaluation


def load_model(path: Path, device: str, precision: str | None) -> tuple[TableModel, Reading]:
    """Load what `netts train` saved, to run on a device: the model, and how to read its tables.

    Without a precision the model keeps the one that it was trained with.

    Raises
    ------
    ModelKindError
        Where the file holds another model, which does not know the columns of a table.
    """
    devices.choose(device)
    model: Any = netts.load(path)
    reading = getattr(model, "reading_", None)
    if reading is None:
        raise ModelKindError(
            f"{path} holds a {type(model).__name__} and not how its table was read, which tables "
            "need: use a model of `netts train`, or netts.load in Python"
        )
    model.estimator_.set_params(device=device)
    if precision is not None:
        model.estimator_.set_params(precision=precision)
    return model, reading


def read_for(
    model: TableModel,
    reading: Reading,
    table: str,
    options: ReadOptions,
    *,
    with_target: bool,
) -> RowsToPredict:
    """Read the columns that a model uses from a bundled table or a file."""
    used = {column.name for column in model.encoder_.columns_ if column.output_names}
    return read_again(find_path(table), reading, used, with_target=with_target, options=options)


def predict(
    model: TableModel, columns: Mapping[str, np.ndarray], line_numbers: Sequence[int] | np.ndarray
) -> np.ndarray:
    """Predict, and say what training has not seen."""
    return _without_complaints(model, columns, line_numbers).predict(columns)


def predict_proba(
    model: TableModel, columns: Mapping[str, np.ndarray], line_numbers: Sequence[int] | np.ndarray
) -> np.ndarray:
    """Give probabilities, and say what training has not seen."""
    return _without_complaints(model, columns, line_numbers).predict_proba(columns)


def evaluate(
    model: TableModel,
    y: np.ndarray,
    columns: Mapping[str, np.ndarray],
    line_numbers: Sequence[int] | np.ndarray,
) -> Evaluation:
    """Compare predictions with the target of a table, and say what training has not seen.

    Raises
    ------
    DataError
        Where the target has a label that is none of the model's classes.
    """
    if is_classifier(model):
        unknown = np.setdiff1d(y, model.classes_)
        if unknown.size:
            listed = ", ".join(map(str, model.classes_))
            raise DataError(
                f"the target has the label {str(unknown[0])!r}, which is none of the classes that "
                f"the model knows: {listed}"
            )
    return evaluation.evaluate(_without_complaints(model, columns, line_numbers), columns, y)


def _without_complaints(
    model: TableModel, columns: Mapping[str, np.ndarray], line_numbers: Sequence[int] | np.ndarray
) -> TableModel:
    """Say what is unknown by the lines of the file; return a model that says nothing by rows."""
    for unknown in model.encoder_.find_unknown(columns):
        note(f"warning: {unknown.describe(f'line {line_numbers[unknown.rows[0]]}')}")
    silent = copy.copy(model)
    silent.encoder_ = copy.copy(model.encoder_).set_params(handle_unknown="ignore")
    return silent
