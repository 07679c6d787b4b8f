"""A table whose columns have types of their own: what is a category, and what is the target."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netts.data.cells import is_number
from netts.data.kinds import ColumnRule, Kind, looks_like_classes, missing_cells
from netts.data.quoting import quoted
from netts.data.rows import ReadOptions
from netts.data.targets import MAX_LABEL_CHARACTERS, TargetRule, Task, as_labels, kind_of_labels
from netts.data.values import is_truth, label
from netts.errors import DataError


@dataclass(frozen=True, eq=False)
class TypedColumns:
    """Columns as `netts.data.values` makes them, with the rules of `netts.data.kinds`.

    Attributes
    ----------
    path : Path
    columns : dict of str to ndarray of shape (n_samples,)
    options : ReadOptions
        Texts that stand for a missing value do so here too, and numbers that are asked for.
    """

    path: Path
    columns: dict[str, np.ndarray]
    options: ReadOptions
    has_header: bool = field(default=True, init=False)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(self.columns)

    @property
    def line_numbers(self) -> np.ndarray:
        """Return the number of each row, from 1."""
        return np.arange(1, len(next(iter(self.columns.values()), ())) + 1)

    def describe(self) -> str:
        """Say the format."""
        return "Parquet"

    def counts_rows(self, column: int) -> bool:
        """Tell whether the values are 0, 1, 2, ... or 1, 2, 3, ..."""
        values = self._values(column)
        return values.dtype.kind == "f" and any(
            np.array_equal(values, np.arange(k, k + len(values))) for k in (0, 1)
        )

    def infer(self, column: int) -> tuple[ColumnRule, np.ndarray]:
        """Tell what a column is by its type, and return its values."""
        name, missing = self.column_names[column], missing_cells(self.options)
        kind = "category" if name in self.options.categories else self._kind(column)
        rule = ColumnRule(name, kind)
        return rule, self.read(column, rule, missing)

    def read(self, column: int, rule: ColumnRule, missing: frozenset[str]) -> np.ndarray:
        """Return the values; those of another kind are refused by who encodes them."""
        values = self._values(column)
        if rule.kind == "category" and values.dtype.kind != "O":
            values = np.array([label(value) for value in values.tolist()], dtype=object)
        values = _without(values, missing)
        if values.dtype.kind == "f" and np.isinf(values).any():
            row = int(np.isinf(values).argmax())
            raise DataError(f"{self._place(row, column)}: {values[row]} is not a finite number")
        return values

    def infer_target(self, column: int, task: Task | None) -> tuple[TargetRule, np.ndarray]:
        """Tell what the target is by its type, and by `looks_like_classes`, and return it."""
        rule, values = self.infer(column)
        self._check_complete(values, column)
        if rule.kind == "date" and task is None:
            raise DataError(
                f"{self.path}: target {quoted(rule.name)} holds dates, which are neither classes "
                "nor quantities: choose another column as the target"
            )
        if rule.kind != "number":
            if task == "regression":
                raise DataError(
                    f"{self._place(0, column)}: {quoted(label(values[0]) or '')} is not a number, "
                    "and a regression learns quantities"
                )
            return self._labelled(rule.name, values, column)
        if task == "regression" or (task is None and not looks_like_classes(values)):
            return TargetRule(rule.name, "regression"), values
        found = TargetRule(rule.name, "classification", kind_of_labels(values))
        return found, as_labels(values, found.labels)

    def read_target(self, column: int, rule: TargetRule, missing: frozenset[str]) -> np.ndarray:
        """Return the target as another file's was."""
        values = self.read(column, ColumnRule(rule.name, self._kind(column)), missing)
        self._check_complete(values, column)
        if values.dtype.kind == "f" and rule.labels != "text":
            return values if rule.labels is None else as_labels(values, rule.labels)
        if rule.labels is None:
            raise DataError(
                f"{self._place(0, column)}: {quoted(label(values[0]) or '')} is not a number, and "
                "the model learned quantities"
            )
        return self._labelled(rule.name, values, column)[1]

    def _values(self, column: int) -> np.ndarray:
        return self.columns[self.column_names[column]]

    def _kind(self, column: int) -> Kind:
        values = self._values(column)
        if values.dtype.kind != "O":
            return "number" if values.dtype.kind == "f" else "date"
        present = [value for value in values if value is not None]
        return "yes/no" if present and all(map(is_truth, present)) else "category"

    def _labelled(
        self, name: str, values: np.ndarray, column: int
    ) -> tuple[TargetRule, np.ndarray]:
        labels = [str(label(value)) for value in values.tolist()]
        row = max(range(len(labels)), key=lambda row: len(labels[row]))
        if len(labels[row]) > MAX_LABEL_CHARACTERS:
            raise DataError(
                f"{self._place(row, column)}: {quoted(labels[row])} has {len(labels[row]):,} "
                f"characters, and a label has at most {MAX_LABEL_CHARACTERS}: choose another "
                "column as the target"
            )
        return TargetRule(name, "classification", "text"), np.array(labels)

    def _check_complete(self, values: np.ndarray, column: int) -> None:
        absent = [row for row, value in enumerate(values.tolist()) if label(value) is None]
        if absent:
            also = f", and in {len(absent) - 1:,} more rows" if len(absent) > 1 else ""
            raise DataError(
                f"{self._place(absent[0], column)}: the value is missing{also}, and every row "
                "needs a target: fill it or leave the row out"
            )

    def _place(self, row: int, column: int) -> str:
        return f"{self.path}, row {row + 1}, column {quoted(self.column_names[column])}"


def _without(values: np.ndarray, missing: frozenset[str]) -> np.ndarray:
    """Return values with those that stand for a missing one missing."""
    if values.dtype.kind == "f":
        numbers = [float(text) for text in missing if is_number(text)]
        return np.where(np.isin(values, numbers), np.nan, values)
    if values.dtype.kind == "O":
        is_missing = [isinstance(v, str) and v.strip().lower() in missing for v in values.tolist()]
        return np.where(is_missing, np.array(None), values)
    return values
