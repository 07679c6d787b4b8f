"""What a table has that no training row had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netts.data.category_columns import Categories
from netts.data.encoded_columns import NumberColumn
from netts.data.quoting import quoted

# How many values, or columns, a message names.
MAX_NAMED = 3


@dataclass(frozen=True)
class Unknown:
    """Rows with what no training row had in a column: a new category, or no value.

    Attributes
    ----------
    column : NumberColumn or Categories
    rows : ndarray of int64
    values : tuple of str or None
        The different values there, each once; None is a missing one.
    """

    column: NumberColumn | Categories
    rows: np.ndarray
    values: tuple[str | None, ...]

    def describe(self, place: str) -> str:
        """Say it in a sentence; `place`, such as "row 3", is where the first of the rows is."""
        where = f"{len(self.rows):,} rows, the first {place}" if len(self.rows) > 1 else place
        name, stand_in = self.column.name, self.column.stand_in
        if isinstance(self.column, NumberColumn):
            return (
                f"column {quoted(name)} has no value in {where}, and had one in every row "
                f"trained on: it counts as {stand_in}"
            )
        new = ", ".join("no value" if v is None else quoted(v) for v in self.values[:MAX_NAMED])
        more = len(self.values) - MAX_NAMED
        new += f" and {more:,} more" if more > 0 else ""
        return (
            f"column {quoted(name)} has {new} in {where}, which no row trained on had: it "
            f"counts as {stand_in}"
        )
