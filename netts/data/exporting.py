"""What a table encoder does, as operators of an ONNX graph: one input for each column.

Numbers are float64 with NaN for what is missing, and yes or no is 1 or 0. ONNX has no dates: they
are what NumPy holds of a datetime64[us], whole microseconds since 1970-01-01. Categories are text,
and a missing one is the empty text. All is computed in float64, as the encoder does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from netts.data.category_columns import Categories, CategoryColumn, CodedColumn, OrdinalColumn
from netts.data.encoded_columns import EncodedColumn, IgnoredColumn, NumberColumn
from netts.data.scaling import Scaling
from netts.errors import UnexportableError
from netts.persistence.onnx_graph import TEXT, OnnxGraph, Operators

MICROSECONDS_OF_A_DAY = 86_400_000_000.0

NOT_A_TIME = np.iinfo(np.int64).min
"""What NumPy's NaT is as a whole number."""

MISSING_TEXT = ""


def add_columns(graph: OnnxGraph, columns: Iterable[EncodedColumn]) -> str:
    """Append what an encoder does to columns, each declared as an input unless it is ignored.

    Parameters
    ----------
    graph
        Changed in place.
    columns
        `columns_` of a fitted encoder.

    Returns
    -------
    str
        The value that `TableEncoder.transform` gives, float64 of shape (batch, n_outputs).

    Raises
    ------
    UnexportableError
        Where a column, or what becomes of it, has no operator.
    """
    parts = []
    for column in columns:
        at = Operators(graph, f"column {column.name}", np.dtype(np.float64))
        parts += WRITERS[type(column)](column, at)
    joined = Operators(graph, "encoder", np.dtype(np.float64))
    return joined.add("Concat", *parts, axis=1)


def _add_number(column: NumberColumn, at: Operators) -> list[str]:
    if column.kind == "date":
        values, is_missing = _days(column, at)
    else:
        said = "1 for yes, 0 for no" if column.kind == "yes/no" else "a number"
        said += ", NaN where it is missing"
        values = at.graph.input(column.name, np.float64, (1,), said)
        is_missing = at.add("IsNaN", values)
    filled = at.add("Where", is_missing, at.number(column.median), values)
    scaled = _add_scaling(column.scaling, filled, at)
    return [scaled] + [at.cast(is_missing, np.float64)] * bool(column.n_missing)


def _add_scaling(scaling: Scaling, value: str, at: Operators) -> str:
    centred = at.add("Sub", value, at.number(scaling.center))
    return at.add("Div", centred, at.number(scaling.scale))


def _days(column: NumberColumn, at: Operators) -> tuple[str, str]:
    """Return the days since 1970-01-01 of a column of dates, and where there are none."""
    said = (
        "a date in whole microseconds since 1970-01-01 UTC, as NumPy's datetime64[us] holds it; "
        f"{NOT_A_TIME} where it is missing"
    )
    values = at.graph.input(column.name, np.int64, (1,), said)
    is_missing = at.add("Equal", values, np.array(NOT_A_TIME))
    microseconds = at.cast(values, np.float64)
    return at.add("Div", microseconds, at.number(MICROSECONDS_OF_A_DAY)), is_missing


def _add_texts(column: Categories, at: Operators) -> tuple[str, list[str]]:
    """Return the input of a column of categories, and the texts that are known, in their places."""
    known = list(column.categories)
    if column.n_missing:
        if MISSING_TEXT in known:
            raise UnexportableError(
                f"column {column.name!r} has empty texts and missing values, which are the same in "
                "an ONNX file: replace the empty texts before training"
            )
        known.append(MISSING_TEXT)
    said = "a category; empty where it is missing"
    return at.graph.input(column.name, TEXT, (1,), said), known


def _add_category(column: CategoryColumn, at: Operators) -> list[str]:
    values, known = _add_texts(column, at)
    options: dict[str, Any] = {"cats_strings": known, "zeros": 1}  # an unknown one is 0 everywhere
    encoded = at.add("OneHotEncoder", values, domain="ai.onnx.ml", **options)
    return [at.cast(at.reshape(encoded, [len(known)]), np.float64)]


def _add_code(column: CodedColumn, at: Operators) -> list[str]:
    values, known = _add_texts(column, at)
    return [at.cast(_looked_up(values, known, range(1, column.n_codes), 0, at), np.float64)]


def _add_rank(column: OrdinalColumn, at: Operators) -> list[str]:
    values, known = _add_texts(column, at)
    n_ranks = len(column.categories)
    ranks = [*range(n_ranks), *[column.middle] * bool(column.n_missing)]
    rank = at.cast(_looked_up(values, known, ranks, column.middle, at), np.float64)
    parts = [_add_scaling(Scaling(column.center, column.scale), rank, at)]
    if column.n_missing:
        is_missing = _looked_up(values, [MISSING_TEXT], [1], 0, at)
        parts.append(at.cast(is_missing, np.float64))
    return parts


def _looked_up(
    values: str, texts: Sequence[str], numbers: Iterable[int], otherwise: int, at: Operators
) -> str:
    """Return the number of each text, int64."""
    return at.add(
        "LabelEncoder",
        values,
        domain="ai.onnx.ml",
        keys_strings=list(texts),
        values_int64s=list(numbers),
        default_int64=otherwise,
    )


def _ignore(column: IgnoredColumn, at: Operators) -> list[str]:
    return []


WRITERS: dict[type, Callable[[Any, Operators], list[str]]] = {
    NumberColumn: _add_number,
    CategoryColumn: _add_category,
    CodedColumn: _add_code,
    OrdinalColumn: _add_rank,
    IgnoredColumn: _ignore,
}
"""For each kind of column, what declares its input and writes its operators."""
