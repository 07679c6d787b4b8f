"""What a model file holds of a table model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netts.data import Reading
from netts.data.category_columns import CategoryColumn, CodedColumn, OrdinalColumn
from netts.data.encoded_columns import EncodedColumn, IgnoredColumn, NumberColumn
from netts.data.kinds import ColumnRule
from netts.data.scaling import Scaler, Scaling
from netts.data.targets import TargetRule
from netts.errors import BrokenModelError
from netts.estimators import saved
from netts.estimators.saved import SavedMLP
from netts.evaluation import ClassificationReport, ClassScores, RegressionReport
from netts.persistence.forms import Registry

Report = ClassificationReport | RegressionReport


@dataclass(frozen=True)
class SavedEncoder:
    """A fitted encoder as plain values: its parameters, and what it learned."""

    max_categories: int
    handle_unknown: str
    columns: tuple[EncodedColumn, ...]
    n_samples: int
    has_names: bool
    scaler: Scaler | dict[str, Scaler] = "standard"
    encodings: dict[str, str | list[Any] | tuple[Any, ...]] | None = None

    @property
    def n_outputs(self) -> int:
        """Return the number of inputs that it gives to a network."""
        return sum(len(column.output_names) for column in self.columns)


@dataclass(frozen=True)
class SavedTableModel:
    """A trained table model as plain values and arrays.

    What is subtracted from targets is called `target_mean` since there was no other scaler.
    """

    encoder: SavedEncoder
    estimator: SavedMLP
    target_mean: float
    target_scale: float
    reading: Reading | None
    report: Report | None
    target_scaler: Scaler = "standard"

    def __post_init__(self) -> None:
        n_inputs = self.estimator.learned.n_features_in_
        if self.encoder.n_outputs != n_inputs:
            raise BrokenModelError(
                f"the encoder gives {self.encoder.n_outputs} inputs to a network of {n_inputs}"
            )
        Scaling(self.target_mean, self.target_scale)  # which checks them
        self._check_reading()

    def _check_reading(self) -> None:
        if self.reading is None:
            return
        task = "classification" if self.estimator.kind == "mlp_classifier" else "regression"
        if self.reading.target.task != task:
            raise BrokenModelError(f"a {self.estimator.kind} cannot have learned a {task}")
        known = {rule.name for rule in self.reading.columns}
        lacking = [c.name for c in self.encoder.columns if c.output_names and c.name not in known]
        if lacking or not known < set(self.reading.names):
            raise BrokenModelError("the columns read are not those that are encoded")


REGISTRY: Registry = {
    **saved.REGISTRY,
    **{
        one.__name__: one
        for one in (
            SavedTableModel, SavedEncoder, NumberColumn, CategoryColumn, CodedColumn, OrdinalColumn,
            IgnoredColumn, Reading, ColumnRule, TargetRule, ClassificationReport, ClassScores,
            RegressionReport,
        )
    },
}  # fmt: skip
"""What a table model's file may name."""
